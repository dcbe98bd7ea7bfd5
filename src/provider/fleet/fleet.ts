import { HearthError } from "../../model/error-code.ts";
import type { InstanceId } from "../../model/ids.ts";
import type { CapacityProvider, LaunchOrder } from "../../ports/capacity-provider.ts";

/** Several providers as the one that a server talks to. */
export type Fleet = Omit<CapacityProvider, "kind"> & {
  /** For people: the kinds, in the order in which they were given. */
  readonly kind: string;
  readonly providers: readonly CapacityProvider[];
};

/**
 * Sends each order to the provider whose offer it names, and each end to the one that launched the instance, or that lists
 * it after a restart. What a provider fails with names the provider.
 *
 * @param providers at least one; closed in the reverse order, so one that relies on another comes after it.
 */
export function createFleet(providers: readonly CapacityProvider[]): Fleet {
  const owners = new Map<InstanceId, CapacityProvider>();

  async function listOf(provider: CapacityProvider): Promise<readonly InstanceId[]> {
    const instanceIds = await named(provider, () => provider.list());
    for (const instanceId of instanceIds) owners.set(instanceId, provider);
    return instanceIds;
  }

  return {
    providers,
    kind: providers.map(({ kind }) => kind).join(", "),
    isolation: providers.map(({ kind, isolation }) => `${kind}: ${isolation}`).join("; "),
    offers: () => providers.flatMap((provider) => provider.offers()),

    watch(listener) {
      for (const provider of providers) provider.watch(listener);
    },

    async launch(order) {
      if (owners.has(order.instanceId)) throw new HearthError("LAUNCH_FAILED", `instance ${order.instanceId} exists`);
      const provider = providerOf(providers, order);
      owners.set(order.instanceId, provider);
      try {
        await named(provider, () => provider.launch(order));
      } catch (error) {
        owners.delete(order.instanceId);
        throw error;
      }
    },

    async terminate(instanceId) {
      if (!owners.has(instanceId)) await Promise.all(providers.map(listOf));
      const owner = owners.get(instanceId);
      // What nobody lists may still have left something behind that only its provider knows how to find.
      const asked = owner === undefined ? providers : [owner];
      await Promise.all(asked.map((provider) => named(provider, () => provider.terminate(instanceId))));
      owners.delete(instanceId);
    },

    async list() {
      return (await Promise.all(providers.map(listOf))).flat();
    },

    async close() {
      const failures: unknown[] = [];
      for (const provider of providers.toReversed()) {
        await named(provider, () => provider.close()).catch((error: unknown) => failures.push(error));
      }
      if (failures.length === 1) throw failures[0];
      if (failures.length > 1) throw new AggregateError(failures, failures.map(String).join("; "));
    },
  };
}

function providerOf(providers: readonly CapacityProvider[], { offerId }: LaunchOrder): CapacityProvider {
  const found = providers.find((provider) => provider.offers().some(({ id }) => id === offerId));
  if (found === undefined) throw new HearthError("LAUNCH_FAILED", `no provider offers ${offerId}`);
  return found;
}

async function named<T>(provider: CapacityProvider, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof Error) error.message = `${provider.kind}: ${error.message}`;
    throw error;
  }
}
