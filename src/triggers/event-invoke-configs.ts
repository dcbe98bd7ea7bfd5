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

/**
 * Reads what is stored; what a crash left of functions that are gone goes. @throws HearthError STORE_FAILED.
 * @param isThere whether there is such a function, with such a version or alias.
 */
export async function loadEventInvokeConfigs(
  store: EventInvokeConfigStore,
  clock: Clock,
  isThere: (accountId: AccountId, functionName: string, qualifier: string) => boolean,
): Promise<StoredEventInvokeConfigs> {
  const configs = new Map<string, Map<string, EventInvokeConfig>>();
  const show = (config: EventInvokeConfig) => {
    const key = keyOf(config.accountId, config.functionName);
    configs.set(key, (configs.get(key) ?? new Map()).set(config.qualifier, config));
  };
  for (const config of await store.load()) {
    const { accountId, functionName, qualifier } = config;
    if (isThere(accountId, functionName, qualifier)) show(config);
    else await store.delete(accountId, functionName, qualifier);
  }

  // Changes happen one after another: each is made of the one before.
  let lastChange: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(change: () => Promise<T>): Promise<T> => {
    const done = lastChange.then(change);
    lastChange = done.catch(() => {});
    return done;
  };
  const save = async (config: EventInvokeConfig) => {
    const { accountId, functionName, qualifier } = config;
    await store.put(config);
    // Deleted meanwhile: what is made anew under its name inherits nothing.
    if (isThere(accountId, functionName, qualifier)) show(config);
    else await store.delete(accountId, functionName, qualifier);
    return config;
  };

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
    put: (accountId, functionName, qualifier, settings: EventInvokeSettings) =>
      inTurn(() => save({ accountId, functionName, qualifier, lastModifiedMs: clock.nowMs(), ...settings })),
    update: (accountId, functionName, qualifier, change) =>
      inTurn(async () => {
        const before = configs.get(keyOf(accountId, functionName))?.get(qualifier);
        return before === undefined ? undefined : save({ ...before, ...change, lastModifiedMs: clock.nowMs() });
      }),
    delete: (accountId, functionName, qualifier) =>
      inTurn(async () => {
        if (configs.get(keyOf(accountId, functionName))?.has(qualifier) !== true) return false;
        await store.delete(accountId, functionName, qualifier);
        configs.get(keyOf(accountId, functionName))?.delete(qualifier);
        return true;
      }),
    forget,
  };
}

function keyOf(accountId: AccountId, functionName: string): string {
  return `${accountId}/${functionName}`;
}
