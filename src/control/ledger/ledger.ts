import type { Offer } from "../../model/capacity.ts";
import type { CostRow } from "../../model/cost.ts";
import type { AccountId, InstanceId, OfferId } from "../../model/ids.ts";
import type { Shape, SubPool } from "../../model/instance.ts";
import { CostSheet } from "./cost-sheet.ts";
import { FixedMeter, hoursOf, OfferMeter, type OfferReading } from "./meter.ts";

const DAY_MS = 86_400_000;

/** An instance that is held from now on. */
export type HeldInstance = {
  readonly id: InstanceId;
  readonly subPool: SubPool;
  readonly offerId: OfferId;
  readonly shape: Shape;
  /** undefined: it is nobody's yet. */
  readonly accountId: AccountId | undefined;
  /** When it was asked for: one pays while it boots. Of an adopted instance the present. */
  readonly sinceMs: number;
};

/** An execution that has ended. */
export type Execution = {
  readonly accountId: AccountId;
  readonly functionName: string;
  readonly subPool: SubPool;
  readonly offerId: OfferId;
  /** Of its instance. */
  readonly shape: Shape;
  /** Of its container. */
  readonly memoryMiB: number;
  /** The offer's when it began; undefined: it was not known. */
  readonly priceUsdPerHour: number | undefined;
  readonly wallMs: number;
};

/** What one execution cost; undefined where no price is known. */
export type ExecutionCost = { readonly costUsd: number | undefined; readonly fixedUsd: number | undefined };

/** All instances of one account on one offer: they cost the same, so they are counted as one. */
type Holding = {
  readonly key: string;
  readonly accountId: AccountId | undefined;
  readonly subPool: SubPool;
  readonly meter: OfferMeter;
  count: number;
  memoryMiB: number;
  atMs: number;
  reading: OfferReading;
  fixedUsdPerGiB: number;
};

/**
 * Counts what capacity costs, whose it is and what ran on it; docs/design/0012-costs.md defines every figure. It is told
 * of instances, executions and prices in the order of time, and hands out what was added since the last time.
 */
export class Ledger {
  readonly #fallbackFixedUsdPerGiBHour: number | undefined;
  readonly #meters = new Map<OfferId, OfferMeter>();
  readonly #fixed: FixedMeter;
  readonly #instances = new Map<InstanceId, { readonly memoryMiB: number; holding: Holding; offerId: OfferId }>();
  readonly #holdings = new Map<string, Holding>();
  readonly #sheet = new CostSheet();
  /** The host's time less the core's; whole, so that the end of a day is exactly the beginning of the next. */
  #offsetMs: number;
  #day: string;
  /** When the day ends, by the core's clock. */
  #dayEndsMs: number;

  /**
   * @param fixedUsdPerGiBHour what fixed capacity costs where no fixed offer has a price; undefined: nobody knows.
   * @param offsetMs what the host's time is ahead of the core's.
   */
  constructor(
    options: { readonly fixedUsdPerGiBHour?: number | undefined; readonly offsetMs?: number },
    nowMs: number,
  ) {
    this.#fallbackFixedUsdPerGiBHour = options.fixedUsdPerGiBHour;
    this.#fixed = new FixedMeter(options.fixedUsdPerGiBHour, nowMs);
    this.#offsetMs = Math.round(options.offsetMs ?? 0);
    [this.#day, this.#dayEndsMs] = this.#dayAt(nowMs);
  }

  /** What a GiB-hour of fixed capacity costs now: the cheapest fixed offer that has a price, else the setting. */
  get fixedUsdPerGiBHour(): number | undefined {
    return this.#fixed.usdPerGiBHour;
  }

  /** Holdings that are counted separately; for the audit that nothing is left behind. */
  get holdingCount(): number {
    return this.#holdings.size;
  }

  /** From now on what is counted belongs to the day that the host's clock shows then. */
  setWallClock(offsetMs: number, nowMs: number): void {
    this.#advance(nowMs);
    this.#settleAll(nowMs);
    this.#offsetMs = Math.round(offsetMs);
    [this.#day, this.#dayEndsMs] = this.#dayAt(nowMs);
  }

  publish(offers: readonly Offer[], nowMs: number): void {
    this.#advance(nowMs);
    for (const offer of offers) this.#meterOf(offer.id, nowMs).publish(offer, nowMs);
    if (offers.some(({ subPool }) => subPool === "fixed")) this.#fixed.set(this.#cheapestFixed(), nowMs);
  }

  /** An instance that is known already is left as it is. */
  hold(instance: HeldInstance, nowMs: number): void {
    this.#advance(nowMs);
    const { id, offerId, shape, sinceMs } = instance;
    if (this.#instances.has(id)) return;
    const holding = this.#join(instance, shape.memoryMiB, nowMs);
    this.#instances.set(id, { memoryMiB: shape.memoryMiB, holding, offerId });
    const bootMs = Math.max(0, nowMs - sinceMs);
    const heldUsd = holding.meter.priceOf(shape.memoryMiB) * hoursOf(bootMs);
    const onFixedUsd = gib(shape.memoryMiB) * hoursOf(bootMs) * (this.#fixed.usdPerGiBHour ?? 0);
    this.#book(holding, { heldMs: bootMs, heldUsd }, onFixedUsd);
  }

  /** From now on the instance's price is the account's. */
  assign(id: InstanceId, accountId: AccountId, nowMs: number): void {
    this.#advance(nowMs);
    const held = this.#instances.get(id);
    if (held === undefined) return;
    this.#leave(held.holding, held.memoryMiB, nowMs);
    const { subPool } = held.holding;
    held.holding = this.#join({ accountId, subPool, offerId: held.offerId }, held.memoryMiB, nowMs);
  }

  /** The instance costs nothing any more. */
  release(id: InstanceId, nowMs: number): void {
    this.#advance(nowMs);
    const held = this.#instances.get(id);
    if (held === undefined) return;
    this.#instances.delete(id);
    this.#leave(held.holding, held.memoryMiB, nowMs);
  }

  execute(execution: Execution, nowMs: number): ExecutionCost {
    this.#advance(nowMs);
    const { accountId, functionName, subPool, wallMs } = execution;
    const cost = this.#costOf(execution);
    const figures = { invocations: 1, busyMs: wallMs, runUsd: cost.costUsd ?? 0, fixedUsd: cost.fixedUsd ?? 0 };
    this.#sheet.add({ day: this.#day, accountId, functionName, subPool }, figures);
    return cost;
  }

  /** What was added since the last time, in rows of which some may be of the day before. */
  take(nowMs: number): CostRow[] {
    this.#advance(nowMs);
    this.#settleAll(nowMs);
    return this.#sheet.take();
  }

  /** Rows that could not be written: they are handed out again. */
  putBack(rows: readonly CostRow[]): void {
    for (const row of rows) this.#sheet.add(row, row);
  }

  #costOf({ offerId, shape, memoryMiB, priceUsdPerHour, subPool, wallMs }: Execution): ExecutionCost {
    const meter = this.#meters.get(offerId);
    const isPriced = priceUsdPerHour !== undefined && meter?.offer !== undefined;
    const share = (memoryMiB / shape.memoryMiB) * hoursOf(wallMs);
    const costUsd = isPriced ? meter.priceOf(shape.memoryMiB, priceUsdPerHour) * share : undefined;
    if (subPool === "fixed") return { costUsd, fixedUsd: costUsd };
    const fixed = this.#fixed.usdPerGiBHour;
    return { costUsd, fixedUsd: fixed === undefined ? undefined : fixed * gib(memoryMiB) * hoursOf(wallMs) };
  }

  #meterOf(offerId: OfferId, nowMs: number): OfferMeter {
    let meter = this.#meters.get(offerId);
    if (meter === undefined) {
      meter = new OfferMeter(nowMs);
      this.#meters.set(offerId, meter);
    }
    return meter;
  }

  /** An offer without a price (the host that the server runs on) says nothing about what capacity costs. */
  #cheapestFixed(): number | undefined {
    let cheapest = Number.POSITIVE_INFINITY;
    for (const { offer } of this.#meters.values()) {
      if (offer?.subPool !== "fixed" || offer.priceUsdPerHour === 0) continue;
      cheapest = Math.min(cheapest, offer.priceUsdPerHour / gib(offer.shape.memoryMiB));
    }
    return cheapest === Number.POSITIVE_INFINITY ? this.#fallbackFixedUsdPerGiBHour : cheapest;
  }

  #join(
    { accountId, subPool, offerId }: Pick<HeldInstance, "accountId" | "subPool" | "offerId">,
    memoryMiB: number,
    nowMs: number,
  ): Holding {
    const key = keyOf(accountId, subPool, offerId);
    let holding = this.#holdings.get(key);
    if (holding === undefined) {
      const meter = this.#meterOf(offerId, nowMs);
      const marks = { atMs: nowMs, reading: meter.read(nowMs), fixedUsdPerGiB: this.#fixed.read(nowMs) };
      holding = { accountId, subPool, meter, count: 0, memoryMiB: 0, key, ...marks };
      this.#holdings.set(key, holding);
    }
    this.#settle(holding, nowMs);
    holding.count++;
    holding.memoryMiB += memoryMiB;
    return holding;
  }

  #leave(holding: Holding, memoryMiB: number, nowMs: number): void {
    this.#settle(holding, nowMs);
    holding.count--;
    holding.memoryMiB -= memoryMiB;
    if (holding.count === 0) this.#holdings.delete(holding.key);
  }

  #settleAll(nowMs: number): void {
    for (const holding of this.#holdings.values()) this.#settle(holding, nowMs);
  }

  /** Books what a holding has cost since it was settled last; before every change of what it holds. */
  #settle(holding: Holding, nowMs: number): void {
    const { count, memoryMiB, meter, atMs, reading, fixedUsdPerGiB } = holding;
    holding.atMs = nowMs;
    holding.reading = meter.read(nowMs);
    holding.fixedUsdPerGiB = this.#fixed.read(nowMs);
    if (nowMs <= atMs) return;
    const heldUsd =
      count * (holding.reading.perInstanceUsd - reading.perInstanceUsd) +
      memoryMiB * (holding.reading.perMiBUsd - reading.perMiBUsd);
    const onFixedUsd = gib(memoryMiB) * (holding.fixedUsdPerGiB - fixedUsdPerGiB);
    this.#book(holding, { heldMs: count * (nowMs - atMs), heldUsd }, onFixedUsd);
  }

  #book(
    { accountId, subPool }: Holding,
    held: { readonly heldMs: number; readonly heldUsd: number },
    onFixedUsd: number,
  ): void {
    if (held.heldMs === 0) return;
    const fixedUsd = subPool === "fixed" ? held.heldUsd : onFixedUsd;
    this.#sheet.add({ day: this.#day, accountId, functionName: undefined, subPool }, { ...held, fixedUsd });
  }

  /** Days that have ended meanwhile are settled at their end. */
  #advance(nowMs: number): void {
    while (nowMs >= this.#dayEndsMs) {
      this.#settleAll(this.#dayEndsMs);
      [this.#day, this.#dayEndsMs] = this.#dayAt(this.#dayEndsMs);
    }
  }

  #dayAt(nowMs: number): [day: string, endsMs: number] {
    const wallMs = Math.floor(nowMs + this.#offsetMs);
    const day = Temporal.Instant.fromEpochMilliseconds(wallMs).toString().slice(0, "2026-11-21".length);
    return [day, (Math.floor(wallMs / DAY_MS) + 1) * DAY_MS - this.#offsetMs];
  }
}

function keyOf(accountId: AccountId | undefined, subPool: SubPool, offerId: OfferId): string {
  return `${accountId ?? ""} ${subPool} ${offerId}`;
}

function gib(memoryMiB: number): number {
  return memoryMiB / 1024;
}
