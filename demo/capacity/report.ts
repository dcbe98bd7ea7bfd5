import type { AttemptExplanation, Explanation } from "../../src/model/explanation.ts";
import type { Operator } from "./client.ts";
import type { Call, Caller } from "./load.ts";

type Row = {
  readonly account: string;
  readonly calls: number;
  readonly answered: number;
  readonly notAnswered: readonly string[];
  /** Of synchronous calls that were taken away with their instance and told so. */
  readonly cutOff: number;
  /** Asynchronous calls that ran again after they were cut off. */
  readonly ranAgain: number;
  readonly waited: number;
  readonly waitedLongestMs: number;
  readonly causes: Readonly<Record<string, number>>;
  readonly p50Ms: number;
  readonly usd: number;
  readonly fixedUsd: number;
};

export type Report = {
  readonly json: unknown;
  readonly lines: readonly string[];
  /** Every invocation was answered; nobody ran on the wrong capacity; the variable account waited, and paid less. */
  readonly isKept: boolean;
};

/** A wait below this is the time it takes to make a container. */
const WAIT_MS_MIN = 300;
/** What a caller is told whose execution was taken away; the call may be sent again. */
const RETRIABLE = "ServiceException";

/** What became of every call, out of the server's own explanations, and what it cost. */
export async function report(operator: Operator, callers: readonly Caller[]): Promise<Report> {
  const costs = await operator.costs();
  const rows: Row[] = [];
  const wrong: string[] = [];
  for (const caller of callers) {
    const explained = await Promise.all(
      caller.calls.map(async (call) => ({ call, why: await explain(operator, call) })),
    );
    const own = costs.rows.filter((row) => row.accountId === caller.accountId && row.functionName === undefined);
    const placements = explained.flatMap(({ why }) => executed(why).map(({ placement }) => placement));
    const expected = caller.name === "steady" ? "fixed" : "variable";
    for (const { subPool } of placements)
      if (subPool !== expected) wrong.push(`${caller.name} ran on ${subPool} capacity`);
    const waited = placements.filter(({ waitedMs }) => waitedMs >= WAIT_MS_MIN);
    const took = caller.calls.filter(({ kind, error }) => kind === "synchronous" && error === undefined);
    rows.push({
      account: caller.name,
      calls: caller.calls.length,
      answered: explained.filter(({ call, why }) => isAnswered(call, why)).length,
      notAnswered: explained.filter(({ call, why }) => !isAnswered(call, why)).map(({ call }) => call.requestId ?? "?"),
      cutOff: caller.calls.filter(({ error }) => error === RETRIABLE).length,
      ranAgain: explained.filter(({ call, why }) => call.kind === "asynchronous" && executed(why).length > 1).length,
      waited: waited.length,
      waitedLongestMs: Math.round(Math.max(0, ...waited.map(({ waitedMs }) => waitedMs))),
      causes: count(waited.map(({ waitedFor }) => waitedFor[0]?.kind ?? "instance")),
      p50Ms: Math.round(median(took.map(({ tookMs }) => tookMs))),
      usd: sum(own.map(({ heldUsd }) => heldUsd)),
      fixedUsd: sum(own.map(({ fixedUsd }) => fixedUsd)),
    });
  }
  const thrifty = rows.find(({ account }) => account === "thrifty");
  const isAllAnswered = rows.every(({ notAnswered }) => notAnswered.length === 0);
  const hasWaited = thrifty !== undefined && thrifty.waited > 0 && (thrifty.causes["price"] ?? 0) > 0;
  const isCheaper = thrifty !== undefined && thrifty.usd < thrifty.fixedUsd;
  const isKept = isAllAnswered && wrong.length === 0 && hasWaited && isCheaper;
  return { json: { rows, wrong, isKept }, lines: linesOf(rows, wrong, isKept), isKept };
}

async function explain(operator: Operator, { requestId }: Call): Promise<Explanation | undefined> {
  return requestId === undefined ? undefined : operator.explain(requestId).catch(() => undefined);
}

function executed(why: Explanation | undefined): Extract<AttemptExplanation, { kind: "executed" }>[] {
  return (why?.attempts ?? []).filter((attempt) => attempt.kind === "executed");
}

/** A synchronous call has its response, or was told that it may be sent again; an event has run to its end, once. */
function isAnswered({ kind, error }: Call, why: Explanation | undefined): boolean {
  if (kind === "synchronous") return error === undefined || error === RETRIABLE;
  const ends = executed(why).filter(({ end }) => end?.kind === "finished" && end.outcome === "ok");
  return error === undefined && ends.length === 1;
}

function linesOf(rows: readonly Row[], wrong: readonly string[], isKept: boolean): string[] {
  const header = [
    "ACCOUNT",
    "CALLS",
    "ANSWERED",
    "CUT OFF",
    "RAN AGAIN",
    "WAITED",
    "LONGEST",
    "P50",
    "COST",
    "FIXED ONLY",
  ];
  const cells = rows.map((row) => [
    row.account,
    String(row.calls),
    String(row.answered),
    String(row.cutOff),
    String(row.ranAgain),
    String(row.waited),
    `${(row.waitedLongestMs / 1000).toFixed(1)} s`,
    `${row.p50Ms} ms`,
    `${(row.usd * 100).toFixed(4)} ct`,
    `${(row.fixedUsd * 100).toFixed(4)} ct`,
  ]);
  const widths = header.map((name, at) => Math.max(name.length, ...cells.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]) => row.map((cell, at) => cell.padStart(widths[at] ?? 0)).join("  ");
  const causes = rows
    .filter(({ waited }) => waited > 0)
    .map(({ account, causes: by }) => {
      const each = Object.entries(by).map(([kind, times]) => `${kind} (${times})`);
      return `${account} waited for: ${each.join(", ")}`;
    });
  const missing = rows.flatMap(({ account, notAnswered }) =>
    notAnswered.map((id) => `${account}: ${id} has no answer`),
  );
  const verdict = isKept
    ? "Every invocation was answered; the variable account waited for its price and paid less than fixed capacity costs."
    : "The promise was NOT kept.";
  return ["", line(header), ...cells.map(line), "", ...causes, ...missing, ...new Set(wrong), verdict];
}

function count(kinds: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of kinds) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
