// biome-ignore-all lint/style/noRestrictedImports: the routes are tested on the real parts behind them.
import { afterEach, beforeEach } from "vitest";
import type { FunctionVersion } from "../../model/function-version.ts";
import { type AccountId, DEFAULT_ACCOUNT_ID } from "../../model/ids.ts";
import { systemClock } from "../../ports/clock.ts";
import type { AccessKey } from "../../ports/store.ts";
import { createAccessKeyRing } from "../../server/catalog/access-key-ring.ts";
import { createMemoryStore } from "../../store/memory/memory-store.ts";
import { StoredTableSources } from "../../triggers/postgres/table-sources.ts";
import { ScheduleClock } from "../../triggers/schedules/schedule-clock.ts";
import { BatchRun } from "../../triggers/sources/batch-run.ts";
import { createHttpServer, type HttpServer } from "../http-server.ts";
import type { AddRoute } from "./admitted.ts";
import { addScheduleRoutes } from "./schedule-routes.ts";
import { addSourceRoutes } from "./source-routes.ts";

const region = "us-east-1";
const log = { debug() {}, info() {}, warn() {}, error() {} };

let server: HttpServer;
export let url: string;
/** Of an account beside the operator's. */
export let stranger: AccessKey;

/** Serves the routes of schedules and of tables as sources before each test of a file; the only function is the operator's `f`. */
export function serveEventRoutes(): void {
  let schedules: ScheduleClock;
  beforeEach(async () => {
    const store = createMemoryStore();
    const accessKeys = await createAccessKeyRing(store);
    stranger = await accessKeys.create("111111111111" as AccountId);
    schedules = new ScheduleClock({
      store: store.schedules,
      resolve: (owner, name) =>
        owner === DEFAULT_ACCOUNT_ID && name === "f" ? ({ name, arn: "arn:f" } as FunctionVersion) : undefined,
      accept: async () => {},
      region,
      clock: systemClock,
      log,
    });
    server = createHttpServer({ host: "127.0.0.1", port: 0, region, accessKeys, clock: systemClock, onError() {} });
    const sources = new StoredTableSources({
      table: store.tableSources,
      isFunction: (name) => name === "f",
      batches: new BatchRun({ resolve: () => undefined, invoke() {} }),
      log,
    });
    const addRoute: AddRoute = (...route) => server.addRoute(...route);
    addSourceRoutes({ addRoute, sources });
    addScheduleRoutes({ addRoute, schedules });
    const { port } = await server.listen();
    url = `http://127.0.0.1:${port}`;
  });
  afterEach(async () => {
    await schedules.close();
    await server.close(0);
  });
}
