import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { HearthError } from "../../model/error-code.ts";
import type { AccountId } from "../../model/ids.ts";
import type { CodeStore } from "../../ports/code-store.ts";
import { functionRecord } from "../../ports/contract/store-contract.ts";
import { zipOfEntries } from "../../ports/contract/zip-fixture.ts";
import type { FunctionCatalog } from "../../ports/function-catalog.ts";
import type { Store } from "../../ports/store.ts";
import { createFilesCodeStore } from "../../store/files/code-store.ts";
import { createMemoryStore } from "../../store/memory/memory-store.ts";
import { createCatalog } from "./catalog.ts";

const accountA = "000000000000" as AccountId;
const accountB = "111111111111" as AccountId;
const { settings } = functionRecord(accountA, "f", "");
const zip = (text: string) => zipOfEntries([{ name: "index.js", data: text }]);
const anyRevision = { revisionId: undefined, dryRun: false, architecture: undefined };

let dir: string;
let store: Store;
let codeStore: CodeStore;
let catalog: FunctionCatalog;
let nowMs: number;
let damage: string[];

const open = async () => {
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs };
  return createCatalog({ store, codeStore, clock, region: "us-east-1", onDamage: (what) => damage.push(what) });
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
  store = Object.assign(store, { putFunction: full, deleteFunction: full });
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
  expect([catalog.isDamaged(accountA, "f"), catalog.isDamaged(accountA, "absent")]).toEqual([true, false]);
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
  expect([catalog.get(accountA, "f")?.state, catalog.isDamaged(accountA, "f")]).toEqual(["Active", false]);
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
    kind: fc.constantFrom("create", "code", "settings", "delete", "tags"),
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
        else await fresh.setTags(accountId, name, { a: "b" });
        const key = fresh.resolve(accountId, name, undefined)?.key;
        if (key !== undefined) seen.add(key);
      }
      const serving = [accountA, accountB].flatMap((accountId) =>
        ["f", "g"].flatMap((name) => fresh.resolve(accountId, name, undefined)?.key ?? []),
      );
      expect(new Set(retired).size).toBe(retired.length);
      expect(new Set([...retired, ...serving])).toEqual(seen);
      expect(retired.length + serving.length).toBe(seen.size);
      fresh.close();
    }),
    { numRuns: 30 },
  );
});
