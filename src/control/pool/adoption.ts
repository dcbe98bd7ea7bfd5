import type { Grant } from "../../model/grant.ts";
import type { ContainerReport, InstanceReport } from "../../model/instance.ts";
import type { Invocation, Lease } from "../../model/invocation.ts";
import type { OfferState } from "../market/market.ts";
import type { Settings } from "../settings.ts";
import { Container, Instance, swingOf } from "./instance.ts";

/** Nobody asks for the reasons of an earlier server; what is known is where it runs. */
function placementOfAdopted({ subPool, offerId }: InstanceReport): Lease["placement"] {
  const why = "it was begun under an earlier server";
  return { subPool, offerId, priceUsdPerHour: undefined, why, waitedMs: 0, waitedFor: [] };
}

/** undefined: an agent of an earlier version does not tell. */
function grantOfAdopted(held: Exclude<ContainerReport, { state: "blank" }>): Grant | undefined {
  const { memoryMiB, reservedMiB = memoryMiB, needMiB = memoryMiB, cpuMilli } = held;
  if (cpuMilli === undefined) return undefined;
  const why = "An earlier server decided it.";
  return { memoryMiB, reservedMiB, needMiB, cpuMilli, rescueMemoryMiB: memoryMiB, why };
}

/**
 * An instance of an earlier server, rebuilt from what its agent reports: warming, with its containers as they are.
 * What runs holds a lease again; who waits for it is the shell's business, and by now nobody but the durable queue.
 */
export function instanceFrom(report: InstanceReport, source: OfferState, settings: Settings, nowMs: number): Instance {
  const { instanceId, subPool, shape, accountId, containers } = report;
  const instance = new Instance(instanceId, source, subPool, shape, settings, nowMs);
  instance.place = "warming";
  for (const held of containers) {
    const memoryMiB = held.state === "blank" ? settings.blankMemoryMiB : (held.reservedMiB ?? held.memoryMiB);
    const container = new Container(held.containerId, instance, held.runtime, memoryMiB, nowMs);
    container.state = held.state;
    if (held.state !== "blank") {
      container.functionKey = held.functionKey;
      container.isInitializedAhead = held.isInitializedAhead ?? false;
      container.limitMiB = held.memoryMiB;
      container.startLimitMiB = held.memoryMiB;
      container.grant = grantOfAdopted(held);
      container.swingMiB = swingOf({ reservedMiB: memoryMiB, needMiB: held.needMiB ?? held.memoryMiB });
      instance.usedRuntimes.add(held.runtime);
    }
    if (held.state === "running" && accountId !== undefined) {
      const { invocationId: id, functionKey, runtime, leaseId } = held;
      const invocation: Invocation = { id, accountId, functionKey, runtime, memoryMiB, mode: "asynchronous" };
      const lease: Lease = {
        id: leaseId,
        invocation,
        instanceId,
        containerId: container.id,
        start: "warm",
        placement: placementOfAdopted(report),
      };
      container.lease = lease;
    }
    instance.add(container);
  }
  return instance;
}
