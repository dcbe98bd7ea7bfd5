import type { InstanceId } from "../model/ids.ts";
import type { CapacityProvider } from "../ports/capacity-provider.ts";
import type { Log } from "../ports/log.ts";

/** An instance that does not end is tried again this often before it is given up with an error. */
const TRIES_MAX = 5;
const PAUSE_MS = 500;

/** Has the provider end an instance, again if that fails; resolves when it has, or was given up. */
export async function terminateInstance(
  instanceId: InstanceId,
  { provider, log }: { readonly provider: Pick<CapacityProvider, "terminate">; readonly log: Log },
): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await provider.terminate(instanceId);
    } catch (error) {
      log.error({ instanceId, tries, error }, "an instance could not be ended");
      if (tries >= TRIES_MAX) return;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
