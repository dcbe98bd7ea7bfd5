// biome-ignore-all lint/style/noRestrictedImports: the routes are tested on the real parts behind them.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { executeLean } from "../../control/sizing/execution-fixture.ts";
import { Sizing } from "../../control/sizing/sizing.ts";
import { type AccountId, DEFAULT_ACCOUNT_ID } from "../../model/ids.ts";
import { systemClock } from "../../ports/clock.ts";
import { functionRecord } from "../../ports/contract/store-contract.ts";
import type { AccessKey } from "../../ports/store.ts";
import { createAccessKeyRing } from "../../server/catalog/access-key-ring.ts";
import { createCatalog } from "../../server/catalog/catalog.ts";
import { SizeWriter } from "../../server/size-writer.ts";
import { keyOfVersion } from "../../server/sized-version.ts";
import { SizingRules } from "../../server/sizing-rules.ts";
import { createFilesCodeStore } from "../../store/files/code-store.ts";
import { createMemoryStore } from "../../store/memory/memory-store.ts";
import { createSizingView } from "../../up/sizing-view.ts";
import { createHttpServer, type HttpServer } from "../http-server.ts";
import { addSizingRoutes } from "./sizing-routes.ts";

export const region = "us-east-1";
export const tenant = "111111111111" as AccountId;
export const stranger = "222222222222" as AccountId;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

let server: HttpServer;
export let url: string;
/** Of the operator, the tenant and the stranger; there are no other accounts. */
export let keys: Map<AccountId, AccessKey>;
export let sizing: Sizing;

/** Executions of some 90 MiB of a function of 1,024, in which CPU has nothing to do with memory and limits are hard. */
export function learn(accountId: AccountId, functionName: string, count: number): void {
  const { code } = functionRecord(accountId, functionName, "r");
  const key = keyOfVersion({ accountId, name: functionName, version: "$LATEST", codeSha256Hex: code.sha256Hex });
  sizing.configure({ kind: "function", accountId, functionName }, { cpu: "apart", limits: "hard" });
  executeLean(sizing, { key, accountId, functionName, memoryMiB: 1024 }, count);
}

/** Serves the routes before each test of a file: the operator has functions `lean` and `new`, the tenant `own`; all ask for 1,024 MiB. */
export function serveSizingRoutes(): void {
  let dir: string;
  let closeCatalog: () => void;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), "hearth-sizing-"));
    const store = createMemoryStore();
    const accessKeys = await createAccessKeyRing(store);
    keys = new Map();
    for (const accountId of [DEFAULT_ACCOUNT_ID, tenant, stranger])
      keys.set(accountId, await accessKeys.create(accountId));
    for (const [accountId, name] of [
      [DEFAULT_ACCOUNT_ID, "lean"],
      [DEFAULT_ACCOUNT_ID, "new"],
      [tenant, "own"],
    ] as const) {
      const record = functionRecord(accountId, name, "r");
      await store.functions.put({ ...record, settings: { ...record.settings, memoryMiB: 1024 } });
    }
    const codeStore = await createFilesCodeStore(join(dir, "code"));
    const catalog = await createCatalog({
      store,
      codeStore,
      clock: systemClock,
      region,
      random: Math.random,
      accountConcurrencyMax: 1000,
      onDamage() {},
    });
    closeCatalog = () => catalog.close();
    sizing = new Sizing();
    const rules = new SizingRules({
      store: store.sizing,
      clock: systemClock,
      log: quiet,
      onChange: (scope, said) => sizing.configure(scope, said),
      onStop: (isStopped) => sizing.stop(isStopped),
    });
    const nowMs = () => Date.parse("2026-11-21T12:00:00Z");
    const writer = new SizeWriter({ store: store.sizing, sizes: sizing, onDecision() {}, nowMs, log: quiet });
    const view = createSizingView({ sizing, rules, writer, catalog, accountIds: async () => [...keys.keys()] });
    const onError = (error: unknown) => {
      throw error;
    };
    server = createHttpServer({ host: "127.0.0.1", port: 0, region, accessKeys, clock: systemClock, onError });
    addSizingRoutes({ addRoute: (method, path, handler) => server.addRoute(method, path, handler), view });
    url = `http://127.0.0.1:${(await server.listen()).port}`;
  });
  afterEach(async () => {
    await server.close(0);
    closeCatalog();
    rmSync(dir, { recursive: true, force: true });
  });
}
