import type { ProvisionedState as VersionState } from "../model/concurrency.ts";
import type { AccountId, FunctionKey } from "../model/ids.ts";
import type { ConcurrencyCatalog, ProvisionedState } from "../ports/concurrency-catalog.ts";
import { partsOf } from "./function-concurrency.ts";

/** For so long what is missing is on its way; then there is no room for it. */
const SHORT_MS_MAX = 60_000;
/** As Lambda says it. */
const INIT_FAILURE = "FUNCTION_ERROR_INIT_FAILURE";
const NO_ROOM = "No instance of fixed capacity has room for what is missing; it is made when there is.";

/**
 * How far what is provisioned of a version or an alias is held ready. What is held of a version that several aliases lead to
 * is told as that of the first ones, by name.
 */
export function provisionedStateOf(
  catalog: ConcurrencyCatalog,
  stateOf: (functionKey: FunctionKey) => VersionState | undefined,
  accountId: AccountId,
  name: string,
  qualifier: string,
): ProvisionedState {
  const taken = new Map<FunctionKey, number>();
  for (const asked of catalog.of(accountId, name)?.provisioned ?? []) {
    const states = partsOf(asked).map(({ version: { key }, count }) => {
      const before = taken.get(key) ?? 0;
      taken.set(key, before + count);
      return shareOf(stateOf(key), before, count);
    });
    if (asked.qualifier === qualifier) return together(states, asked.count);
  }
  return { allocated: 0, available: 0, status: "IN_PROGRESS" };
}

type Share = { readonly allocated: number; readonly available: number; readonly reason: string | undefined };

/** undefined: the core has not been told of it yet. */
function shareOf(state: VersionState | undefined, before: number, count: number): Share {
  if (state === undefined) return { allocated: 0, available: 0, reason: undefined };
  const own = (all: number) => Math.min(count, Math.max(0, all - before));
  const isRoomMissing = state.shortMs > SHORT_MS_MAX;
  const reason = state.isFailing ? INIT_FAILURE : isRoomMissing ? NO_ROOM : undefined;
  return { allocated: own(state.allocated), available: own(state.available), reason };
}

function together(states: readonly Share[], count: number): ProvisionedState {
  const allocated = states.reduce((sum, state) => sum + state.allocated, 0);
  const available = states.reduce((sum, state) => sum + state.available, 0);
  if (available >= count) return { allocated, available, status: "READY" };
  const reason = states.find((state) => state.reason !== undefined)?.reason;
  if (reason === undefined) return { allocated, available, status: "IN_PROGRESS" };
  return { allocated, available, status: "FAILED", reason };
}
