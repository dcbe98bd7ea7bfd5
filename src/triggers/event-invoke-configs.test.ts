import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { AccountId } from "../model/ids.ts";
import { systemClock } from "../ports/clock.ts";
import type { Store } from "../ports/store.ts";
import { openSqliteStore } from "../store/sqlite/sqlite-store.ts";
import { loadEventInvokeConfigs } from "./event-invoke-configs.ts";

const account = "000000000000" as AccountId;
const NONE = { retriesMax: undefined, ageMsMax: undefined, onSuccess: undefined, onFailure: undefined };

let dir: string;
let store: Store;
let functions: Set<string>;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "hearth-configs-"));
  store = await openSqliteStore(dir);
  functions = new Set(["f/$LATEST", "f/live", "g/$LATEST"]);
});
afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true, force: true });
});

const open = () =>
  loadEventInvokeConfigs(store.eventInvokeConfigs, systemClock, (_accountId, name, qualifier) =>
    functions.has(`${name}/${qualifier}`),
  );
const stored = async () =>
  (await store.eventInvokeConfigs.load()).map(({ functionName, qualifier }) => `${functionName}/${qualifier}`);

test("updates that are asked for at once keep each other's members", async () => {
  const configs = await open();
  await configs.put(account, "f", "$LATEST", NONE);
  await Promise.all([
    configs.update(account, "f", "$LATEST", { retriesMax: 1 }),
    configs.update(account, "f", "$LATEST", { onFailure: "arn:aws:sqs:us-east-1:000000000000:q" }),
  ]);
  const both = { retriesMax: 1, onFailure: "arn:aws:sqs:us-east-1:000000000000:q" };
  expect(configs.get(account, "f", "$LATEST")).toMatchObject(both);
  expect(await store.eventInvokeConfigs.load()).toMatchObject([both]);
  expect(await configs.update(account, "g", "$LATEST", { retriesMax: 1 })).toBeUndefined();
});

test("a config of what is deleted while it is written does not stay", async () => {
  const configs = await open();
  const written = configs.put(account, "f", "live", { ...NONE, retriesMax: 0 });
  functions.delete("f/live");
  await configs.forget(account, "f", "live");
  await written;
  expect([configs.list(account, "f"), await stored()]).toEqual([[], []]);
});

test("configs that a crash left behind when their function had been deleted go at the start", async () => {
  const configs = await open();
  for (const name of ["f", "g"]) await configs.put(account, name, "$LATEST", NONE);
  await configs.put(account, "f", "live", NONE);
  functions.delete("f/live");
  functions.delete("g/$LATEST");
  const later = await open();
  expect([later.list(account, "f").length, later.list(account, "g")]).toEqual([1, []]);
  expect(await stored()).toEqual(["f/$LATEST"]);
});
