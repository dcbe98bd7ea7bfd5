import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type HostLoad, HostMeter, MovingRate } from "../../host/pressure.ts";
import type { Offer } from "../../model/capacity.ts";
import type { InstanceId, OfferId } from "../../model/ids.ts";
import type { Shape } from "../../model/instance.ts";
import type { CapacityListener, CapacityProvider, LaunchOrder } from "../../ports/capacity-provider.ts";
import type { Clock } from "../../ports/clock.ts";
import type { SandboxOptions } from "../sandbox/sandbox-options.ts";
import { createSandboxProvider, type Sandbox } from "../sandbox/sandbox-provider.ts";
import { decideHarvest, type HarvestDecision, type HarvestSample, NOTHING_SEEN } from "./harvest-policy.ts";
import { defaultHarvestSettings, type HarvestSettings } from "./harvest-settings.ts";

export type HarvestOptions = Omit<SandboxOptions, "capacity" | "cpuWeight"> & {
  /** Memory that is free now and promised to fixed instances on this host: it is not spare. */
  owedMiB(): number;
  readonly clock: Clock;
  /** Of one instance of the usual shape; 0 by default, as what this host has costs nothing more. */
  readonly priceUsdPerHour?: number;
  /** Changes to the defaults for this host. */
  readonly settings?: Partial<HarvestSettings>;
};

const OFFER_ID = "harvest/host/slice/spare" as OfferId;
const SAMPLE_MS = 1000;
/** Our use of the processors is seen over the same time as the host's. */
const CPU_WINDOW_MS = 10_000;
/** Others go first: a tenth of what a group has that says nothing. Enough for an agent to be heard, see the docs. */
const CPU_WEIGHT = 10;
/** A demand level that moved by less is not published. */
const DEMAND_CHANGE_MIN = 0.05;
const MEBIBYTE = 1024 * 1024;

/** The data directory of the harvested sandboxes of a server: they are apart from its fixed ones. */
export function harvestDirOf(serverDataDir: string): string {
  return join(serverDataDir, "harvest");
}

/**
 * Variable instances on what this host can spare now, sandboxes of their own beside the fixed ones; the host's load decides
 * how many (`harvest-policy.ts`). After its deadline an instance is ended here, whether it was drained or not.
 *
 * @throws HearthError PROVIDER_UNAVAILABLE with what is missing for sandboxes.
 */
export async function createHarvestProvider(options: HarvestOptions): Promise<CapacityProvider> {
  const dataDir = harvestDirOf(options.dataDir);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const lent: { capacity: Shape } = { capacity: { memoryMiB: 0, cpuMilli: 0 } };
  const capacity = () => lent.capacity;
  const sandbox = await createSandboxProvider({ ...options, dataDir, capacity, cpuWeight: CPU_WEIGHT });
  return new HarvestProvider(options, sandbox, lent);
}

class HarvestProvider implements CapacityProvider {
  readonly kind = "harvest";
  readonly isolation: string;
  readonly #options: HarvestOptions;
  readonly #sandbox: Sandbox;
  readonly #settings: HarvestSettings;
  readonly #meter = new HostMeter();
  readonly #ourCpu = new MovingRate(CPU_WINDOW_MS);
  /** What the sandbox may hand out. */
  readonly #lent: { capacity: Shape };
  /** When instances that were noticed end. */
  readonly #deadlines = new Map<InstanceId, number>();
  readonly #atRisk = new Set<InstanceId>();
  readonly #launched = new Set<InstanceId>();
  readonly #ending = new Set<InstanceId>();
  /** Whose end is still to be told, with our reason. */
  readonly #givenBack = new Set<InstanceId>();
  #state = NOTHING_SEEN;
  #offer: Offer;
  #listener: CapacityListener | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HarvestOptions, sandbox: Sandbox, lent: { capacity: Shape }) {
    this.#options = options;
    this.#sandbox = sandbox;
    this.#lent = lent;
    const host = this.#meter.read(options.clock.monotonicMs());
    this.#settings = { ...defaultHarvestSettings(host), ...options.settings };
    this.isolation = `this host's spare capacity, given back with notice; ${sandbox.isolation}`;
    this.#offer = {
      id: OFFER_ID,
      provider: "harvest",
      subPool: "variable",
      instanceType: "slice",
      zone: "host",
      shape: this.#settings.shape,
      isElastic: true,
      // Until the first look only this is known: what is never lent is no reason to wait, the rest is.
      capacity: shapeLess(host, this.#settings.reserve),
      priceUsdPerHour: options.priceUsdPerHour ?? 0,
      demandLevel: 0,
      isAvailable: false,
      noticeMs: this.#settings.noticeMs,
    };
    if (host.pressure === undefined)
      options.log.warn(
        {},
        "spare capacity is judged by load and free memory alone: the kernel keeps no /proc/pressure",
      );
  }

  offers(): readonly Offer[] {
    return [this.#offer];
  }

  watch(listener: CapacityListener): void {
    this.#listener = listener;
    this.#sandbox.watch({
      onOffers() {}, // Its own offers are nobody's.
      onAtRisk() {},
      onReclaim() {},
      onExit: (instanceId, reason) => listener.onExit(instanceId, this.#whyEnded(instanceId, reason)),
    });
    this.#timer = setInterval(() => this.#look(), SAMPLE_MS);
    this.#timer.unref();
  }

  async launch(order: LaunchOrder): Promise<void> {
    await this.#sandbox.launch(order);
    this.#launched.add(order.instanceId);
  }

  async terminate(instanceId: InstanceId): Promise<void> {
    await this.#sandbox.terminate(instanceId);
    this.#forget(instanceId);
  }

  list(): Promise<readonly InstanceId[]> {
    return this.#sandbox.list();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#sandbox.close();
  }

  #look(): void {
    try {
      const { state, decision } = decideHarvest(this.#state, this.#sample(), this.#settings);
      this.#state = state;
      this.#publish(decision);
      this.#warn(decision);
    } catch (error) {
      // A host that cannot be judged has nothing to spare.
      this.#options.log.warn({ error }, "the host's load could not be read");
      this.#state = NOTHING_SEEN;
      this.#tellOffer({ ...this.#offer, isAvailable: false, capacity: { memoryMiB: 0, cpuMilli: 0 } });
    }
    this.#endOverdue();
  }

  #sample(): HarvestSample {
    const nowMs = this.#options.clock.monotonicMs();
    const { cpuUs, memoryBytes } = this.#sandbox.totals();
    return {
      host: this.#meter.read(nowMs),
      ours: { memoryMiB: memoryBytes / MEBIBYTE, cpuMilli: this.#ourCpu.add(nowMs, cpuUs) },
      owedMiB: this.#options.owedMiB(),
      instances: this.#sandbox
        .instances()
        .map((instance) => ({ ...instance, deadlineMs: this.#deadlines.get(instance.instanceId) })),
    };
  }

  #publish({ capacity, isAvailable, demandLevel }: HarvestDecision): void {
    this.#lent.capacity = capacity;
    const isMoved = Math.abs(demandLevel - this.#offer.demandLevel) >= DEMAND_CHANGE_MIN;
    this.#tellOffer({
      ...this.#offer,
      capacity,
      isAvailable,
      demandLevel: isMoved ? demandLevel : this.#offer.demandLevel,
    });
  }

  #tellOffer(offer: Offer): void {
    if (isSame(offer, this.#offer)) return;
    this.#offer = offer;
    this.#listener?.onOffers([offer]);
  }

  #warn({ atRisk, giveBack }: HarvestDecision): void {
    for (const { instanceId, reason } of atRisk) {
      if (this.#atRisk.has(instanceId)) continue;
      this.#atRisk.add(instanceId);
      this.#listener?.onAtRisk(instanceId, reason);
    }
    for (const { instanceId, deadlineMs, reason } of giveBack) {
      this.#deadlines.set(instanceId, deadlineMs);
      this.#options.log.info({ instanceId, reason, deadlineMs }, "an instance is given back to the host");
      this.#listener?.onReclaim(instanceId, deadlineMs, reason);
    }
  }

  /** One that cannot be ended is tried again at the next look. */
  #endOverdue(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [instanceId, deadlineMs] of this.#deadlines) {
      if (deadlineMs <= nowMs && !this.#ending.has(instanceId)) void this.#end(instanceId);
    }
  }

  async #end(instanceId: InstanceId): Promise<void> {
    this.#ending.add(instanceId);
    const isWatched = this.#launched.has(instanceId);
    if (isWatched) this.#givenBack.add(instanceId);
    try {
      await this.terminate(instanceId);
      // The end of a process that an earlier server started is told by nobody else.
      if (!isWatched) this.#listener?.onExit(instanceId, GIVEN_BACK);
    } catch (error) {
      this.#options.log.warn({ instanceId, error }, "an instance could not be given back to the host");
    } finally {
      this.#ending.delete(instanceId);
    }
  }

  #whyEnded(instanceId: InstanceId, reason: string): string {
    return this.#givenBack.delete(instanceId) ? GIVEN_BACK : reason;
  }

  #forget(instanceId: InstanceId): void {
    this.#deadlines.delete(instanceId);
    this.#atRisk.delete(instanceId);
    this.#launched.delete(instanceId);
  }
}

const GIVEN_BACK = "it was given back to the host: its notice was up";

/** A host's size without its reserve. */
function shapeLess({ memoryTotalMiB, cpuMilli }: HostLoad, reserve: Shape): Shape {
  return {
    memoryMiB: Math.max(0, memoryTotalMiB - reserve.memoryMiB),
    cpuMilli: Math.max(0, Math.min(cpuMilli, cpuMilli - reserve.cpuMilli)),
  };
}

function isSame(one: Offer, other: Offer): boolean {
  return (
    one.isAvailable === other.isAvailable &&
    one.demandLevel === other.demandLevel &&
    one.capacity?.memoryMiB === other.capacity?.memoryMiB &&
    one.capacity?.cpuMilli === other.capacity?.cpuMilli
  );
}
