import type { InstanceId, OfferId } from "../model/ids.ts";
import type { InterruptionTraits } from "./capacity-world.ts";
import type { Random } from "./random.ts";
import type { Report } from "./report.ts";
import type { SimulatedHost } from "./simulated-host.ts";
import type { SimulatedInstance } from "./simulated-instance.ts";
import type { SimulatedMarket } from "./simulated-market.ts";
import type { Stage } from "./stage.ts";
import type { World } from "./world.ts";

/** Between the word that an instance is at risk and its notice, on average. */
const RISK_MS_MEAN = 10_000;
/** How far away the deadline of a notice may be that came to the wrong address. */
const STRAY_MS_MAX = 120_000;

/**
 * Takes instances away: with a word before or none, with notice in time, late, twice or never, at the deadline or before it,
 * and whatever the core did meanwhile. Also sends notices to whom they do not concern.
 */
export class Reclaimer {
  readonly #stage: Stage;
  readonly #report: Report;
  readonly #random: Random;
  readonly #host: SimulatedHost;
  readonly #market: SimulatedMarket;
  readonly #traits: InterruptionTraits;
  readonly #linkMs: number;
  /** Of instances that were taken: notices for them come too late. */
  #lastTaken: InstanceId | undefined;

  constructor(
    world: World,
    random: Random,
    stage: Stage,
    report: Report,
    host: SimulatedHost,
    market: SimulatedMarket,
  ) {
    this.#stage = stage;
    this.#report = report;
    this.#random = random;
    this.#host = host;
    this.#market = market;
    this.#traits = world.capacity.interruptions;
    this.#linkMs = world.linkMs;
    host.onBooted = (instance) => this.#planLife(instance);
    host.onAdopted = (instance) => this.#tellAgain(instance);
    market.onShrink = (offerId) => this.#shrink(offerId);
  }

  open(): void {
    const { falseAlarmMsMean, strayNoticeMsMean } = this.#traits;
    this.#repeat(falseAlarmMsMean, () => {
      const instance = this.#anyInstance();
      if (instance !== undefined) this.#tellAtRisk(instance);
    });
    this.#repeat(strayNoticeMsMean, () => {
      const instance = this.#anyInstance();
      const deadlineMs = this.#stage.nowMs + this.#random.next() * STRAY_MS_MAX;
      if (instance !== undefined && this.#random.chance(0.6)) this.#tellNotice(instance.id, deadlineMs);
      else this.#tellNotice(this.#lastTaken ?? ("i-nobody" as InstanceId), deadlineMs);
    });
  }

  #repeat(msMean: number, happen: () => void): void {
    if (msMean === Number.POSITIVE_INFINITY) return;
    this.#stage.later(this.#random.exponential(msMean), () => {
      if (!this.#stage.hasFaults) return;
      happen();
      this.#repeat(msMean, happen);
    });
  }

  #planLife(instance: SimulatedInstance): void {
    const { lifeMsMean, atRiskShare } = this.#traits;
    if (lifeMsMean === Number.POSITIVE_INFINITY || instance.subPool === "fixed") return;
    this.#stage.later(this.#random.exponential(lifeMsMean), () => {
      if (!this.#stage.hasFaults) return;
      if (!this.#random.chance(atRiskShare)) return this.#take(instance);
      this.#tellAtRisk(instance);
      this.#stage.later(this.#random.exponential(RISK_MS_MEAN), () => this.#take(instance));
    });
  }

  /** Decides that it goes: from now on nothing saves it. */
  #take(instance: SimulatedInstance): void {
    if (!instance.isAlive || instance.endsAtMs !== undefined) return;
    const { lateShare, lostShare, twiceShare, earlyShare } = this.#traits;
    const noticeMs = this.#market.noticeMsOf(instance.offerId);
    const lengthMs = Number.isFinite(noticeMs) ? noticeMs : STRAY_MS_MAX;
    const endsAtMs = this.#stage.nowMs + lengthMs;
    instance.endsAtMs = endsAtMs;
    const isEarly = this.#random.chance(earlyShare);
    this.#stage.later(isEarly ? this.#random.next() * lengthMs : lengthMs, () => {
      this.#lastTaken = instance.id;
      this.#host.takeAway(instance);
    });
    if (lengthMs === 0 || this.#random.chance(lostShare)) return;
    const lateMs = this.#random.chance(lateShare) ? this.#random.next() * lengthMs : 0;
    this.#stage.later(this.#linkMs + lateMs, () => this.#tellNotice(instance.id, endsAtMs));
    if (!this.#random.chance(twiceShare)) return;
    // The second one may know better when, and may come when the instance is gone.
    const otherMs = endsAtMs + this.#random.pick([0, -1000, 5000]);
    this.#stage.later(2 * this.#linkMs + this.#random.next() * 1.2 * lengthMs, () =>
      this.#tellNotice(instance.id, otherMs),
    );
  }

  /** Whoever said it to an earlier server says it again, or not. */
  #tellAgain(instance: SimulatedInstance): void {
    const { endsAtMs } = instance;
    if (endsAtMs === undefined || this.#random.chance(0.5)) return;
    this.#stage.later(this.#linkMs, () => this.#tellNotice(instance.id, endsAtMs));
  }

  /** The youngest go until the rest fits. */
  #shrink(offerId: OfferId): void {
    const alive = [...this.#host.instances.values()].filter((each) => each.isAlive && each.offerId === offerId);
    let takenMiB = alive.reduce((sum, { shape, endsAtMs }) => sum + (endsAtMs === undefined ? shape.memoryMiB : 0), 0);
    for (const instance of alive.reverse()) {
      if (takenMiB <= this.#market.capacityMiBOf(offerId)) return;
      if (instance.endsAtMs !== undefined) continue;
      takenMiB -= instance.shape.memoryMiB;
      this.#take(instance);
    }
  }

  #tellAtRisk(instance: SimulatedInstance): void {
    if (!this.#stage.isServerUp) return;
    this.#report.atRisk++;
    this.#report.lastWarningMs = this.#stage.nowMs;
    if (instance.isKnown && !instance.isTerminating) instance.isAtRiskTold = true;
    this.#stage.tell({ kind: "InstanceAtRisk", instanceId: instance.id, reason: "it may be taken away soon" });
  }

  #tellNotice(instanceId: InstanceId, deadlineMs: number): void {
    if (!this.#stage.isServerUp) return;
    this.#report.notices++;
    const instance = this.#host.instances.get(instanceId);
    if (instance !== undefined && !instance.isKnown) instance.earlyDeadlineMs = deadlineMs;
    else if (instance !== undefined && !instance.isTerminating) {
      instance.deadlineToldMs = Math.min(instance.deadlineToldMs ?? Number.POSITIVE_INFINITY, deadlineMs);
    }
    this.#report.lastWarningMs = this.#stage.nowMs;
    this.#stage.tell({ kind: "ReclaimNoticed", instanceId, deadlineMs, reason: "it is taken away" });
  }

  #anyInstance(): SimulatedInstance | undefined {
    const instances = [...this.#host.instances.values()];
    return instances.length === 0 ? undefined : this.#random.pick(instances);
  }
}
