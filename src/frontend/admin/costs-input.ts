import type { CostRow } from "../../model/cost.ts";
import type { CostSum } from "../../ports/capacity-view.ts";

const DAY_MS = 86_400_000;
/** Days shown unless others are named, today included. */
const DAYS_DEFAULT = 7;
/** Days of one answer. */
const DAYS_MAX = 93;
/** Rows of one answer. */
const ROWS_MAX = 10_000;

export type CostsRange = { readonly from: string; readonly to: string; readonly isByDay: boolean };

/** `?from=2026-11-01&to=2026-11-21&by=day`. @returns text: what is wrong with it. */
export function costsRange(query: URLSearchParams, nowMs: number): CostsRange | string {
  const by = query.get("by");
  if (by !== null && by !== "day") return `by: "${by.slice(0, 20)}" is unknown; write by=day or leave it out.`;
  const to = query.get("to") ?? dayOf(nowMs);
  if (!isDay(to)) return notADay("to", to);
  const from = query.get("from") ?? dayOf(Date.parse(to) - (DAYS_DEFAULT - 1) * DAY_MS);
  if (!isDay(from)) return notADay("from", from);
  if (from > to) return `from: ${from} is after ${to}; exchange them.`;
  if (Date.parse(to) - Date.parse(from) >= DAYS_MAX * DAY_MS) {
    return `from: ${from} is more than ${DAYS_MAX} days before ${to}; ask for fewer days at once.`;
  }
  return { from, to, isByDay: by === "day" };
}

/** The rows added up over the days, the dearest first; cut off at a bound. */
export function summed(rows: readonly CostRow[], isByDay: boolean): { rows: CostSum[]; omittedRows: number } {
  const sums = new Map<string, CostSum>();
  for (const row of rows) {
    const { day, accountId, functionName, subPool } = row;
    const key = JSON.stringify([isByDay ? day : "", accountId, functionName, subPool]);
    sums.set(key, added(row, sums.get(key), isByDay));
  }
  const usdOf = ({ heldUsd, runUsd }: CostSum) => heldUsd + runUsd;
  const sorted = [...sums.values()].sort((a, b) => usdOf(b) - usdOf(a));
  return { rows: sorted.slice(0, ROWS_MAX), omittedRows: Math.max(0, sorted.length - ROWS_MAX) };
}

function added(row: CostRow, sum: CostSum | undefined, isByDay: boolean): CostSum {
  const { day, accountId, functionName, subPool } = row;
  return {
    ...(isByDay ? { day } : {}),
    ...(accountId === undefined ? {} : { accountId }),
    ...(functionName === undefined ? {} : { functionName }),
    subPool,
    invocations: row.invocations + (sum?.invocations ?? 0),
    busyMs: row.busyMs + (sum?.busyMs ?? 0),
    runUsd: row.runUsd + (sum?.runUsd ?? 0),
    heldMs: row.heldMs + (sum?.heldMs ?? 0),
    heldUsd: row.heldUsd + (sum?.heldUsd ?? 0),
    fixedUsd: row.fixedUsd + (sum?.fixedUsd ?? 0),
  };
}

function isDay(text: string): boolean {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(text) : Number.NaN;
  return !Number.isNaN(ms) && dayOf(ms) === text;
}

function notADay(name: string, text: string): string {
  return `${name}: "${text.slice(0, 20)}" is no day; write it like 2026-11-21.`;
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, "2026-11-21".length);
}
