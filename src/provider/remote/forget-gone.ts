import type { InstanceId } from "../../model/ids.ts";
import type { RemoteHosts } from "./remote-hosts.ts";

type Hosts = Pick<RemoteHosts, "hostsOf" | "forgetInstance">;

/**
 * Forgets the single hosts whose machines ended while no server ran: a host that was switched off, a spot machine that was taken
 * away. Nobody else would ever tell of them.
 *
 * @param kinds providers that were asked what is there; the hosts of others may live.
 * @param there all that the providers found.
 * @throws HearthError STORE_FAILED.
 */
export async function forgetGone(
  hosts: Hosts,
  kinds: readonly Parameters<Hosts["hostsOf"]>[0][],
  there: ReadonlySet<InstanceId>,
): Promise<void> {
  for (const { instance } of kinds.flatMap((kind) => hosts.hostsOf(kind))) {
    if (instance !== undefined && !there.has(instance.instanceId)) await hosts.forgetInstance(instance.instanceId);
  }
}
