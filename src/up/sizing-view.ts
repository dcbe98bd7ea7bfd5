import type { Sizing } from "../control/sizing/sizing.ts";
import { cpuMilliOf } from "../model/function-version.ts";
import type { AccountId } from "../model/ids.ts";
import type { SizeStory } from "../model/size-story.ts";
import { partsOfSizingKey, type SizingKey, type SizingScope } from "../model/sizing.ts";
import type { FunctionCatalog, FunctionDescription } from "../ports/function-catalog.ts";
import type { SizedVersionView, SizingView } from "../ports/sizing-view.ts";
import type { SizeWriter } from "../server/size-writer.ts";
import type { SizingRules } from "../server/sizing-rules.ts";

type Parts = {
  readonly sizing: Pick<Sizing, "keys" | "storyOf" | "newestOf">;
  readonly rules: SizingRules;
  readonly writer: Pick<SizeWriter, "decisionsOf">;
  readonly catalog: Pick<FunctionCatalog, "get" | "list">;
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
      const keys = keysByFunction(sizing, new Set(page.map(nameOf)));
      const last = page.at(-1);
      return {
        isStopped: rules.isStopped,
        versions: page.flatMap((description) => versionsOf(parts, description, keys.get(nameOf(description)) ?? [])),
        ...(found.length > page.length && last !== undefined ? { next: nameOf(last) } : {}),
      };
    },
    find(accountId, functionName) {
      const description = catalog.get(accountId, functionName);
      if (description === undefined) return undefined;
      const name = nameOf(description);
      return versionsOf(parts, description, keysByFunction(sizing, new Set([name])).get(name) ?? []);
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
    effectiveMemoryMiB(accountId, functionName) {
      const description = catalog.get(accountId, functionName);
      if (description === undefined) return undefined;
      const key = sizing.newestOf(accountId, functionName);
      const story = key === undefined ? undefined : currentStory(sizing, description, key);
      return story?.effective.memoryMiB ?? description.settings.memoryMiB;
    },
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

/** The newest key of each version of each function, in the order in which they were used last. */
function keysByFunction(sizing: Parts["sizing"], functions: ReadonlySet<string>): Map<string, SizingKey[]> {
  const newest = new Map<string, Map<string, SizingKey>>();
  for (const key of sizing.keys()) {
    const { accountId, functionName, version, architecture } = partsOfSizingKey(key);
    const name = nameOf({ accountId, name: functionName });
    if (!functions.has(name)) continue;
    const ofFunction = newest.get(name) ?? new Map<string, SizingKey>();
    newest.set(name, ofFunction);
    ofFunction.set(`${version}/${architecture}`, key);
  }
  return new Map([...newest].map(([name, keys]) => [name, [...keys.values()]]));
}

function versionsOf(
  parts: Parts,
  description: FunctionDescription,
  keys: readonly SizingKey[],
): readonly SizedVersionView[] {
  const known = keys.flatMap((key) => {
    const story = currentStory(parts.sizing, description, key);
    return story === undefined ? [] : [viewOf(parts, description, key, story)];
  });
  return known.length > 0 ? known : [unknown(parts, description)];
}

/** undefined: the function states another amount than when it ran last, so that everything starts over. */
function currentStory(
  sizing: Pick<Sizing, "storyOf">,
  { settings }: FunctionDescription,
  key: SizingKey,
): SizeStory | undefined {
  const story = sizing.storyOf(key);
  const isLatest = partsOfSizingKey(key).version === "$LATEST";
  return isLatest && story?.requested.memoryMiB !== settings.memoryMiB ? undefined : story;
}

function viewOf(
  { rules, writer }: Parts,
  { accountId, name }: FunctionDescription,
  key: SizingKey,
  story: SizeStory,
): SizedVersionView {
  return {
    ...story,
    accountId,
    functionName: name,
    version: partsOfSizingKey(key).version,
    key,
    savedMiB: story.requested.memoryMiB - story.reservationMiB,
    settings: rules.settingsOf({ kind: "function", accountId, functionName: name }).settings,
    decisions: writer.decisionsOf(key),
  };
}

function unknown({ rules }: Parts, { accountId, name, settings }: FunctionDescription): SizedVersionView {
  const { memoryMiB } = settings;
  const size = { memoryMiB, cpuMilli: cpuMilliOf(memoryMiB) };
  const scope = { kind: "function", accountId, functionName: name } as const;
  const resolved = rules.settingsOf(scope).settings;
  return {
    accountId,
    functionName: name,
    version: "$LATEST",
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
