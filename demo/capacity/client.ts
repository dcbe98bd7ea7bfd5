import { connectionFrom } from "../../src/cli/connection.ts";
import { ServerClient } from "../../src/cli/server-client.ts";
import type { Offer } from "../../src/model/capacity.ts";
import type { Explanation } from "../../src/model/explanation.ts";
import type { PoolsSnapshot } from "../../src/model/snapshot.ts";
import type { AccountSummary, ServerStatus } from "../../src/ports/admin.ts";
import type { CapacityDocument } from "../../src/ports/capacity-document.ts";
import type { CostsAnswer, WaitsAnswer } from "../../src/ports/capacity-view.ts";

/** What the demo asks of the server as its operator, over the admin API. */
export class Operator {
  readonly #server: ServerClient;

  constructor(url: string, dataDir: string) {
    this.#server = new ServerClient(connectionFrom(url, { HEARTH_DATA: dataDir }));
  }

  async account(name: string, capacity: CapacityDocument) {
    const { accountId } = await this.#server.json<AccountSummary>({
      method: "POST",
      path: "/_hearth/accounts",
      body: { name },
    });
    const path = `/_hearth/accounts/${accountId}`;
    await this.#server.json({ method: "PUT", path: `${path}/capacity`, body: capacity });
    type Key = { accessKeyId: string; secretAccessKey: string };
    const key = await this.#server.json<Key>({ method: "POST", path: `${path}/keys` });
    return { accountId, key };
  }

  setPrice(offerId: string, usdPerHour: number): Promise<unknown> {
    return this.#server.json({ method: "PUT", path: "/_hearth/offers/price", body: { offerId, usdPerHour } });
  }

  async offers(): Promise<readonly Offer[]> {
    return (await this.#server.json<{ offers: Offer[] }>({ method: "GET", path: "/_hearth/offers" })).offers;
  }

  pools(): Promise<PoolsSnapshot> {
    return this.#server.json<PoolsSnapshot>({ method: "GET", path: "/_hearth/pools" });
  }

  waits(): Promise<WaitsAnswer> {
    return this.#server.json<WaitsAnswer>({ method: "GET", path: "/_hearth/waits?limit=1000" });
  }

  /** Accepted asynchronous invocations without a final outcome. */
  async queuedEvents(): Promise<number> {
    const { counts } = await this.#server.json<ServerStatus>({ method: "GET", path: "/_hearth/status" });
    return counts.queuedEvents;
  }

  costs(): Promise<CostsAnswer> {
    return this.#server.json<CostsAnswer>({ method: "GET", path: "/_hearth/costs" });
  }

  explain(requestId: string): Promise<Explanation> {
    return this.#server.json<Explanation>({ method: "GET", path: `/_hearth/explain/${requestId}` });
  }
}
