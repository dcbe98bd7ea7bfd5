import type { AccountId, FunctionKey } from "./ids.ts";

/** Account and name of a function, whatever its version: what keys of its versions begin with. */
export function functionIdOf(accountId: AccountId, name: string): string {
  return `${accountId}/${name}`;
}

/** The function of which a key names one state of one version. */
export function functionIdIn(key: FunctionKey): string {
  const end = key.indexOf("/", key.indexOf("/") + 1);
  return end < 0 ? key : key.slice(0, end);
}
