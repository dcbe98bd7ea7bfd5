import type { Offer } from "../../model/capacity.ts";
import { HearthError } from "../../model/error-code.ts";
import type { InstanceId, OfferId } from "../../model/ids.ts";
import type { CapacityListener, CapacityProvider } from "../../ports/capacity-provider.ts";
import type { RemoteHost, RemoteHosts } from "../remote/remote-hosts.ts";
import { usualSlice } from "../usual-slice.ts";

/**
 * Instances on machines that their owner had join: each host is one elastic offer, of what the machine offers and on
 * the terms of its join token. See docs/providers/static.md.
 */
export function createStaticProvider(hosts: RemoteHosts): CapacityProvider {
  return new StaticProvider(hosts);
}

class StaticProvider implements CapacityProvider {
  readonly kind = "static";
  readonly isolation = "as each host says; `hearth host list` shows it";
  readonly #hosts: RemoteHosts;
  readonly #offers = new Map<string, Offer>();
  /** Hosts that will be taken away: nothing is launched there any more. */
  readonly #reclaimed = new Set<string>();
  #listener: CapacityListener | undefined;

  constructor(hosts: RemoteHosts) {
    this.#hosts = hosts;
    for (const host of hosts.hostsOf("static")) this.#offers.set(host.hostId, this.#offerOf(host));
    hosts.own("static", {
      onHost: (host) => this.#publish(host),
      onRemoved: (host) => this.#removed(host),
      onAtRisk: (host, reason) => {
        for (const instanceId of host.instanceIds) this.#listener?.onAtRisk(instanceId, reason);
      },
      onReclaim: (host, deadlineMs, reason) => {
        this.#reclaimed.add(host.hostId);
        this.#publish(host);
        for (const instanceId of host.instanceIds) this.#listener?.onReclaim(instanceId, deadlineMs, reason);
      },
      onExit: (_host, instanceId, reason) => this.#listener?.onExit(instanceId, reason),
    });
  }

  offers(): readonly Offer[] {
    return [...this.#offers.values()];
  }

  watch(listener: CapacityListener): void {
    this.#listener = listener;
  }

  async launch(order: Parameters<CapacityProvider["launch"]>[0]): Promise<void> {
    const host = this.#hosts.hostsOf("static").find((each) => offerIdOf(each) === order.offerId);
    if (host === undefined) throw new HearthError("INSUFFICIENT_CAPACITY", `there is no host of ${order.offerId}`);
    const { memoryMiB, cpuMilli } = host.offered;
    if (order.shape.memoryMiB > memoryMiB || order.shape.cpuMilli > cpuMilli)
      throw new HearthError("INSUFFICIENT_CAPACITY", `host ${host.name} offers ${memoryMiB} MiB and ${cpuMilli} mCPU`);
    await this.#hosts.launchOn(host.hostId, order);
  }

  async terminate(instanceId: InstanceId): Promise<void> {
    const host = this.#hosts.hostsOf("static").find(({ instanceIds }) => instanceIds.includes(instanceId));
    if (host !== undefined) await this.#hosts.terminateOn(host.hostId, instanceId);
  }

  async list(): Promise<readonly InstanceId[]> {
    return this.#hosts.hostsOf("static").flatMap(({ instanceIds }) => instanceIds);
  }

  /** Hosts stay; they belong to their owner. */
  async close(): Promise<void> {}

  /** Another host may have its name by now, and so its offer. */
  #removed(host: RemoteHost): void {
    const offer = this.#offers.get(host.hostId);
    this.#offers.delete(host.hostId);
    this.#reclaimed.delete(host.hostId);
    const isTaken = [...this.#offers.values()].some(({ id }) => id === offer?.id);
    if (offer !== undefined && !isTaken) this.#listener?.onOffers([{ ...offer, isAvailable: false }]);
  }

  #publish(host: RemoteHost): void {
    // It comes back without a notice, or says it again.
    if (!host.isConnected) this.#reclaimed.delete(host.hostId);
    const offer = this.#offerOf(host);
    const before = this.#offers.get(host.hostId);
    if (JSON.stringify(offer) === JSON.stringify(before)) return;
    this.#offers.set(host.hostId, offer);
    // It joined anew, under another name or on other terms.
    const isRenamed = before !== undefined && before.id !== offer.id;
    this.#listener?.onOffers(isRenamed ? [{ ...before, isAvailable: false }, offer] : [offer]);
  }

  #offerOf(host: RemoteHost): Offer {
    const { terms, name, zone, offered, load, isConnected, hostId } = host;
    const shape = usualSlice(offered);
    return {
      id: offerIdOf(host),
      provider: "static",
      subPool: terms.subPool,
      instanceType: name,
      zone,
      shape,
      isElastic: true,
      capacity: offered,
      // The terms' price is the whole machine's, an offer's is that of an instance of its shape.
      priceUsdPerHour: (terms.priceUsdPerHour * shape.memoryMiB) / offered.memoryMiB,
      demandLevel: load?.cpu ?? 0,
      isAvailable: isConnected && !this.#reclaimed.has(hostId),
      noticeMs: terms.subPool === "fixed" ? Number.POSITIVE_INFINITY : (terms.noticeMs ?? 0),
    };
  }
}

function offerIdOf({ zone, name, terms }: RemoteHost): OfferId {
  return `static/${zone}/${name}/${terms.subPool === "fixed" ? "owned" : "spare"}` as OfferId;
}
