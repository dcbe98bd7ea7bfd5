import type { ConcurrencySettings, ProvisionedVersion } from "../model/concurrency.ts";
import type { Event } from "../model/event.ts";
import type { FunctionVersion } from "../model/function-version.ts";
import type { AccountId, FunctionKey } from "../model/ids.ts";
import type { ConcurrencyCatalog, FunctionConcurrency } from "../ports/concurrency-catalog.ts";
import { sizedVersionOf } from "./sized-version.ts";

export type ConcurrencyListener = {
  feed(event: Event): void;
  /** What may be loaded ahead of calls. */
  remember(version: FunctionVersion): void;
};

/** Tells the core what is asked for of functions' executions at a time: all of it now, and each function anew when it changes. */
export function feedConcurrency(catalog: ConcurrencyCatalog, listener: ConcurrencyListener): void {
  const tell = (accountId: AccountId, functionName: string) => {
    const asked = catalog.of(accountId, functionName);
    for (const { versions } of asked?.provisioned ?? []) for (const { version } of versions) listener.remember(version);
    listener.feed({ kind: "ConcurrencyConfigured", accountId, functionName, settings: settingsOf(asked) });
  };
  for (const { accountId, name } of catalog.all()) tell(accountId, name);
  catalog.onChanged(tell);
}

function settingsOf(asked: FunctionConcurrency | undefined): ConcurrencySettings | undefined {
  if (asked === undefined) return undefined;
  const { reserved } = asked;
  const provisioned = new Map<FunctionKey, ProvisionedVersion>();
  for (const { version, count } of asked.provisioned.flatMap(partsOf)) {
    const { key: functionKey, runtime, memoryMiB } = version;
    const sum = count + (provisioned.get(functionKey)?.count ?? 0);
    provisioned.set(functionKey, { functionKey, runtime, memoryMiB, sized: sizedVersionOf(version), count: sum });
  }
  if (reserved === undefined && provisioned.size === 0) return undefined;
  return { reserved, provisioned: [...provisioned.values()] };
}

type Part = { readonly version: FunctionVersion; readonly count: number };

/** What is provisioned of an alias with weights is split as its calls are. */
export function partsOf({ count, versions }: FunctionConcurrency["provisioned"][number]): Part[] {
  const parts: Part[] = [];
  let left = count;
  for (const { version, weight } of versions.toReversed()) {
    const own = parts.length === versions.length - 1 ? left : Math.min(left, Math.round(count * weight));
    parts.unshift({ version, count: own });
    left -= own;
  }
  return parts.filter((part) => part.count > 0);
}
