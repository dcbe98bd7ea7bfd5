import type { ConcurrencySettings } from "../model/concurrency.ts";
import type { Event } from "../model/event.ts";
import type { AccountId } from "../model/ids.ts";
import type { ConcurrencyCatalog } from "../ports/concurrency-catalog.ts";

/** Tells the core what is asked for of functions' executions at a time: all of it now, and each function anew when it changes. */
export function feedConcurrency(catalog: ConcurrencyCatalog, feed: (event: Event) => void): void {
  const tell = (accountId: AccountId, functionName: string) => {
    const settings = settingsOf(catalog, accountId, functionName);
    feed({ kind: "ConcurrencyConfigured", accountId, functionName, settings });
  };
  for (const { accountId, name } of catalog.all()) tell(accountId, name);
  catalog.onChanged(tell);
}

function settingsOf(catalog: ConcurrencyCatalog, accountId: AccountId, name: string): ConcurrencySettings | undefined {
  const { reserved } = catalog.of(accountId, name) ?? {};
  return reserved === undefined ? undefined : { reserved, provisioned: [] };
}
