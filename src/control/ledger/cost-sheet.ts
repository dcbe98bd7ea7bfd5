import { type CostRow, OTHER_FUNCTIONS } from "../../model/cost.ts";
import type { AccountId } from "../../model/ids.ts";
import type { SubPool } from "../../model/instance.ts";

/** Rows that wait to be written; what more functions cost is counted together, see OTHER_FUNCTIONS. */
export const ROWS_MAX = 50_000;

export type CostKey = Pick<CostRow, "day" | "accountId" | "functionName" | "subPool">;
export type CostFigures = Omit<CostRow, keyof CostKey>;

type OpenRow = { -readonly [Member in keyof CostRow]: CostRow[Member] };

/** Costs that were counted and not yet handed out. */
export class CostSheet {
  readonly #rows = new Map<string, OpenRow>();

  add(key: CostKey, figures: Partial<CostFigures>): void {
    const row = this.#rowOf(key);
    row.invocations += figures.invocations ?? 0;
    row.busyMs += figures.busyMs ?? 0;
    row.runUsd += figures.runUsd ?? 0;
    row.heldMs += figures.heldMs ?? 0;
    row.heldUsd += figures.heldUsd ?? 0;
    row.fixedUsd += figures.fixedUsd ?? 0;
  }

  /** Everything since the last time; the sheet is empty then. */
  take(): CostRow[] {
    const rows = [...this.#rows.values()];
    this.#rows.clear();
    return rows;
  }

  #rowOf(key: CostKey): OpenRow {
    const id = idOf(key);
    const found = this.#rows.get(id);
    if (found !== undefined) return found;
    if (this.#rows.size >= ROWS_MAX && key.functionName !== undefined && key.functionName !== OTHER_FUNCTIONS) {
      return this.#rowOf({ ...key, functionName: OTHER_FUNCTIONS });
    }
    const { day, accountId, functionName, subPool } = key;
    const row = { day, accountId, functionName, subPool, ...NOTHING };
    this.#rows.set(id, row);
    return row;
  }
}

const NOTHING: CostFigures = { invocations: 0, busyMs: 0, runUsd: 0, heldMs: 0, heldUsd: 0, fixedUsd: 0 };

function idOf(key: {
  readonly day: string;
  readonly accountId: AccountId | undefined;
  readonly functionName: string | undefined;
  readonly subPool: SubPool;
}): string {
  return `${key.day} ${key.accountId ?? ""} ${key.subPool} ${key.functionName ?? ""}`;
}
