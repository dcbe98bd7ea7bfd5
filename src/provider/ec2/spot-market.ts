import type { _InstanceType, SpotPrice } from "@aws-sdk/client-ec2";
import type { Log } from "../../ports/log.ts";
import type { CapacityPool } from "./capacity-pool.ts";
import type { Ec2Client } from "./ec2-client.ts";
import { describe } from "./ec2-error.ts";

/** Prices that could not be read again for longer are not believed any more. */
const PRICE_AGE_MS_MAX = 15 * 60_000;
/** What the machines run. The second is its older name, which some services still use. */
const PRODUCTS = ["Linux/UNIX", "Linux/UNIX (Amazon VPC)"];

/** The newest known spot price of each pool. */
export class SpotMarket {
  readonly #client: Ec2Client;
  readonly #types: string[];
  readonly #zones: string[];
  readonly #log: Log;
  #prices: ReadonlyMap<string, number> = new Map();
  #readMs = Number.NEGATIVE_INFINITY;
  #isFailing = false;
  #isClosed = false;

  constructor(client: Ec2Client, pools: readonly CapacityPool[], log: Log) {
    const spot = pools.filter(({ terms }) => terms === "spot").flatMap(({ places }) => places);
    this.#client = client;
    this.#types = [...new Set(spot.map(({ instanceType }) => instanceType))];
    this.#zones = [...new Set(spot.map(({ zone }) => zone))];
    this.#log = log;
  }

  /**
   * Of the dearest of the pool's places that somebody would bid for, so that no machine costs more.
   *
   * @returns USD per hour; undefined: not known, or too old to go by.
   */
  priceOf({ places }: CapacityPool, nowMs: number): number | undefined {
    if (nowMs - this.#readMs > PRICE_AGE_MS_MAX) return undefined;
    const quotes = places.flatMap(({ instanceType, zone, onDemandUsdPerHour }) => {
      const usd = this.#prices.get(`${instanceType}/${zone}`);
      return usd === undefined ? [] : [{ usd, isWorthIt: usd <= onDemandUsdPerHour }];
    });
    const worthIt = quotes.filter((quote) => quote.isWorthIt);
    if (worthIt.length > 0) return Math.max(...worthIt.map(({ usd }) => usd));
    return quotes.length > 0 ? Math.min(...quotes.map(({ usd }) => usd)) : undefined;
  }

  /** What is being read comes to nothing, and nobody is told. */
  close(): void {
    this.#isClosed = true;
  }

  /** Asks for the prices that hold now. A failure leaves the last ones standing, and is logged once. */
  async read(nowMs: number): Promise<void> {
    if (this.#types.length === 0) return;
    try {
      this.#prices = newestPrices(await this.#history());
      this.#readMs = nowMs;
      if (this.#isFailing) this.#log.info({}, "spot prices are read again");
      this.#isFailing = false;
    } catch (error) {
      if (this.#isClosed) return;
      if (!this.#isFailing) this.#log.warn({ error }, `spot prices cannot be read: ${describe(error)}`);
      this.#isFailing = true;
    }
  }

  /** From now on means: of each pool the change that is in force. Another service may answer with its past as well. */
  async #history(): Promise<SpotPrice[]> {
    const { ec2, pages } = this.#client;
    const StartTime = new Date();
    const found = await pages((token) =>
      ec2.describeSpotPriceHistory({
        ...token,
        StartTime,
        InstanceTypes: this.#types as _InstanceType[],
        ProductDescriptions: PRODUCTS,
        Filters: [{ Name: "availability-zone", Values: this.#zones }],
      }),
    );
    return found.flatMap(({ SpotPriceHistory = [] }) => SpotPriceHistory);
  }
}

/** By `type/zone`. Entries come in any order; what is no price is left out. */
export function newestPrices(history: readonly SpotPrice[]): Map<string, number> {
  const newest = new Map<string, { readonly atMs: number; readonly usd: number }>();
  for (const { InstanceType, AvailabilityZone, SpotPrice: price, Timestamp, ProductDescription } of history) {
    const usd = Number(price);
    const atMs = Timestamp?.getTime() ?? Number.NaN;
    if (!(usd > 0 && Number.isFinite(usd)) || Number.isNaN(atMs) || !PRODUCTS.includes(ProductDescription ?? ""))
      continue;
    const key = `${InstanceType}/${AvailabilityZone}`;
    const known = newest.get(key);
    if (known === undefined || atMs > known.atMs) newest.set(key, { atMs, usd });
  }
  return new Map([...newest].map(([key, { usd }]) => [key, usd]));
}
