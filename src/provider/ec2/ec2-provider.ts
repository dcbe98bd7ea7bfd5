import type { Offer } from "../../model/capacity.ts";
import { HearthError } from "../../model/error-code.ts";
import type { InstanceId, OfferId } from "../../model/ids.ts";
import type { CapacityListener, CapacityProvider, LaunchOrder } from "../../ports/capacity-provider.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { HostTerms } from "../../ports/remote-host.ts";
import type { RemoteHosts } from "../remote/remote-hosts.ts";
import { type CapacityPool, offerOf, readCapacityPools } from "./capacity-pool.ts";
import { dataIdIn } from "./data-tag.ts";
import { type Ec2Client, openEc2Client } from "./ec2-client.ts";
import { describe, launchError, launchFaultOf } from "./ec2-error.ts";
import type { Ec2Settings } from "./ec2-settings.ts";
import { removeLaunchTemplates } from "./fleet-launch.ts";
import { type Image, readImage } from "./image.ts";
import { endMachines, launchMachine } from "./machine-launch.ts";
import { MachineWatch } from "./machine-watch.ts";
import { SpotMarket } from "./spot-market.ts";
import { userDataOf } from "./user-data.ts";

export type Ec2Options = {
  readonly settings: Ec2Settings;
  readonly dataDir: string;
  /** Machines join there, each as the single host of its instance. */
  readonly hosts: Pick<RemoteHosts, "own" | "inviteForInstance" | "forgetInstance" | "hostOfInstance">;
  readonly clock: Clock;
  readonly log: Log;
};

/**
 * Instances that are EC2 machines, on-demand (fixed) or spot (variable). Each runs a host agent for one instance, which
 * dials the server; EC2's own notices come through it.
 *
 * @throws HearthError PROVIDER_UNAVAILABLE: EC2 does not answer, or the settings do not fit what it has.
 */
export async function createEc2Provider(options: Ec2Options): Promise<CapacityProvider> {
  const { settings, dataDir, clock, log } = options;
  const dataId = await dataIdIn(dataDir);
  const client = await openEc2Client(settings);
  try {
    await removeLaunchTemplates(client, dataId).catch((error: unknown) => {
      log.warn({ error }, `launch templates of an earlier server could not be removed: ${describe(error)}`);
    });
    const image = await readImage(client, settings.imageId);
    const pools = await readCapacityPools(client, settings, image.architecture);
    const market = new SpotMarket(client, pools, log);
    await market.read(clock.monotonicMs());
    return new Ec2Provider({ ...options, dataId, client, image, pools, market });
  } catch (error) {
    client.close();
    if (error instanceof HearthError) throw error;
    throw new HearthError("PROVIDER_UNAVAILABLE", `EC2: ${describe(error)}; ${launchFaultOf(error).remedy}`, {
      cause: error,
    });
  }
}

type Parts = Ec2Options & {
  readonly dataId: string;
  readonly client: Ec2Client;
  readonly image: Image;
  readonly pools: readonly CapacityPool[];
  readonly market: SpotMarket;
};

class Ec2Provider implements CapacityProvider {
  readonly kind = "ec2";
  readonly isolation: string;
  readonly #parts: Parts;
  readonly #pools: ReadonlyMap<OfferId, CapacityPool>;
  readonly #watch: MachineWatch;
  /** As they were published last. */
  #offers: ReadonlyMap<OfferId, Offer>;
  #listener: CapacityListener | undefined;
  #priceTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(parts: Parts) {
    const { settings, pools, hosts, client, dataId, clock, log } = parts;
    this.#parts = parts;
    this.#pools = new Map(pools.map((pool) => [pool.offerId, pool]));
    this.#offers = this.#offersNow();
    const places = Object.keys(settings.subnets).join(", ");
    this.isolation = `A virtual machine of EC2 for each instance (${places}); containers in it as the sandbox isolates them.`;
    this.#watch = new MachineWatch({
      client,
      dataId,
      ...settings.intervals,
      hasJoined: (instanceId) => hosts.hostOfInstance(instanceId) !== undefined,
      onExit: (instanceId, reason) => this.#exited(instanceId, reason),
      onStrayEnded: (instanceId) => this.#forgetHost(instanceId),
      clock,
      log,
    });
    hosts.own("ec2", {
      onHost: ({ instance, isConnected, name }) =>
        log.debug({ instanceId: instance?.instanceId, isConnected, name }, "the host of an EC2 instance"),
      onRemoved: ({ instance }) => {
        if (instance !== undefined) this.#watch.forget(instance.instanceId);
      },
      onAtRisk: ({ instance }, reason) => {
        if (instance !== undefined) this.#listener?.onAtRisk(instance.instanceId, reason);
      },
      onReclaim: ({ instance }, deadlineMs, reason) => {
        if (instance !== undefined) this.#listener?.onReclaim(instance.instanceId, deadlineMs, reason);
      },
      onExit: (_, instanceId, reason) => this.#exited(instanceId, reason),
    });
  }

  offers(): readonly Offer[] {
    return [...this.#offers.values()];
  }

  watch(listener: CapacityListener): void {
    this.#listener = listener;
    this.#watch.start();
    this.#lookAtPricesLater();
  }

  async launch(order: LaunchOrder): Promise<void> {
    const { instanceId } = order;
    const pool = this.#poolFor(order);
    await this.#watch.launching(instanceId, this.#parts.settings.machinesMax, async () => {
      try {
        return await this.#launch(order, pool);
      } catch (error) {
        // The outcome may be unclear: what did come of it is a machine too many, now or when it shows.
        await this.#end(instanceId).catch((failure: unknown) => {
          this.#parts.log.warn({ instanceId, error: failure }, "what a failed launch left could not be looked for");
        });
        throw launchError(error);
      }
    });
    this.#parts.log.info({ instanceId, offerId: pool.offerId }, "EC2 machine launched");
  }

  async terminate(instanceId: InstanceId): Promise<void> {
    await this.#watch.ending(instanceId, (machineId) => this.#end(instanceId, machineId));
  }

  list(): Promise<readonly InstanceId[]> {
    return this.#watch.list();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#priceTimer);
    this.#watch.stop();
    this.#parts.market.close();
    this.#parts.client.close();
  }

  #poolFor({ offerId, shape }: LaunchOrder): CapacityPool {
    const pool = this.#pools.get(offerId);
    if (pool === undefined) throw new HearthError("LAUNCH_FAILED", `EC2: there is no offer ${offerId}`);
    const fits = (of: "memoryMiB" | "cpuMilli") => shape[of] > 0 && shape[of] <= pool.shape[of];
    if (fits("memoryMiB") && fits("cpuMilli")) return pool;
    const { memoryMiB, cpuMilli } = pool.shape;
    throw new HearthError(
      "LAUNCH_FAILED",
      `EC2: ${offerId} holds up to ${memoryMiB} MiB and ${cpuMilli} thousandths of a CPU`,
    );
  }

  /** @returns EC2's id of the machine. */
  async #launch(order: LaunchOrder, pool: CapacityPool): Promise<string> {
    const { hosts, settings, client, dataId, image } = this.#parts;
    const { joinMsMax } = settings.intervals;
    const invitation = await hosts.inviteForInstance(termsOf(pool, this.#offers.get(pool.offerId)), order, joinMsMax);
    const server = settings.serverAddress ?? invitation.addresses[0];
    if (server === undefined)
      throw new HearthError("LAUNCH_FAILED", "EC2: machines do not know where to reach this server; set serverAddress");
    const userData = userDataOf({
      setup: settings.setup,
      server,
      joinToken: invitation.token,
      name: order.instanceId,
      zone: pool.zone,
      shape: order.shape,
      joinMsMax,
    });
    return launchMachine(client, settings, { dataId, order, pool, image, userData });
  }

  async #end(instanceId: InstanceId, machineId?: string): Promise<void> {
    const { client, dataId, hosts } = this.#parts;
    await endMachines(client, dataId, instanceId, machineId);
    await hosts.forgetInstance(instanceId);
  }

  /** Its agent ended, or its machine did; what is left of the machine is a stray from now on. */
  #exited(instanceId: InstanceId, reason: string): void {
    this.#watch.forget(instanceId);
    this.#forgetHost(instanceId);
    this.#listener?.onExit(instanceId, reason);
  }

  #forgetHost(instanceId: InstanceId): void {
    this.#parts.hosts.forgetInstance(instanceId).catch((error: unknown) => {
      this.#parts.log.warn({ instanceId, error }, "the host of an ended EC2 machine could not be forgotten");
    });
  }

  #offersNow(): ReadonlyMap<OfferId, Offer> {
    const { pools, market, clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    return new Map(pools.map((pool) => [pool.offerId, offerOf(pool, market.priceOf(pool, nowMs))]));
  }

  #lookAtPricesLater(): void {
    const { market, settings, clock } = this.#parts;
    this.#priceTimer = setTimeout(async () => {
      await market.read(clock.monotonicMs());
      if (this.#isClosed) return;
      this.#publishChanges();
      this.#lookAtPricesLater();
    }, settings.intervals.pricesMs);
    this.#priceTimer.unref();
  }

  #publishChanges(): void {
    const before = this.#offers;
    this.#offers = this.#offersNow();
    const changed = [...this.#offers.values()].filter((offer) => {
      const last = before.get(offer.id);
      return last?.priceUsdPerHour !== offer.priceUsdPerHour || last.isAvailable !== offer.isAvailable;
    });
    if (changed.length > 0) this.#listener?.onOffers(changed);
  }
}

/** Offers carry what the core goes by; the host's terms are for people, and stay as they were at its launch. */
function termsOf({ zone, onDemandUsdPerHour }: CapacityPool, offer: Offer | undefined): HostTerms {
  const noticeMs = offer?.noticeMs ?? Number.POSITIVE_INFINITY;
  return {
    provider: "ec2",
    name: undefined,
    zone,
    subPool: offer?.subPool ?? "fixed",
    priceUsdPerHour: offer?.priceUsdPerHour ?? onDemandUsdPerHour,
    noticeMs: Number.isFinite(noticeMs) ? noticeMs : undefined,
  };
}
