import { expect, test } from "vitest";
import { executeLean } from "../control/sizing/execution-fixture.ts";
import { Sizing } from "../control/sizing/sizing.ts";
import { type AccountId, DEFAULT_ACCOUNT_ID } from "../model/ids.ts";
import { functionRecord } from "../ports/contract/store-contract.ts";
import type { FunctionDescription } from "../ports/function-catalog.ts";
import { SizeWriter } from "../server/size-writer.ts";
import { keyOfVersion } from "../server/sized-version.ts";
import { SizingRules } from "../server/sizing-rules.ts";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import { createSizingView } from "./sizing-view.ts";

/** Of `functionRecord`. */
const CODE = "ab".repeat(32);
const tenant = "111111111111" as AccountId;

function viewOn(functions: readonly [AccountId, string, memoryMiB?: number][]) {
  const { sizing: store } = createMemoryStore();
  const sizing = new Sizing();
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const rules = new SizingRules({
    store,
    clock: { nowMs: () => 1, monotonicMs: () => 0 },
    log,
    onChange: (scope, said) => sizing.configure(scope, said),
    onStop: (isStopped) => sizing.stop(isStopped),
  });
  const writer = new SizeWriter({ store, sizes: sizing, onDecision() {}, nowMs: () => 77, log });
  const descriptions = functions
    .map(([accountId, name, memoryMiB = 1024]): FunctionDescription => {
      const record = functionRecord(accountId, name, "r");
      const settings = { ...record.settings, memoryMiB };
      return { ...record, settings, arn: `arn:${name}`, state: "Active", lastUpdateStatus: "Successful" };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const view = createSizingView({
    sizing,
    rules,
    writer,
    catalog: {
      get: (accountId, name) => descriptions.find((one) => one.accountId === accountId && one.name === name),
      list: (accountId, afterName, count) =>
        descriptions.filter((one) => one.accountId === accountId && one.name > afterName).slice(0, count),
      listVersions: (accountId, name) =>
        descriptions
          .filter((one) => one.accountId === accountId && one.name === name)
          .map((one) => ({ ...one, version: "1" })),
    },
    accountIds: async () => [tenant, DEFAULT_ACCOUNT_ID],
  });
  const get = (accountId: AccountId, name: string) => {
    const found = descriptions.find((one) => one.accountId === accountId && one.name === name);
    if (found === undefined) throw new Error(`no function ${name}`);
    return found;
  };
  return { sizing, view, get };
}

function run(
  sizing: Sizing,
  accountId: AccountId,
  functionName: string,
  version: string,
  count: number,
  code = CODE,
): void {
  const key = keyOfVersion({ accountId, name: functionName, version, codeSha256Hex: code });
  executeLean(sizing, { key, accountId, functionName, memoryMiB: 1024 }, count);
}

test("every function is listed, page by page, with what is known of it", async () => {
  const { sizing, view } = viewOn([
    [tenant, "b"],
    [DEFAULT_ACCOUNT_ID, "a"],
    [tenant, "a"],
    [DEFAULT_ACCOUNT_ID, "c"],
  ]);
  run(sizing, tenant, "a", "$LATEST", 200);
  run(sizing, tenant, "gone", "$LATEST", 5);
  const names: string[] = [];
  let after: string | undefined;
  do {
    const page = await view.list(undefined, after, 3);
    names.push(...page.versions.map(({ accountId, functionName }) => `${accountId}/${functionName}`));
    after = page.next;
  } while (after !== undefined);
  expect(names).toEqual([`${DEFAULT_ACCOUNT_ID}/a`, `${DEFAULT_ACCOUNT_ID}/c`, `${tenant}/a`, `${tenant}/b`]);
  const { versions } = await view.list(tenant, undefined, 10);
  const [known, unknown] = versions;
  expect(known).toMatchObject({ functionName: "a", version: "$LATEST", evidence: { executions: 200 } });
  expect(known?.savedMiB).toBe(1024 - (known?.reservationMiB ?? 0));
  expect(known?.savedMiB).toBeGreaterThan(800);
  expect(known?.decisions.map(({ decidedMs }) => decidedMs)).toContain(77);
  expect(unknown).toMatchObject({ functionName: "b", savedMiB: 0, evidence: { executions: 0 }, decisions: [] });
  expect(unknown?.nextStep).toBe("Looked at for the first time after 20 executions.");
});

test("versions that ran are shown, with the code that they have; one that states another amount now is unknown again", () => {
  const { sizing, view, get } = viewOn([
    [tenant, "f"],
    [tenant, "changed", 512],
  ]);
  run(sizing, tenant, "f", "$LATEST", 50, "cd".repeat(32));
  run(sizing, tenant, "f", "1", 30);
  run(sizing, tenant, "f", "$LATEST", 5);
  run(sizing, tenant, "changed", "$LATEST", 200);
  expect(view.find(tenant, "f")?.map(({ version, evidence }) => [version, evidence.executions])).toEqual([
    ["$LATEST", 5],
    ["1", 30],
  ]);
  expect(view.find(tenant, "changed")).toMatchObject([{ requested: { memoryMiB: 512 }, evidence: { executions: 0 } }]);
  expect(view.find(tenant, "none")).toBeUndefined();
  expect(view.effectiveMemoryMiB(get(tenant, "changed"))).toBe(512);
});

test("with hard limits the effective size is smaller than the requested one, unless all is stopped", async () => {
  const { sizing, view, get } = viewOn([[tenant, "f"]]);
  const scope = { kind: "function", accountId: tenant, functionName: "f" } as const;
  expect(await view.setSettings(scope, { limits: "hard", cpu: "apart" }, "unsigned")).toBe(true);
  run(sizing, tenant, "f", "$LATEST", 200);
  expect(view.effectiveMemoryMiB(get(tenant, "f"))).toBeLessThan(200);
  await view.stop(true, "unsigned");
  expect(view.isStopped()).toBe(true);
  expect(view.effectiveMemoryMiB(get(tenant, "f"))).toBe(1024);
  expect((await view.list(tenant, undefined, 1)).isStopped).toBe(true);
  expect((await view.settingsOf(scope))?.origins).toMatchObject({ mode: "stopped", limits: "function" });
});

test("settings of what is not there are neither shown nor set", async () => {
  const { view } = viewOn([[tenant, "f"]]);
  const account = { kind: "account", accountId: "404404404404" as AccountId } as const;
  for (const scope of [account, { kind: "function", accountId: tenant, functionName: "g" } as const]) {
    expect(await view.settingsOf(scope)).toBeUndefined();
    expect(await view.setSettings(scope, { mode: "off" }, "unsigned")).toBe(false);
  }
  expect(await view.setSettings({ kind: "account", accountId: tenant }, { mode: "off" }, "unsigned")).toBe(true);
});
