import type { PeakFigures } from "../model/size-story.ts";
import type { ContainerSize, SizingSettings } from "../model/sizing.ts";
import type { SizingAnswer } from "../ports/sizing-document.ts";
import type { SizedVersionView, StampedDecision } from "../ports/sizing-view.ts";
import { timeText } from "./time-text.ts";

/** The head of the table of functions; `sizingRow` has as many cells. */
export const SIZING_HEADER = [
  "FUNCTION",
  "REQUESTED",
  "LIMIT",
  "RESERVED",
  "NEEDS",
  "SAVED",
  "CONFIDENCE",
  "NEXT STEP",
] as const;

export function sizingRow(version: SizedVersionView): (string | number)[] {
  const { requested, effective, learned, reservationMiB, savedMiB, nextStep } = version;
  return [
    nameOf(version),
    requested.memoryMiB,
    effective.memoryMiB,
    reservationMiB,
    version.evidence.executions === 0 ? "?" : String(learned.memoryMiB),
    savedMiB,
    confidenceText(version),
    nextStep,
  ];
}

/** `f`, or `f:3` for a published version; of others than the operator with the account before it. */
function nameOf({ accountId, functionName, version }: SizedVersionView): string {
  const name = version === "$LATEST" ? functionName : `${functionName}:${version}`;
  return accountId === "000000000000" ? name : `${accountId}/${name}`;
}

/** How sure the learned size is. */
export function confidenceText({ evidence }: SizedVersionView): string {
  const { peaksMeasured, executionsMin, peaks } = evidence;
  if (peaks === undefined || peaksMeasured < executionsMin) return `${peaksMeasured} of ${executionsMin} executions`;
  return `at most ${chanceText(peaks.recordChance)} needs more`;
}

/** `1 in 4,200`. */
export function chanceText(chance: number): string {
  const one = 1 / chance;
  if (one > 1e6) return "under 1 in 1,000,000";
  const rounded =
    one < 100
      ? Math.round(one)
      : Math.round(one / 10 ** (Math.floor(Math.log10(one)) - 1)) * 10 ** (Math.floor(Math.log10(one)) - 1);
  return `1 in ${rounded.toLocaleString("en-US")}`;
}

/** What one container of each function saves in all. */
export function savedSentence(versions: readonly SizedVersionView[]): string {
  const sum = (of: (version: SizedVersionView) => number) =>
    versions.reduce((total, version) => total + of(version), 0);
  const [saved, requested] = [sum(({ savedMiB }) => savedMiB), sum((version) => version.requested.memoryMiB)];
  const share = requested > 0 ? ` (${Math.round((saved / requested) * 100)} %)` : "";
  return `one container of each takes ${requested - saved} instead of ${requested} MiB of an instance: ${saved} MiB saved${share}`;
}

/** Everything about one version, as lines of a name and a text. */
export function whyLines(version: SizedVersionView, { origins, isStopped }: SizingAnswer): [string, string][] {
  const { requested, effective, learned, onTrial, reservationMiB, evidence, nextStep, settings } = version;
  const { peaks, cpu, failures, failedMiB } = evidence;
  return [
    ["function", `${version.functionName} ${version.version} of account ${version.accountId}`],
    ["requested", sizeText(requested)],
    ["limit", sizeText(effective)],
    ["reserved", `${reservationMiB} MiB, ${version.savedMiB} less than requested`],
    ["needs", evidence.executions === 0 ? "not known yet" : sizeText(learned)],
    ...(onTrial === undefined ? [] : [["on trial", sizeText(onTrial)] as [string, string]]),
    [
      "settings",
      isStopped ? `all sizing is stopped; ${settingsText(settings, origins)}` : settingsText(settings, origins),
    ],
    [
      "evidence",
      `${count(evidence.executions)} executions, ${count(evidence.peaksMeasured)} peaks since the last failure`,
    ],
    ...(peaks === undefined ? [] : peakLines(peaks)),
    ...(cpu === undefined
      ? []
      : [
          [
            "cpu",
            `${cpu.cpuMs.toFixed(1)} ms of CPU, ${cpu.waitMs.toFixed(1)} ms of waiting, ${cpu.parallelism.toFixed(1)} CPUs at once`,
          ] as [string, string],
        ]),
    ...(failures + failedMiB === 0
      ? []
      : [["failures", `${failures}; no size up to ${failedMiB} MiB is tried again`] as [string, string]]),
    ["next", nextStep],
  ];
}

function peakLines({
  p50MiB,
  p90MiB,
  p99MiB,
  maxMiB,
  marginMiB,
  recordChance,
  excessChance,
}: PeakFigures): [string, string][] {
  const [half, nine, most] = [p50MiB, p90MiB, p99MiB].map((amount) => amount.toFixed(1));
  return [
    ["peaks", `half below ${half} MiB, 90 % below ${nine}, 99 % below ${most}; the largest ${maxMiB.toFixed(1)}`],
    [
      "confidence",
      `at most ${chanceText(recordChance)} executions needs more, ${chanceText(excessChance)} by the tail of the peaks; ${marginMiB.toFixed(1)} MiB are kept above the largest`,
    ],
  ];
}

/** The decisions as rows of a table. */
export const DECISION_HEADER = ["EXECUTION", "TIME", "BECAUSE", "OF", "FROM MIB", "TO MIB", "EVIDENCE"] as const;

export function decisionRow({
  atExecution,
  decidedMs,
  condition,
  appliesTo,
  from,
  to,
  why,
}: StampedDecision): (string | number)[] {
  const of = appliesTo === "size" ? "limit" : "reserved";
  const cpu = from.cpuMilli === to.cpuMilli ? "" : ` (CPU ${from.cpuMilli} → ${to.cpuMilli} m)`;
  return [atExecution, timeText(decidedMs), BECAUSE[condition], of, from.memoryMiB, to.memoryMiB, `${why}${cpu}`];
}

const BECAUSE: Readonly<Record<StampedDecision["condition"], string>> = {
  requested: "newly requested",
  tooMuch: "too much",
  tooLittle: "too little",
  outOfMemory: "out of memory",
  rescued: "rescued",
  pressure: "waited for memory",
  worse: "went worse",
  proven: "went well",
  settings: "new settings",
};

/** `mode auto (default), policy cost (function), …`; what nobody said is named only where it matters most. */
export function settingsText(settings: SizingSettings, origins: SizingAnswer["origins"]): string {
  const always: readonly (keyof SizingSettings)[] = ["mode", "policy", "limits", "cpu"];
  const names = (Object.keys(origins) as (keyof SizingSettings)[]).filter(
    (name) => always.includes(name) || origins[name] !== "default",
  );
  return names
    .map((name) => {
      const value = settings[name];
      const text = typeof value === "object" ? JSON.stringify(value) : String(value);
      return `${name} ${text} (${origins[name]})`;
    })
    .join(", ");
}

export function sizeText({ memoryMiB, cpuMilli }: ContainerSize): string {
  return `${memoryMiB} MiB, ${(cpuMilli / 1000).toFixed(2)} vCPU`;
}

function count(amount: number): string {
  return amount.toLocaleString("en-US");
}
