// biome-ignore-all lint/style/noRestrictedImports: the routes are tested on the real parts behind them.
import { afterEach, beforeEach } from "vitest";
import { Ledger } from "../../control/ledger/ledger.ts";
import { type AccountId, DEFAULT_ACCOUNT_ID } from "../../model/ids.ts";
import type { WaitEntry } from "../../model/snapshot.ts";
import { systemClock } from "../../ports/clock.ts";
import type { AccessKey } from "../../ports/store.ts";
import { AccountCapacities } from "../../server/account-capacities.ts";
import { createAccessKeyRing } from "../../server/catalog/access-key-ring.ts";
import { CostWriter } from "../../server/cost-writer.ts";
import { Explanations } from "../../server/explanations.ts";
import { createMemoryStore } from "../../store/memory/memory-store.ts";
import { createCapacityView } from "../../up/capacity-view.ts";
import { createHttpServer, type HttpServer } from "../http-server.ts";
import { addCapacityRoutes } from "./capacity-routes.ts";

export const region = "us-east-1";
export const tenant = "111111111111" as AccountId;
export const stranger = "222222222222" as AccountId;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

export let server: HttpServer;
export let url: string;
/** Of the operator, the tenant and the stranger; there are no other accounts. */
export let keys: Map<AccountId, AccessKey>;
/** What the core says that waits. */
export let waits: WaitEntry[];
/** How often it was asked. */
export let waitsAsked = 0;
export let explanations: Explanations;
export let ledger: Ledger;

/** Serves the routes before each test of a file, on everything real but the core's waits. */
export function serveCapacityRoutes(): void {
  beforeEach(async () => {
    const store = createMemoryStore();
    const accessKeys = await createAccessKeyRing(store);
    keys = new Map();
    for (const accountId of [DEFAULT_ACCOUNT_ID, tenant, stranger])
      keys.set(accountId, await accessKeys.create(accountId));
    waits = [];
    explanations = new Explanations();
    ledger = new Ledger({ fixedUsdPerGiBHour: 0.01 }, systemClock.monotonicMs());
    const costWriter = new CostWriter({
      store,
      take: () => ledger.take(systemClock.monotonicMs()),
      putBack: (rows) => ledger.putBack(rows),
      onWritten() {},
      nowMs: () => systemClock.nowMs(),
      log: quiet,
    });
    const view = createCapacityView({
      capacities: new AccountCapacities({ store, clock: systemClock, log: quiet, onChange() {} }),
      explanations,
      ledger,
      costWriter,
      store,
      clock: systemClock,
      hasAccount: async (accountId) => keys.has(accountId),
      waits: (accountId, countMax) => {
        waitsAsked++;
        return waits.filter((entry) => accountId === undefined || entry.accountId === accountId).slice(0, countMax);
      },
      waitOf: (id) => waits.find(({ invocationId }) => invocationId === id),
    });
    const onError = (error: unknown) => {
      throw error;
    };
    server = createHttpServer({ host: "127.0.0.1", port: 0, region, accessKeys, clock: systemClock, onError });
    addCapacityRoutes({ addRoute: (method, path, handler) => server.addRoute(method, path, handler), view });
    url = `http://127.0.0.1:${(await server.listen()).port}`;
  });
  afterEach(() => server.close(0));
}
