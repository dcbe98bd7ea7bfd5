import { type Chart, renderChart, type Series } from "../../chart/chart.ts";
import type { SizedVersionView, StampedDecision } from "../../ports/sizing-view.ts";

/**
 * Requested, effective and reserved memory over the executions, with the decisions, and what the executions needed. Peaks are
 * kept as a distribution and not one by one, so that they are lines across.
 */
export function sizingChart(version: SizedVersionView): string {
  const { functionName, version: name, evidence } = version;
  return renderChart({
    title: `${functionName} ${name}: memory over ${evidence.executions.toLocaleString("en-US")} executions`,
    x: { label: "executions", scale: "linear", fromZero: true },
    y: { label: "MiB", scale: "linear", fromZero: true },
    series: seriesOf(version),
  } satisfies Chart);
}

function seriesOf(version: SizedVersionView): Series[] {
  const { requested, reservationMiB, evidence, decisions, settings } = version;
  // Where nothing is applied, it is what would be.
  const isApplied = settings.mode === "auto";
  const limit = isApplied ? version.effective : version.learned;
  // A chart without a single step forward has no width.
  const end = Math.max(1, evidence.executions);
  const across = (label: string, memoryMiB: number): Series => ({
    label,
    mark: "line",
    isOurs: false,
    points: [
      [0, memoryMiB],
      [end, memoryMiB],
    ],
  });
  const sizes = decisions.filter(({ appliesTo }) => appliesTo === "size");
  const reservations = decisions.filter(({ appliesTo }) => appliesTo === "reservation");
  const { peaks } = evidence;
  return [
    across(`requested: ${mib(requested.memoryMiB)}`, requested.memoryMiB),
    {
      label: `${isApplied ? "limit" : "learned, not applied"}: ${mib(limit.memoryMiB)}`,
      mark: "steps",
      isOurs: reservations.length === 0,
      ...stepsOf(sizes, limit.memoryMiB, end),
    },
    ...(reservations.length === 0
      ? []
      : [
          {
            label: `reserved: ${mib(reservationMiB)}`,
            mark: "steps" as const,
            isOurs: true,
            ...stepsOf(reservations, reservationMiB, end),
          },
        ]),
    ...(peaks === undefined
      ? []
      : [
          across(`largest peak: ${mib(peaks.maxMiB)}`, peaks.maxMiB),
          across(`99 % of peaks below ${mib(peaks.p99MiB)}`, peaks.p99MiB),
          across(`half of the peaks below ${mib(peaks.p50MiB)}`, peaks.p50MiB),
        ]),
    ...(decisions.length === 0 ? [] : [decisionMarks(decisions)]),
  ];
}

/** From the oldest decision that is kept to now. */
function stepsOf(decisions: readonly StampedDecision[], nowMiB: number, end: number): Pick<Series, "points"> {
  const before = decisions[0]?.from.memoryMiB ?? nowMiB;
  const points: [number, number][] = [[0, before]];
  let memoryMiB = before;
  for (const { atExecution, from, to, why } of decisions) {
    // A trial concerns a part of the containers; its failure leaves the others as they are.
    if (why.endsWith("On trial.") || from.memoryMiB !== memoryMiB) continue;
    memoryMiB = to.memoryMiB;
    points.push([atExecution, memoryMiB]);
  }
  return { points: [...points, [end, nowMiB]] };
}

function decisionMarks(decisions: readonly StampedDecision[]): Series {
  return {
    label: "decisions",
    mark: "points",
    isOurs: false,
    points: decisions.map(({ atExecution, to }) => [atExecution, to.memoryMiB]),
    titles: decisions.map(
      ({ decidedMs, condition, from, to, why }) =>
        `${new Date(decidedMs).toISOString()} ${condition}: ${from.memoryMiB} → ${to.memoryMiB} MiB. ${why}`,
    ),
  };
}

function mib(amount: number): string {
  return `${amount < 100 ? amount.toFixed(1) : Math.round(amount)} MiB`;
}
