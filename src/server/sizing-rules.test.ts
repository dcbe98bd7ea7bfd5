// biome-ignore-all lint/style/noRestrictedImports: tested on a real store.
import { expect, test } from "vitest";
import type { AccountId } from "../model/ids.ts";
import { DEFAULT_SIZING, type SizingScope } from "../model/sizing.ts";
import type { SizingSaid } from "../ports/sizing-change.ts";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import { SizingRules } from "./sizing-rules.ts";

const accountId = "111111111111" as AccountId;
const account = { kind: "account", accountId } as const;
const f = { kind: "function", accountId, functionName: "f" } as const;
const g = { kind: "function", accountId, functionName: "g" } as const;

function rulesOn(store = createMemoryStore()) {
  const told: [SizingScope | "stop", SizingSaid | boolean | undefined][] = [];
  const lines: object[] = [];
  let nowMs = 0;
  const rules = new SizingRules({
    store: store.sizing,
    clock: { nowMs: () => ++nowMs, monotonicMs: () => 0 },
    log: { debug() {}, info: (fields) => void lines.push(fields), warn() {}, error() {} },
    onChange: (scope, said) => void told.push([scope, said]),
    onStop: (isStopped) => void told.push(["stop", isStopped]),
  });
  return { store, rules, told, lines };
}

test("a function says more than its account, the account more than the default, a stop more than all", async () => {
  const { rules } = rulesOn();
  expect(rules.settingsOf(f)).toMatchObject({ said: {}, inherited: DEFAULT_SIZING, settings: DEFAULT_SIZING });
  await Promise.all([
    rules.set(account, { mode: "suggest", policy: "cost" }, "AKIA1"),
    rules.set(f, { policy: "speed", memoryMiBMin: 64 }, "AKIA1"),
  ]);
  const expected = { ...DEFAULT_SIZING, mode: "suggest", policy: "speed", memoryMiBMin: 64 };
  expect(rules.settingsOf(f)).toMatchObject({
    said: { policy: "speed", memoryMiBMin: 64 },
    inherited: { mode: "suggest", policy: "cost", memoryMiBMin: 32 },
    settings: expected,
    origins: { mode: "account", policy: "function", memoryMiBMin: "function", cpu: "default" },
  });
  expect(rules.settingsOf(g).settings.policy).toBe("cost");
  expect(rules.settingsOf(account).origins).toMatchObject({ mode: "account", cpu: "default" });
  await rules.stop(true, "AKIA1");
  expect(rules.settingsOf(f)).toMatchObject({ settings: { ...expected, mode: "off" }, origins: { mode: "stopped" } });
  await rules.stop(false, "AKIA1");
  expect(rules.settingsOf(f).settings).toEqual(expected);
});

test("changes are stored, logged with who made them, told, and there after a restart", async () => {
  const { store, rules, told, lines } = rulesOn();
  await Promise.all([rules.set(f, { mode: "off" }, "AKIA1"), rules.set(f, { policy: "cost" }, "AKIA2")]);
  await rules.set(g, { mode: "off" }, "AKIA1");
  await rules.set(g, {}, "AKIA1");
  await rules.stop(true, "unsigned");
  expect(told).toEqual([
    [f, { mode: "off" }],
    [f, { policy: "cost" }],
    [g, { mode: "off" }],
    [g, undefined],
    ["stop", true],
  ]);
  const first = { scope: f, changedBy: "AKIA1", before: {}, after: { mode: "off" } };
  const second = { scope: f, changedBy: "AKIA2", before: { mode: "off" }, after: { policy: "cost" } };
  expect(lines.slice(0, 2)).toEqual([first, second]);
  expect(await rules.changes(f)).toEqual([
    { ...second, changedMs: 2 },
    { ...first, changedMs: 1 },
  ]);

  const restarted = rulesOn(store);
  await restarted.rules.load();
  expect(restarted.rules.isStopped).toBe(true);
  expect(restarted.rules.settingsOf(f).said).toEqual({ policy: "cost" });
  expect(restarted.told).toContainEqual([f, { policy: "cost" }]);
  expect(restarted.told).toContainEqual(["stop", true]);
});

test("a function that is deleted takes what was said of it along; nothing is written where nothing was said", async () => {
  const { rules, told } = rulesOn();
  await rules.set(f, { mode: "off" }, "AKIA1");
  await Promise.all([rules.functionDeleted(accountId, "f"), rules.functionDeleted(accountId, "g")]);
  expect(rules.settingsOf(f).said).toEqual({});
  expect(told).toEqual([
    [f, { mode: "off" }],
    [f, undefined],
  ]);
  expect(await rules.changes(g)).toEqual([]);
});

test("what could not be stored is not in force, and does not hold up the next change", async () => {
  const store = createMemoryStore();
  const put = store.sizing.putSettings;
  let isFull = true;
  const { rules, told, lines } = rulesOn({
    ...store,
    sizing: {
      ...store.sizing,
      putSettings: async (change) => {
        if (isFull) throw new Error("disk full");
        await put(change);
      },
    },
  });
  await expect(rules.stop(true, "AKIA1")).rejects.toThrow("disk full");
  expect([rules.isStopped, told, lines]).toEqual([false, [], []]);
  isFull = false;
  await rules.set(f, { mode: "off" }, "AKIA1");
  expect(rules.settingsOf(f).settings.mode).toBe("off");
});

test("what a crash left of a function that is gone does not hold for the next of its name", async () => {
  const { store, rules } = rulesOn();
  for (const scope of [f, g]) await rules.set(scope, { mode: "suggest" }, "AKIA1");
  const later = rulesOn(store);
  await later.rules.load(({ functionName }) => functionName === "g");
  expect([later.rules.settingsOf(f).said, later.rules.settingsOf(g).said]).toEqual([{}, { mode: "suggest" }]);
  const again = rulesOn(store);
  await again.rules.load();
  expect(again.rules.settingsOf(f).said).toEqual({});
});
