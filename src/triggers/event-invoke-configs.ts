import type { AccountId } from "../model/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type {
  EventInvokeConfig,
  EventInvokeConfigStore,
  EventInvokeConfigs,
  EventInvokeSettings,
} from "../ports/event-invoke-config.ts";

export type StoredEventInvokeConfigs = EventInvokeConfigs & {
  /** The function is gone, or one of its qualifiers: so are its configs, at once for readers. */
  forget(accountId: AccountId, functionName: string, qualifier: string | undefined): Promise<void>;
};

/** Reads what is stored. @throws HearthError STORE_FAILED. */
export async function loadEventInvokeConfigs(
  store: EventInvokeConfigStore,
  clock: Clock,
): Promise<StoredEventInvokeConfigs> {
  const configs = new Map<string, Map<string, EventInvokeConfig>>();
  const show = (config: EventInvokeConfig) => {
    const key = keyOf(config.accountId, config.functionName);
    configs.set(key, (configs.get(key) ?? new Map()).set(config.qualifier, config));
  };
  for (const config of await store.load()) show(config);

  const forget = async (accountId: AccountId, functionName: string, qualifier: string | undefined) => {
    const key = keyOf(accountId, functionName);
    const ofFunction = configs.get(key);
    if (ofFunction === undefined) return;
    if (qualifier !== undefined) ofFunction.delete(qualifier);
    if (qualifier === undefined || ofFunction.size === 0) configs.delete(key);
    await store.delete(accountId, functionName, qualifier);
  };

  return {
    get: (accountId, functionName, qualifier) => configs.get(keyOf(accountId, functionName))?.get(qualifier),
    list: (accountId, functionName) =>
      [...(configs.get(keyOf(accountId, functionName))?.values() ?? [])].sort((a, b) =>
        a.qualifier < b.qualifier ? -1 : 1,
      ),
    put: async (accountId, functionName, qualifier, settings: EventInvokeSettings) => {
      const config = { accountId, functionName, qualifier, lastModifiedMs: clock.nowMs(), ...settings };
      await store.put(config);
      show(config);
      return config;
    },
    delete: async (accountId, functionName, qualifier) => {
      if (configs.get(keyOf(accountId, functionName))?.has(qualifier) !== true) return false;
      await store.delete(accountId, functionName, qualifier);
      configs.get(keyOf(accountId, functionName))?.delete(qualifier);
      return true;
    },
    forget,
  };
}

function keyOf(accountId: AccountId, functionName: string): string {
  return `${accountId}/${functionName}`;
}
