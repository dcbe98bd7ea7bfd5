import type { Sizing } from "../control/sizing/sizing.ts";
import { cpuMilliOf } from "../model/function-version.ts";
import type { AccountId } from "../model/ids.ts";
import type { SizeStory } from "../model/size-story.ts";
import type { SizingKey, SizingScope } from "../model/sizing.ts";
import type { FunctionCatalog, FunctionDescription } from "../ports/function-catalog.ts";
import type { SizedVersionView, SizingView } from "../ports/sizing-view.ts";
import type { SizeWriter } from "../server/size-writer.ts";
import { keyOfVersion } from "../server/sized-version.ts";
import type { SizingRules } from "../server/sizing-rules.ts";

/** Published versions of one function that are shown, the newest. */
const VERSIONS_SHOWN_MAX = 100;

type Parts = {
  readonly sizing: Pick<Sizing, "storyOf">;
  readonly rules: SizingRules;
  readonly writer: Pick<SizeWriter, "decisionsOf">;
  readonly catalog: Pick<FunctionCatalog, "get" | "list" | "listVersions">;
  /** Of all accounts, the operator's among them. */
  accountIds(): Promise<readonly AccountId[]>;
};

/** What the admin API shows of sizes, out of the server's parts. */
export function createSizingView(parts: Parts): SizingView {
  const { sizing, rules, catalog, accountIds } = parts;
  const exists = async (scope: SizingScope) =>
    scope.kind === "account"
      ? (await accountIds()).includes(scope.accountId)
      : catalog.get(scope.accountId, scope.functionName) !== undefined;
  return {
    async list(accountId, after, countMax) {
      const accounts = (await accountIds()).filter((id) => accountId === undefined || id === accountId);
      const found = functionsAfter(catalog, accounts.toSorted(), after, countMax + 1);
      const page = found.slice(0, countMax);
      const last = page.at(-1);
      return {
        isStopped: rules.isStopped,
        versions: page.flatMap((description) => versionsOf(parts, description)),
        ...(found.length > page.length && last !== undefined ? { next: nameOf(last) } : {}),
      };
    },
    find(accountId, functionName) {
      const description = catalog.get(accountId, functionName);
      return description === undefined ? undefined : versionsOf(parts, description);
    },
    async settingsOf(scope) {
      if (!(await exists(scope))) return undefined;
      return { ...rules.settingsOf(scope), changes: await rules.changes(scope) };
    },
    async setSettings(scope, said, changedBy) {
      if (!(await exists(scope))) return false;
      await rules.set(scope, said, changedBy);
      return true;
    },
    isStopped: () => rules.isStopped,
    stop: (isStopped, changedBy) => rules.stop(isStopped, changedBy),
    effectiveMemoryMiB: (description) =>
      storyOf(sizing, description)?.effective.memoryMiB ?? description.settings.memoryMiB,
  };
}

function nameOf({ accountId, name }: Pick<FunctionDescription, "accountId" | "name">): string {
  return `${accountId}/${name}`;
}

/** By account and name. @param accounts sorted. */
function functionsAfter(
  catalog: Parts["catalog"],
  accounts: readonly AccountId[],
  after: string | undefined,
  count: number,
): FunctionDescription[] {
  const [fromAccount = "", afterName = ""] = (after ?? "").split("/");
  const found: FunctionDescription[] = [];
  for (const accountId of accounts) {
    if (accountId < fromAccount) continue;
    if (found.length >= count) break;
    found.push(...catalog.list(accountId, accountId === fromAccount ? afterName : "", count - found.length));
  }
  return found;
}

/** `$LATEST`, and the published ones of which something is known. */
function versionsOf(parts: Parts, latest: FunctionDescription): readonly SizedVersionView[] {
  const { accountId, name } = latest;
  const published = parts.catalog.listVersions(accountId, name, 0, Number.MAX_SAFE_INTEGER) ?? [];
  return [latest, ...published.slice(-VERSIONS_SHOWN_MAX)].flatMap((description) => {
    const story = storyOf(parts.sizing, description);
    if (story !== undefined) return [viewOf(parts, description, story)];
    return description.version === latest.version ? [unknown(parts, description)] : [];
  });
}

/** undefined: it never ran, or stated another amount when it did. */
function storyOf(sizing: Parts["sizing"], description: FunctionDescription): SizeStory | undefined {
  const story = sizing.storyOf(keyOf(description));
  return story?.requested.memoryMiB === description.settings.memoryMiB ? story : undefined;
}

function keyOf({ accountId, name, version, code, settings }: FunctionDescription): SizingKey {
  const { sha256Hex: codeSha256Hex } = code;
  return keyOfVersion({ accountId, name, version, codeSha256Hex, architecture: settings.architecture });
}

function viewOf({ rules, writer }: Parts, description: FunctionDescription, story: SizeStory): SizedVersionView {
  const { accountId, name, version } = description;
  const key = keyOf(description);
  return {
    ...story,
    accountId,
    functionName: name,
    version,
    key,
    savedMiB: story.requested.memoryMiB - story.reservationMiB,
    settings: rules.settingsOf({ kind: "function", accountId, functionName: name }).settings,
    decisions: writer.decisionsOf(key),
  };
}

function unknown({ rules }: Parts, { accountId, name, version, settings }: FunctionDescription): SizedVersionView {
  const { memoryMiB } = settings;
  const size = { memoryMiB, cpuMilli: cpuMilliOf(memoryMiB) };
  const scope = { kind: "function", accountId, functionName: name } as const;
  const resolved = rules.settingsOf(scope).settings;
  return {
    accountId,
    functionName: name,
    version,
    requested: size,
    effective: size,
    learned: size,
    reservationMiB: memoryMiB,
    savedMiB: 0,
    settings: resolved,
    evidence: { executions: 0, peaksMeasured: 0, executionsMin: resolved.executionsMin, failures: 0, failedMiB: 0 },
    nextStep:
      resolved.mode === "off"
        ? "Nothing: sizing is off."
        : `Looked at for the first time after ${resolved.executionsMin} executions.`,
    decisions: [],
  };
}
