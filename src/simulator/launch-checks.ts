import type { Offer } from "../model/capacity.ts";
import type { Command } from "../model/event.ts";
import type { InstanceId } from "../model/ids.ts";
import type { Shape } from "../model/instance.ts";
import { bidMaxOf, isSatisfied, usesVariable } from "./capacity-rules.ts";
import type { Known } from "./known.ts";
import type { Report } from "./report.ts";
import type { SimulatedInstance } from "./simulated-instance.ts";
import type { Stage } from "./stage.ts";
import { violated } from "./violation.ts";
import type { World } from "./world.ts";

/** The core's pauses grow to this many times the first one. */
const BACKOFF_FACTOR_MAX = 64;
/** Failing launches and pools that are refilled for hours; thrashing has thousands. */
const LAUNCHES_FREE = 1000;
const LAUNCHES_PER_INVOCATION_MAX = 10;

type Launch = Extract<Command, { kind: "LaunchInstance" }>;

/** What may be launched: of what is offered, in its shapes and within its bounds as they were told, and for somebody. */
export class LaunchChecks {
  readonly #stage: Stage;
  readonly #report: Report;
  readonly #known: Known;
  readonly #launchBackoffMs: number;
  readonly #instances: ReadonlyMap<InstanceId, SimulatedInstance>;

  constructor(
    world: World,
    stage: Stage,
    report: Report,
    known: Known,
    instances: ReadonlyMap<InstanceId, SimulatedInstance>,
  ) {
    this.#stage = stage;
    this.#report = report;
    this.#known = known;
    this.#launchBackoffMs = world.settings.launchBackoffMs;
    this.#instances = instances;
  }

  /** The instance is among the others already. */
  check(launch: Launch): void {
    const { instanceId, offerId, subPool, shape } = launch;
    const offer = this.#known.offers.get(offerId)?.offer;
    if (offer === undefined)
      return violated(`instance ${instanceId} was launched from ${offerId}, which nobody offers`);
    if (!offer.isAvailable) violated(`instance ${instanceId} was launched from ${offerId}, which has none now`);
    if (subPool !== offer.subPool) violated(`instance ${instanceId} of ${offerId} was launched as ${subPool}`);
    this.#checkShape(offer, shape);
    this.#checkRoom(offer);
    if (subPool === "variable") this.#checkVariable(launch, offer);
    else if (launch.bidUsdPerHour !== undefined) violated(`a bid of ${launch.bidUsdPerHour} for fixed capacity`);
    this.#checkThrift();
  }

  #checkShape({ id, shape, isElastic, capacity }: Offer, wanted: Shape): void {
    if (wanted.memoryMiB === shape.memoryMiB && wanted.cpuMilli === shape.cpuMilli) return;
    if (!isElastic) violated(`an instance of ${wanted.memoryMiB} MiB of ${id}, which has ${shape.memoryMiB} MiB`);
    const memoryMiBMax = capacity?.memoryMiB ?? Number.POSITIVE_INFINITY;
    if (wanted.memoryMiB > memoryMiBMax) violated(`${wanted.memoryMiB} MiB on a host of ${memoryMiBMax} MiB (${id})`);
  }

  /** What the core counts on must fit; instances that it cannot know of (cut off, or of an earlier server) are not its fault. */
  #checkRoom({ id, capacity }: Offer): void {
    let knownMiB = 0;
    for (const { isKnown, offerId, shape } of this.#instances.values()) {
      if (isKnown && offerId === id) knownMiB += shape.memoryMiB;
    }
    if (capacity === undefined || knownMiB <= capacity.memoryMiB) return;
    violated(`instances of ${knownMiB} MiB on a host of ${capacity.memoryMiB} MiB (${id})`);
  }

  /** Somebody could use it on its terms of now, and nobody would pay more than he said. */
  #checkVariable({ instanceId, bidUsdPerHour }: Launch, offer: Offer): void {
    const wallMs = this.#known.wallMs(this.#stage.nowMs);
    const terms = { subPool: offer.subPool, offer, remainingMs: offer.noticeMs };
    let bidMax = Number.NEGATIVE_INFINITY;
    for (const { capacity } of this.#known.accounts) {
      if (!usesVariable(capacity) || !isSatisfied(capacity, terms, wallMs)) continue;
      bidMax = Math.max(bidMax, bidMaxOf(capacity));
    }
    if (bidMax === Number.NEGATIVE_INFINITY) violated(`nobody may use instance ${instanceId} of ${offer.id}`);
    if ((bidUsdPerHour ?? Number.POSITIVE_INFINITY) > bidMax) {
      violated(`${bidUsdPerHour ?? "any price"} was bid for instance ${instanceId}, at most ${bidMax} is allowed`);
    }
  }

  /**
   * More launches than any load explains: the core ends what it has just begun, again and again. Where nothing works it may
   * go on trying, at the pace of its longest pause; what is taken away may be replaced.
   */
  #checkThrift(): void {
    const { launched, arrived, taken, lost, notices, atRisk, settingsChanges } = this.#report;
    const offers = Math.max(1, this.#known.offers.size);
    const tries = (offers * this.#stage.nowMs) / (BACKOFF_FACTOR_MAX * this.#launchBackoffMs);
    const replacements = 10 * (taken + lost + notices + atRisk + settingsChanges);
    if (launched > LAUNCHES_FREE + LAUNCHES_PER_INVOCATION_MAX * arrived + tries + replacements) {
      violated(`${launched} instances were launched for ${arrived} invocations`);
    }
  }
}
