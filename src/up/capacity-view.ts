import type { Ledger } from "../control/ledger/ledger.ts";
import type { Explanation } from "../model/explanation.ts";
import type { AccountId, InvocationId } from "../model/ids.ts";
import type { WaitEntry } from "../model/snapshot.ts";
import type { CapacityView } from "../ports/capacity-view.ts";
import type { Clock } from "../ports/clock.ts";
import type { Store } from "../ports/store.ts";
import type { AccountCapacities } from "../server/account-capacities.ts";
import type { CostWriter } from "../server/cost-writer.ts";
import { type Explanations, partsOf } from "../server/explanations.ts";

type Parts = {
  readonly capacities: AccountCapacities;
  readonly explanations: Explanations;
  readonly ledger: Ledger;
  readonly costWriter: CostWriter;
  readonly store: Pick<Store, "loadCosts">;
  readonly clock: Clock;
  hasAccount(accountId: AccountId): Promise<boolean>;
  /** The core's: the first `countMax`, in the order in which they are tried. */
  waits(accountId: AccountId | undefined, countMax: number): readonly WaitEntry[];
  /** The core's: undefined if it does not wait. */
  waitOf(id: InvocationId): WaitEntry | undefined;
};

/** What the admin API shows of capacity, out of the server's parts. */
export function createCapacityView(parts: Parts): CapacityView {
  const { capacities, explanations, ledger, costWriter, store, clock, hasAccount, waits, waitOf } = parts;
  return {
    async capacityOf(accountId) {
      if (!(await hasAccount(accountId))) return undefined;
      return { capacity: capacities.of(accountId), changes: await capacities.changes(accountId) };
    },
    async setCapacity(accountId, capacity, changedBy) {
      if (!(await hasAccount(accountId))) return false;
      await capacities.set(accountId, capacity, changedBy);
      return true;
    },
    waits(accountId, countMax) {
      const entries = waits(accountId, countMax + 1);
      const hasMore = entries.length > countMax;
      return { nowMs: clock.monotonicMs(), entries: hasMore ? entries.slice(0, countMax) : entries, hasMore };
    },
    explain(id) {
      const known = explanations.find(id);
      const mayWait = known === undefined || known.mode === "asynchronous";
      return mayWait ? withWait(known, waitOf(id), clock) : known;
    },
    async costs(accountId, fromDay, toDay) {
      await costWriter.write();
      const rows = await store.loadCosts(fromDay, toDay);
      return accountId === undefined ? rows : rows.filter((row) => row.accountId === accountId);
    },
    fixedUsdPerGiBHour: () => ledger.fixedUsdPerGiBHour,
  };
}

/** What is known of an invocation, with what it waits for, by the host's clock. */
function withWait(known: Explanation | undefined, entry: WaitEntry | undefined, clock: Clock): Explanation | undefined {
  if (entry === undefined) return known;
  const { invocationId, accountId, functionKey, mode, sinceMs, place, waitsFor } = entry;
  const { functionName, version } = partsOf(functionKey);
  const waiting = { sinceMs: sinceMs - clock.monotonicMs() + clock.nowMs(), place, waitsFor };
  return { ...(known ?? { invocationId, accountId, functionName, version, mode, attempts: [] }), waiting };
}
