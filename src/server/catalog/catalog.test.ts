import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HearthError } from "../../model/error-code.ts";
import type { AccountId, FunctionKey } from "../../model/ids.ts";
import type { AliasDescription, AliasRoute } from "../../ports/alias-catalog.ts";
import type { CodeStore } from "../../ports/code-store.ts";
import { functionRecord } from "../../ports/contract/store-contract.ts";
import { zipOfEntries } from "../../ports/contract/zip-fixture.ts";
import type { FunctionCatalog, FunctionDescription, PublishRequest } from "../../ports/function-catalog.ts";
import type { Store } from "../../ports/store.ts";
import { createFilesCodeStore } from "../../store/files/code-store.ts";
import { createMemoryStore } from "../../store/memory/memory-store.ts";
import { createCatalog } from "./catalog.ts";

const accountA = "000000000000" as AccountId;
const accountB = "111111111111" as AccountId;
const { settings } = functionRecord(accountA, "f", "");
const zip = (text: string) => zipOfEntries([{ name: "index.js", data: text }]);
const anyRevision = { revisionId: undefined, dryRun: false, architecture: undefined, publish: false };
const anyPublish = { revisionId: undefined, codeSha256: undefined, description: undefined };

let dir: string;
let store: Store;
let codeStore: CodeStore;
let catalog: FunctionCatalog;
let nowMs: number;
let damage: string[];
let chance: number;

const open = async () => {
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs };
  const onDamage = (what: string) => damage.push(what);
  return createCatalog({
    store,
    codeStore,
    clock,
    region: "us-east-1",
    random: () => chance,
    accountConcurrencyMax: 1000,
    onDamage,
  });
};

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "hearth-catalog-"));
  nowMs = 1_000_000;
  damage = [];
  store = createMemoryStore();
  codeStore = await createFilesCodeStore(dir);
  catalog = await open();
});
afterEach(() => {
  catalog.close();
  rmSync(dir, { recursive: true, force: true });
});

test("functions are counted per account and over all of them, without their versions", async () => {
  const counts = () => [...[accountA, accountB].map((id) => catalog.usage(id).functionCount), catalog.functionCount()];
  expect(counts()).toEqual([0, 0, 0]);
  await catalog.create(accountA, "f", settings, zip("1"), {}, true);
  await catalog.create(accountB, "f", settings, zip("1"), {});
  await catalog.create(accountB, "g", settings, zip("1"), {});
  expect(counts()).toEqual([1, 2, 3]);
  catalog.close();
  catalog = await open();
  expect(counts()).toEqual([1, 2, 3]);
  await catalog.delete(accountB, "g");
  expect(counts()).toEqual([1, 1, 2]);
});

test("what was deployed is there again after a restart, active and under the same key", async () => {
  await catalog.create(accountA, "f", settings, zip("1"), { a: "b" });
  await catalog.create(accountB, "f", settings, zip("2"), {});
  const before = catalog.resolve(accountA, "f", undefined);
  catalog.close();
  catalog = await open();
  expect(catalog.resolve(accountA, "f", undefined)).toEqual(before);
  expect(catalog.get(accountA, "f")).toMatchObject({
    state: "Active",
    lastUpdateStatus: "Successful",
    tags: { a: "b" },
  });
  expect(catalog.resolve(accountB, "f", undefined)?.key).not.toBe(before?.key);
});

test("a change that cannot be stored is not seen", async () => {
  await catalog.create(accountA, "f", settings, zip("1"), {});
  nowMs += 100;
  const before = catalog.get(accountA, "f");
  const full = async () => {
    throw new HearthError("STORE_FAILED", "disk full");
  };
  store = Object.assign(store, { functions: { ...store.functions, put: full, delete: full } });
  const failing = [
    catalog.create(accountA, "g", settings, zip("1"), {}),
    catalog.updateCode(accountA, "f", zip("2"), anyRevision),
  ];
  for (const change of failing) await expect(change).rejects.toMatchObject({ code: "STORE_FAILED" });
  await expect(catalog.delete(accountA, "f")).rejects.toMatchObject({ code: "STORE_FAILED" });
  expect(catalog.get(accountA, "f")).toEqual(before);
  expect(catalog.get(accountA, "g")).toBeUndefined();
});

test("damaged code is reported, cannot be invoked, and is mended by an update", async () => {
  await catalog.create(accountA, "f", settings, zip("1"), {});
  const sha256Hex = catalog.get(accountA, "f")?.code.sha256Hex as string;
  writeFileSync(join(dir, `${sha256Hex}.zip`), "spoiled");
  catalog.close();
  catalog = await open();
  expect(damage).toEqual([`code ${sha256Hex}`]);
  expect(catalog.get(accountA, "f")?.state).toBe("Failed");
  expect(catalog.resolve(accountA, "f", undefined)).toBeUndefined();
  expect(["f", "absent"].map((name) => catalog.isDamaged(accountA, name, undefined))).toEqual([true, false]);
  await catalog.updateCode(accountA, "f", zip("1"), anyRevision);
  expect(catalog.resolve(accountA, "f", undefined)?.codeSha256Hex).toBe(sha256Hex);
});

test("code that could not be checked is reported and not taken for damaged", async () => {
  await catalog.create(accountA, "f", settings, zip("1"), {});
  catalog.close();
  const unreadable = async () => {
    throw new HearthError("STORE_FAILED", "EMFILE");
  };
  codeStore = Object.assign(codeStore, { verify: unreadable });
  catalog = await open();
  expect(damage).toHaveLength(1);
  expect([catalog.get(accountA, "f")?.state, catalog.isDamaged(accountA, "f", undefined)]).toEqual(["Active", false]);
  expect(catalog.resolve(accountA, "f", undefined)).toBeDefined();
});

test("archives are verified a few at a time, each once", async () => {
  for (let index = 0; index < 10; index++) await catalog.create(accountA, `f${index}`, settings, zip(`${index}`), {});
  await catalog.create(accountB, "same", settings, zip("0"), {});
  catalog.close();
  const verified: string[] = [];
  let runningCount = 0;
  let runningCountMax = 0;
  const verify = async (sha256Hex: string) => {
    verified.push(sha256Hex);
    runningCountMax = Math.max(runningCountMax, ++runningCount);
    await new Promise((resolve) => setImmediate(resolve));
    runningCount--;
  };
  codeStore = Object.assign(codeStore, { verify });
  catalog = await open();
  expect([verified.length, new Set(verified).size, runningCountMax]).toEqual([10, 10, 4]);
});

test("every key that stops serving is retired once, and no other, whatever happens", async () => {
  const action = fc.record({
    kind: fc.constantFrom("create", "code", "settings", "delete", "tags", "publish", "deleteVersion"),
    accountId: fc.constantFrom(accountA, accountB),
    name: fc.constantFrom("f", "g"),
    waitMs: fc.constantFrom(0, 100),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 12 }), async (actions) => {
      store = createMemoryStore();
      const fresh = await open();
      const retired: string[] = [];
      const seen = new Set<string>();
      fresh.onRetired((key) => retired.push(key));
      for (const { kind, accountId, name, waitMs } of actions) {
        nowMs += waitMs;
        if (kind === "create") await fresh.create(accountId, name, settings, zip("1"), {});
        else if (kind === "code") await fresh.updateCode(accountId, name, zip("2"), anyRevision);
        else if (kind === "settings") await fresh.updateSettings(accountId, name, { timeoutMs: 1000 }, anyRevision);
        else if (kind === "delete") await fresh.delete(accountId, name);
        else if (kind === "publish") await fresh.publish(accountId, name, anyPublish);
        else if (kind === "deleteVersion") await fresh.deleteVersion(accountId, name, "1");
        else await fresh.setTags(accountId, name, { a: "b" });
        for (const key of keysOf(fresh)) seen.add(key);
      }
      const serving = keysOf(fresh);
      expect(new Set(retired).size).toBe(retired.length);
      expect(new Set([...retired, ...serving])).toEqual(seen);
      expect(retired.length + serving.length).toBe(seen.size);
      fresh.close();
    }),
    { numRuns: 30 },
  );
});

/** The keys of all versions there are. */
function keysOf(of: FunctionCatalog): FunctionKey[] {
  return [accountA, accountB].flatMap((accountId) =>
    ["f", "g"].flatMap((name) =>
      (of.listVersions(accountId, name, undefined, 100) ?? []).flatMap(
        ({ version }) => of.resolve(accountId, name, version)?.key ?? [],
      ),
    ),
  );
}

describe("versions", () => {
  const published = async (more: Partial<PublishRequest> = {}) => {
    nowMs += 100;
    const answer = await catalog.publish(accountA, "f", { ...anyPublish, ...more });
    return answer.kind === "done" ? answer.value : answer;
  };

  test("are what $LATEST was, whatever becomes of it, also after a restart", async () => {
    await catalog.create(accountA, "f", settings, zip("1"), { a: "b" });
    const first = await published({ description: "the first" });
    expect(first).toMatchObject({ version: "1", state: "Active", lastUpdateStatus: "Successful", tags: { a: "b" } });
    nowMs += 100;
    await catalog.updateCode(accountA, "f", zip("2"), anyRevision);
    nowMs += 100;
    await catalog.updateSettings(accountA, "f", { timeoutMs: 1000 }, anyRevision);
    expect(await published()).toMatchObject({ version: "2", settings: { timeoutMs: 1000 } });
    nowMs += 100;
    const keys = ["1", "2", undefined].map((version) => catalog.resolve(accountA, "f", version)?.key);
    expect(new Set(keys).size).toBe(3);
    const { revisionId } = catalog.get(accountA, "f", "1") as FunctionDescription;
    for (const restarts of [0, 1]) {
      if (restarts > 0) {
        catalog.close();
        catalog = await open();
      }
      expect(catalog.get(accountA, "f", "1")).toMatchObject({
        settings: { ...settings, description: "the first" },
        revisionId,
        state: "Active",
      });
      expect(catalog.listVersions(accountA, "f", undefined, 9)?.map(({ version }) => version)).toEqual([
        "$LATEST",
        "1",
        "2",
      ]);
      expect(catalog.listVersions(accountA, "f", 1, 9)?.map(({ version }) => version)).toEqual(["2"]);
      expect(["1", "2", undefined].map((version) => catalog.resolve(accountA, "f", version)?.key)).toEqual(keys);
      expect(catalog.usage(accountA).codeSizeBytes).toBe(3 * zip("1").length);
    }
  });

  test("are not made of what did not change, and their numbers are never given twice", async () => {
    await catalog.create(accountA, "f", settings, zip("1"), {});
    await published();
    expect(await published({ description: "other" })).toMatchObject({ version: "1" });
    nowMs += 100;
    await catalog.updateSettings(accountA, "f", { timeoutMs: 1000 }, anyRevision);
    nowMs += 100;
    await catalog.updateSettings(accountA, "f", { timeoutMs: settings.timeoutMs }, anyRevision);
    expect(await published()).toMatchObject({ version: "1" });
    await catalog.deleteVersion(accountA, "f", "1");
    expect(catalog.get(accountA, "f", "1")).toBeUndefined();
    expect(await published()).toMatchObject({ version: "2" });
    await catalog.deleteVersion(accountA, "f", "2");
    catalog.close();
    catalog = await open();
    expect(await published()).toMatchObject({ version: "3" });
    await catalog.delete(accountA, "f");
    await catalog.create(accountA, "f", settings, zip("1"), {}, true);
    expect(catalog.get(accountA, "f", "1")?.version).toBe("1");
  });

  test("come with a creation or an update that asks for one, which then is the answer", async () => {
    const created = await catalog.create(accountA, "f", settings, zip("1"), {}, true);
    expect(created).toMatchObject({ kind: "done", value: { version: "1" } });
    for (const [text, version] of [
      ["2", "2"],
      ["2", "2"],
      ["3", "3"],
    ] as const) {
      nowMs += 100;
      const updated = await catalog.updateCode(accountA, "f", zip(text), { ...anyRevision, publish: true });
      expect(updated).toMatchObject({ kind: "done", value: { version } });
    }
  });

  test("publishing changes the revision of $LATEST and retires nothing", async () => {
    await catalog.create(accountA, "f", settings, zip("1"), {});
    nowMs += 100;
    const before = catalog.get(accountA, "f");
    const key = catalog.resolve(accountA, "f", undefined)?.key;
    const retired: string[] = [];
    catalog.onRetired((each) => retired.push(each));
    await published({ revisionId: before?.revisionId as string });
    expect(catalog.resolve(accountA, "f", undefined)?.key).toBe(key);
    expect(catalog.get(accountA, "f")?.revisionId).not.toBe(before?.revisionId);
    expect(retired).toEqual([]);
    expect(await published({ revisionId: before?.revisionId as string })).toEqual({
      kind: "refused",
      why: "revisionMismatch",
    });
    expect(await published({ codeSha256: "x" })).toMatchObject({ kind: "refused", why: "codeMismatch" });
  });

  test("a damaged one does not run, others do, and deploying its archive again mends it", async () => {
    await catalog.create(accountA, "f", settings, zip("1"), {}, true);
    nowMs += 100;
    await catalog.updateCode(accountA, "f", zip("2"), anyRevision);
    await catalog.aliases.create(accountA, "f", "old", { version: "1", description: "", route: undefined });
    writeFileSync(join(dir, `${catalog.get(accountA, "f", "1")?.code.sha256Hex}.zip`), "spoiled");
    catalog.close();
    catalog = await open();
    const states = () =>
      [undefined, "1", "old"].map((qualifier) => [
        catalog.get(accountA, "f", qualifier)?.state,
        catalog.resolve(accountA, "f", qualifier)?.version,
        catalog.isDamaged(accountA, "f", qualifier),
      ]);
    expect(states()).toEqual([
      ["Active", "$LATEST", false],
      ["Failed", undefined, true],
      ["Failed", undefined, true],
    ]);
    await catalog.updateCode(accountA, "f", zip("1"), anyRevision);
    expect(states()).toEqual([
      ["Active", "$LATEST", false],
      ["Active", "1", false],
      ["Active", "1", false],
    ]);
  });

  test("keep their code when nothing else does", async () => {
    await catalog.create(accountA, "f", settings, zip("1"), {}, true);
    nowMs += 100;
    const sha256Hex = catalog.get(accountA, "f")?.code.sha256Hex as string;
    const retained: ReadonlySet<string>[] = [];
    codeStore = Object.assign(codeStore, { retain: async (used: ReadonlySet<string>) => void retained.push(used) });
    await catalog.updateCode(accountA, "f", zip("2"), anyRevision);
    expect(retained.at(-1)?.has(sha256Hex)).toBe(true);
    await catalog.deleteVersion(accountA, "f", "1");
    expect(retained.at(-1)?.has(sha256Hex)).toBe(false);
  });
});

describe("aliases", () => {
  const to = (version: string, route?: AliasRoute) => ({ version, description: "", route });

  beforeEach(async () => {
    await catalog.create(accountA, "f", settings, zip("1"), {}, true);
    nowMs += 100;
    await catalog.updateCode(accountA, "f", zip("2"), { ...anyRevision, publish: true });
    nowMs += 100;
  });

  test("lead to a version under that version's key, and are there again after a restart", async () => {
    await catalog.aliases.create(accountA, "f", "live", to("1"));
    await catalog.aliases.create(accountA, "f", "dev", to("$LATEST"));
    catalog.close();
    catalog = await open();
    expect(catalog.resolve(accountA, "f", "live")).toEqual(catalog.resolve(accountA, "f", "1"));
    expect(catalog.resolve(accountA, "f", "dev")).toEqual(catalog.resolve(accountA, "f", undefined));
    const { revisionId } = catalog.aliases.get(accountA, "f", "live") as AliasDescription;
    const moved = await catalog.aliases.update(accountA, "f", "live", () => ({ version: "2" }), { revisionId });
    expect(moved).toMatchObject({ kind: "done", value: { version: "2", arn: expect.stringMatching(/:f:live$/) } });
    expect(catalog.resolve(accountA, "f", "live")?.version).toBe("2");
    expect(await catalog.aliases.update(accountA, "f", "live", () => ({ version: "1" }), { revisionId })).toEqual({
      kind: "refused",
      why: "revisionMismatch",
    });
    expect(catalog.aliases.list(accountA, "f", "2", "", 9)?.map(({ alias }) => alias)).toEqual(["live"]);
    expect(catalog.aliases.list(accountA, "f", undefined, "dev", 9)?.map(({ alias }) => alias)).toEqual(["live"]);
    expect(["$LATEST", "2", "live", "9"].map((name) => catalog.kindOf(accountA, "f", name))).toEqual([
      "latest",
      "version",
      "alias",
      undefined,
    ]);
  });

  test("with a weight send that part of the calls to the other version", async () => {
    await catalog.aliases.create(accountA, "f", "live", to("1", { version: "2", weight: 0.25 }));
    for (const [drawn, version] of [
      [0, "2"],
      [0.2499, "2"],
      [0.25, "1"],
      [0.9999, "1"],
    ] as const) {
      chance = drawn;
      expect(catalog.resolve(accountA, "f", "live")?.version, String(drawn)).toBe(version);
    }
  });

  test("are not made twice, nor of versions that are not there; what they lead to stays", async () => {
    await catalog.aliases.create(accountA, "f", "live", to("1", { version: "2", weight: 0.5 }));
    const refusals = [
      catalog.aliases.create(accountA, "f", "live", to("1")),
      catalog.aliases.create(accountA, "f", "other", to("9")),
      catalog.aliases.create(accountA, "f", "other", to("1", { version: "9", weight: 0.5 })),
      catalog.aliases.create(accountB, "f", "live", to("1")),
      catalog.aliases.update(accountA, "f", "none", () => ({}), { revisionId: undefined }),
      catalog.deleteVersion(accountA, "f", "2"),
    ];
    expect((await Promise.all(refusals)).map((answer) => answer.kind === "refused" && answer.why)).toEqual([
      "aliasExists",
      "versionMissing",
      "versionMissing",
      "missing",
      "aliasMissing",
      "aliased",
    ]);
  });

  test("what is deleted is told of", async () => {
    const deleted: (string | undefined)[] = [];
    catalog.onDeleted(({ name, qualifier }) => deleted.push(`${name} ${qualifier}`));
    await catalog.aliases.create(accountA, "f", "live", to("1"));
    await catalog.aliases.delete(accountA, "f", "live");
    await catalog.aliases.delete(accountA, "f", "live");
    await catalog.deleteVersion(accountA, "f", "1");
    await catalog.deleteVersion(accountA, "f", "1");
    await catalog.delete(accountA, "f");
    expect(deleted).toEqual(["f live", "f 1", "f undefined"]);
    expect(catalog.resolve(accountA, "f", "live")).toBeUndefined();
  });
});

test("functions that reserve at once share what their account has", async () => {
  for (const name of ["f", "g"]) await catalog.create(accountA, name, settings, zip("1"), {});
  const { concurrency } = catalog;
  const answers = await Promise.all(["f", "g"].map((name) => concurrency.reserve(accountA, name, 600)));
  expect(answers).toEqual([{ kind: "done" }, { kind: "refused", why: "unreservedBelowMin" }]);
  expect(concurrency.reservedSum(accountA)).toBe(600);
});
