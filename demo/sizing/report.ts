import { FUNCTIONS } from "./functions.ts";
import type { Phase } from "./phase.ts";

export type Report = {
  readonly json: unknown;
  readonly rows: readonly (readonly (string | number)[])[];
  readonly lines: readonly string[];
  /** What the demo promises and did not keep; empty: all is well. */
  readonly broken: readonly string[];
};

export const HEADER = [
  "FUNCTION",
  "REQUESTED",
  "LIMIT",
  "RESERVED",
  "SAVED",
  "KILLED",
  "RESCUED",
  "P50 MS",
  "P99 MS",
] as const;

/** A call that takes longer hung. */
const CALL_MS_MAX = 60_000;

/** The same load without sizing and with it, function by function; `a → b` is without → with. */
export function report(plain: Phase, sized: Phase): Report {
  const functions = FUNCTIONS.map(({ name, memoryMiB }) => {
    const size = sized.sizes.get(name);
    const figures = (phase: Phase) => ({
      calls: phase.calls.get(name)?.length ?? 0,
      killed: phase.kills.get(name) ?? 0,
      p50Ms: quantile(phase, name, 0.5),
      p99Ms: quantile(phase, name, 0.99),
    });
    return {
      name,
      requestedMiB: memoryMiB,
      limitMiB: size?.effective.memoryMiB ?? Number.NaN,
      reservedMiB: size?.reservationMiB ?? Number.NaN,
      savedMiB: size?.savedMiB ?? Number.NaN,
      cpuMilli: size?.effective.cpuMilli ?? Number.NaN,
      rescued: sized.rescues.get(name) ?? 0,
      plain: figures(plain),
      sized: figures(sized),
    };
  });
  const sum = (of: (one: (typeof functions)[number]) => number) => functions.reduce((total, one) => total + of(one), 0);
  const totals = {
    requestedMiB: sum(({ requestedMiB }) => requestedMiB),
    savedMiB: sum(({ savedMiB }) => savedMiB),
    killedPlain: sum((one) => one.plain.killed),
    killedSized: sum((one) => one.sized.killed),
    rescued: sum(({ rescued }) => rescued),
    coldStartsPlain: plain.coldStarts,
    coldStartsSized: sized.coldStarts,
  };
  const arrow = (before: number, after: number) => `${before} → ${after}`;
  return {
    json: { functions, totals },
    rows: functions.map((one) => [
      one.name,
      one.requestedMiB,
      one.limitMiB,
      one.reservedMiB,
      one.savedMiB,
      arrow(one.plain.killed, one.sized.killed),
      one.rescued,
      arrow(one.plain.p50Ms, one.sized.p50Ms),
      arrow(one.plain.p99Ms, one.sized.p99Ms),
    ]),
    lines: [
      `memory: ${totals.requestedMiB} MiB requested, ${totals.requestedMiB - totals.savedMiB} reserved: ${Math.round((totals.savedMiB / totals.requestedMiB) * 100)} % saved`,
      `killed for want of memory: ${arrow(totals.killedPlain, totals.killedSized)}; saved by raising a limit: ${totals.rescued}`,
      `cold starts: ${arrow(totals.coldStartsPlain, totals.coldStartsSized)}`,
    ],
    broken: [
      ...(totals.savedMiB * 2 > totals.requestedMiB ? [] : ["less than half of the requested memory was saved"]),
      ...(totals.killedSized < totals.killedPlain ? [] : ["not fewer executions were killed than without sizing"]),
      ...[...plain.calls, ...sized.calls].flatMap(([name, calls]) =>
        calls.some(({ tookMs }) => tookMs > CALL_MS_MAX) ? [`a call of ${name} hung`] : [],
      ),
    ],
  };
}

function quantile(phase: Phase, name: string, share: number): number {
  const sorted = (phase.calls.get(name) ?? []).map(({ tookMs }) => tookMs).sort((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN);
}
