// biome-ignore-all lint/style/noRestrictedImports: tested on a real store.
import { expect, test } from "vitest";
import { CostSheet } from "../control/ledger/cost-sheet.ts";
import type { CostRow } from "../model/cost.ts";
import type { AccountId } from "../model/ids.ts";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import { CostWriter } from "./cost-writer.ts";

const NOW_MS = Date.parse("2026-11-21T12:00:00Z");
const key = { day: "2026-11-21", accountId: "111111111111" as AccountId, subPool: "fixed" as const };

function writerOn(store = createMemoryStore()) {
  const sheet = new CostSheet();
  const told: CostRow[] = [];
  const writer = new CostWriter({
    store,
    take: () => sheet.take(),
    putBack: (rows) => {
      for (const row of rows) sheet.add(row, row);
    },
    onWritten: (rows) => void told.push(...rows),
    nowMs: () => NOW_MS,
    log: { debug() {}, info() {}, warn() {}, error() {} },
  });
  const sum = async (count: (row: CostRow) => number) =>
    (await store.loadCosts("2000-01-01", "2100-01-01")).reduce((total, row) => total + count(row), 0);
  return { store, sheet, writer, sum, told };
}

test("what is counted is written once, in many pieces if it is much", async () => {
  const { sheet, writer, sum } = writerOn();
  for (let i = 0; i < 2500; i++) sheet.add({ ...key, functionName: `f${i}` }, { invocations: 1 });
  await Promise.all([writer.write(), writer.write()]);
  sheet.add({ ...key, functionName: "f0" }, { invocations: 5 });
  await writer.close();
  expect(await sum(({ invocations }) => invocations)).toBe(2505);
});

test("what could not be written comes with the next write, what was written does not come again", async () => {
  const store = createMemoryStore();
  const add = store.addCosts;
  let calls = 0;
  const { sheet, writer, sum, told } = writerOn({
    ...store,
    addCosts: async (rows) => {
      calls++;
      if (calls === 2) throw new Error("disk full");
      await add(rows);
    },
  });
  for (let i = 0; i < 2500; i++) sheet.add({ ...key, functionName: `f${i}` }, { invocations: 1 });
  await expect(writer.write()).rejects.toThrow("disk full");
  expect(await sum(({ invocations }) => invocations)).toBe(1000);
  sheet.add({ ...key, functionName: "f2400" }, { invocations: 1 });
  await writer.write();
  expect(await sum(({ invocations }) => invocations)).toBe(2501);
  expect(told.reduce((total, { invocations }) => total + invocations, 0)).toBe(2501);
});

test("days beyond the bound are given up", async () => {
  const { store, sheet, writer } = writerOn();
  const functionName = "f";
  for (const day of ["2025-10-16", "2025-10-17", "2026-11-21"]) sheet.add({ ...key, day, functionName }, { runUsd: 1 });
  await writer.write();
  const rows = await store.loadCosts("2000-01-01", "2100-01-01");
  expect(rows.map(({ day }) => day)).toEqual(["2025-10-17", "2026-11-21"]);
});
