// biome-ignore-all lint/style/noRestrictedImports: tested on a real store.
import { expect, test } from "vitest";
import { executeLean } from "../control/sizing/execution-fixture.ts";
import { Sizing } from "../control/sizing/sizing.ts";
import type { SizedVersion } from "../model/grant.ts";
import type { AccountId } from "../model/ids.ts";
import { DECISIONS_KEPT, type SizingDecision, sizingKeyOf } from "../model/sizing.ts";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import { SizeWriter } from "./size-writer.ts";

const accountId = "111111111111" as AccountId;
const versionOf = (functionName: string): SizedVersion => ({
  key: sizingKeyOf(accountId, functionName, "$LATEST@ab", "x86_64"),
  accountId,
  functionName,
  memoryMiB: 1024,
});

function writerOn(store = createMemoryStore()) {
  const sizing = new Sizing();
  sizing.configure({ kind: "account", accountId }, { cpu: "apart", limits: "hard" });
  const told: SizingDecision[] = [];
  const warnings: object[] = [];
  const clock = { nowMs: 1000 };
  const writer = new SizeWriter({
    store: store.sizing,
    sizes: sizing,
    onDecision: (_key, decision) => void told.push(decision),
    nowMs: () => clock.nowMs,
    log: { debug() {}, info() {}, warn: (fields) => void warnings.push(fields), error() {} },
  });
  return { store, sizing, writer, told, warnings, clock };
}

test("what was learned is there after a restart, with the times of its decisions", async () => {
  const { store, sizing, writer, told, clock } = writerOn();
  const [f, g] = [versionOf("f"), versionOf("g")];
  executeLean(sizing, f, 100);
  executeLean(sizing, g, 3);
  await writer.write();
  const early = writer.decisionsOf(f.key);
  expect(early.map(({ decidedMs }) => decidedMs)).toEqual(early.map(() => 1000));
  expect(early.length).toBeGreaterThan(1);
  clock.nowMs = 2000;
  executeLean(sizing, f, 400);
  await writer.close();
  const all = writer.decisionsOf(f.key);
  expect(all.at(-1)?.decidedMs).toBe(2000);
  // All are told; the newest are kept.
  expect(told.length).toBeGreaterThan(DECISIONS_KEPT);
  expect(told.slice(-DECISIONS_KEPT)).toEqual(sizing.decisionsOf(f.key));

  const restarted = writerOn(store);
  await restarted.writer.load();
  for (const { key } of [f, g]) expect(restarted.sizing.recordOf(key)).toEqual(sizing.recordOf(key));
  expect(restarted.sizing.effectiveOf(f)).toEqual(sizing.effectiveOf(f));
  expect(restarted.writer.decisionsOf(f.key)).toEqual(all);
  expect(restarted.told).toEqual([]);
  expect(restarted.sizing.takeChanged(10)).toEqual([]);
});

test("only what changed is written, in pieces; what was forgotten is deleted", async () => {
  const store = createMemoryStore();
  const writes: number[] = [];
  const { sizing, writer } = writerOn({
    ...store,
    sizing: {
      ...store.sizing,
      putSizes: async (sizes) => {
        writes.push(sizes.length);
        await store.sizing.putSizes(sizes);
      },
    },
  });
  const versions = Array.from({ length: 250 }, (_, i) => versionOf(`f${i}`));
  for (const of of versions) executeLean(sizing, of, 1);
  await writer.write();
  expect(writes).toEqual([100, 100, 50]);
  await writer.write();
  executeLean(sizing, versionOf("f7"), 1);
  sizing.forget(versionOf("f8").key);
  await writer.write();
  expect(writes).toEqual([100, 100, 50, 1]);
  const keys = (await store.sizing.loadSizes()).map(({ key }) => key);
  expect(keys).toHaveLength(249);
  expect(keys.at(-1)).toBe(versionOf("f7").key);
  expect(keys).not.toContain(versionOf("f8").key);
});

test("what could not be written comes with the next write, as it is then", async () => {
  const store = createMemoryStore();
  let isFull = true;
  const { sizing, writer } = writerOn({
    ...store,
    sizing: {
      ...store.sizing,
      putSizes: async (sizes) => {
        if (isFull) throw new Error("disk full");
        await store.sizing.putSizes(sizes);
      },
    },
  });
  executeLean(sizing, versionOf("f"), 1);
  await expect(writer.write()).rejects.toThrow("disk full");
  executeLean(sizing, versionOf("f"), 1);
  isFull = false;
  await writer.write();
  const [size] = await store.sizing.loadSizes();
  expect(size?.record).toEqual(JSON.parse(JSON.stringify(sizing.recordOf(versionOf("f").key))));
});

test("a record that cannot be read costs that function its history and nobody else", async () => {
  const { store, sizing, writer } = writerOn();
  executeLean(sizing, versionOf("f"), 30);
  await writer.close();
  await store.sizing.putSizes([{ key: versionOf("g").key, record: { key: versionOf("g").key }, decidedMs: [] }]);
  const restarted = writerOn(store);
  await restarted.writer.load();
  expect(restarted.warnings).toHaveLength(1);
  expect(restarted.sizing.keys()).toEqual([versionOf("f").key]);
});
