import { renderChart } from "../../chart/chart.ts";
import { DEFAULT_SIZING } from "../../model/sizing.ts";
import type { SizingAnswer } from "../../ports/sizing-document.ts";
import type { SizedVersionView } from "../../ports/sizing-view.ts";
import type { CliCommand, ServerFlags } from "../cli-command.ts";
import { type CliContext, serverOf } from "../cli-context.ts";
import { CliError, usageError } from "../cli-error.ts";
import { readPayload } from "../invocation.ts";
import {
  chosenPoint,
  type SizeRun,
  TUNING_INVOCATIONS,
  TUNING_POLICIES,
  TUNING_SIZES_MIB,
  type TuningPoint,
  type TuningPolicy,
  tuningCurve,
} from "../power-tuning.ts";
import type { ServerClient } from "../server-client.ts";
import { removeCopy, TuningCopy } from "../tuning-copy.ts";
import { writeFileNamed } from "./sizing.ts";

type TuneFlags = ServerFlags & {
  readonly payload: string;
  readonly sizes: string;
  readonly invocations: string;
  readonly policy: string;
  readonly svg?: string;
};

const MEMORY_MIB_MIN = 128;
const MEMORY_MIB_MAX = 10_240;
const SIZES_MAX = 40;
const INVOCATIONS_MAX = 1000;
const BAR_WIDTH = 24;
const PER_MILLION = 1e6;
/** As shells tell that Ctrl-C ended a program. */
const EXIT_INTERRUPTED = 130;

const HELP_AFTER = `
The sweep of AWS Lambda Power Tuning: each size is called with the same payload, the mean of the
middle 60 % of the durations counts, whole milliseconds are paid, sizes that fail are left out.
It runs on a temporary copy of the function that is removed in the end, so it disturbs neither the
function nor what was learned of it. Its calls are real and synthetic: what they write is written.

\`hearth sizing NAME\` learns the same from the calls that come anyway; the last lines compare.

Examples:
  $ hearth tune resize --payload @event.json
  $ hearth tune resize --payload '{"size":3}' --sizes 128,256,512 --invocations 20 --policy balanced
  $ hearth tune resize --payload @event.json --svg curve.svg --json > curve.json`;

export function addTuneCommand(program: CliCommand, context: CliContext): void {
  program
    .command("tune")
    .description("sweep a function's sizes with synthetic calls, for comparison with what was learned")
    .argument("NAME", "function name")
    .requiredOption("-p, --payload <JSON>", "the event of every call: JSON, @FILE, or - for standard input")
    .option("--sizes <LIST>", "MiB, with commas", TUNING_SIZES_MIB.join(","))
    .option("--invocations <N>", "calls at each size", String(TUNING_INVOCATIONS))
    .option("--policy <POLICY>", TUNING_POLICIES.join(", "), "cost")
    .option("--svg <FILE>", "write the curve as a chart too")
    .serverOptions()
    .addHelpText("after", HELP_AFTER)
    .action((name: string, flags: TuneFlags) => tune(name, flags, context));
}

async function tune(name: string, flags: TuneFlags, context: CliContext): Promise<void> {
  if (!/^[A-Za-z0-9_-]+$/.test(name))
    throw usageError(`${name} is not the plain name of a function`, "give the name alone: `$LATEST` is what is tuned");
  const sizes = sizesIn(flags.sizes);
  const invocations = countIn(flags.invocations);
  const policy = policyIn(flags.policy);
  const payload = await readPayload(flags.payload, context.stdin);
  const server = serverOf(context, flags);
  const runs = await sweep(name, server, sizes, invocations, payload, context);
  if (runs === undefined) return;
  const learned = await server.json<SizingAnswer>({
    method: "GET",
    path: `/_hearth/sizing/functions/${encodeURIComponent(name)}`,
  });
  const curve = tuningCurve(runs, learned.settings.prices ?? DEFAULT_SIZING.prices);
  const chosen = chosenPoint(curve, policy);
  if (flags.svg !== undefined && curve.length > 0) await writeFileNamed(flags.svg, chartOf(name, curve));
  const [version] = learned.versions ?? [];
  if (flags.json)
    context.terminal.printJson({ functionName: name, policy, invocations, runs, curve, chosen, learned: version });
  else show(runs, curve, chosen, policy, version, context);
  if (chosen === undefined) {
    throw new CliError(`${name} failed at every size`, {
      remedy: "see the reasons above; try the payload with `hearth invoke NAME --payload …` first",
    });
  }
}

/** Runs all sizes on a copy, which is gone afterwards, also after Ctrl-C. @returns undefined: interrupted. */
async function sweep(
  name: string,
  server: ServerClient,
  sizes: readonly number[],
  invocations: number,
  payload: Buffer,
  context: CliContext,
): Promise<SizeRun[] | undefined> {
  const { terminal } = context;
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, interrupt);
  let copyName: string | undefined;
  try {
    const copy = await TuningCopy.of(name, server, (made) => {
      copyName = made;
    });
    const runs: SizeRun[] = [];
    for (const memoryMiB of sizes) {
      terminal.note(`${invocations} calls at ${memoryMiB} MiB`);
      runs.push(await copy.run(memoryMiB, invocations, payload, interrupted.signal));
    }
    return runs;
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
    terminal.note("interrupted; the temporary function is removed");
    context.exitCode = EXIT_INTERRUPTED;
    return undefined;
  } finally {
    if (copyName !== undefined) await removeCopy(copyName, server);
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, interrupt);
  }
}

function show(
  runs: readonly SizeRun[],
  curve: readonly TuningPoint[],
  chosen: TuningPoint | undefined,
  policy: TuningPolicy,
  version: SizedVersionView | undefined,
  { terminal }: CliContext,
): void {
  const durationMax = Math.max(...curve.map(({ durationMs }) => durationMs));
  const costMax = Math.max(...curve.map(({ costUsd }) => costUsd));
  if (curve.length > 0) {
    terminal.printTable(
      ["MIB", "MS", "SPEED", "USD/MILLION", "COST", "USED MIB", ""],
      curve.map(({ memoryMiB, durationMs, costUsd, memoryUsedMiB }) => [
        memoryMiB,
        durationMs.toFixed(1),
        bar(durationMs / durationMax),
        (costUsd * PER_MILLION).toFixed(3),
        bar(costUsd / costMax),
        memoryUsedMiB,
        memoryMiB === chosen?.memoryMiB ? `← ${policy}` : "",
      ]),
    );
  }
  for (const run of runs) {
    if (run.kind === "failed")
      terminal.print(`${run.memoryMiB} MiB is left out: after ${run.after} calls, ${run.reason}`);
  }
  for (const line of comparison(runs, curve, chosen, version)) terminal.print(line);
}

function bar(share: number): string {
  return "█".repeat(Math.max(1, Math.round(share * BAR_WIDTH)));
}

/** How the sweep differs from what the function's own calls taught. */
function comparison(
  runs: readonly SizeRun[],
  curve: readonly TuningPoint[],
  chosen: TuningPoint | undefined,
  version: SizedVersionView | undefined,
): string[] {
  const calls = runs.reduce((sum, run) => sum + (run.kind === "ran" ? run.durationsMs.length : run.after + 1), 0);
  if (chosen === undefined) return [];
  const swept = `sweep: ${chosen.memoryMiB} MiB, from ${calls} synthetic calls with one payload`;
  const needMiB = version?.byRatioMiB;
  const { executions = 0, peaks } = version?.evidence ?? {};
  if (version === undefined || needMiB === undefined || peaks === undefined) {
    return [swept, `learned: not enough yet, from ${executions} live executions; see \`hearth sizing NAME\``];
  }
  const used = Math.max(...curve.map(({ memoryUsedMiB }) => memoryUsedMiB));
  const difference =
    needMiB === chosen.memoryMiB
      ? "the same"
      : `${Math.abs(needMiB - chosen.memoryMiB)} MiB ${needMiB < chosen.memoryMiB ? "less" : "more"}`;
  return [
    swept,
    `learned: ${needMiB} MiB, ${difference}, from ${executions} live executions and none besides (policy ${version.settings.policy})`,
    `largest peak: ${used} MiB with this payload, ${peaks.maxMiB.toFixed(1)} MiB with those that really came`,
  ];
}

function chartOf(name: string, curve: readonly TuningPoint[]): string {
  const percentOf = (of: (point: TuningPoint) => number, unit: (point: TuningPoint) => string) => {
    const max = Math.max(...curve.map(of));
    return {
      mark: "line" as const,
      points: curve.map((point) => [point.memoryMiB, (of(point) / max) * 100] as const),
      titles: curve.map((point) => `${point.memoryMiB} MiB: ${unit(point)}`),
    };
  };
  return renderChart({
    title: `${name}: cost and speed by size`,
    x: { label: "memory, MiB", scale: "log" },
    y: { label: "% of the largest", scale: "linear", fromZero: true },
    series: [
      {
        label: "duration",
        isOurs: false,
        ...percentOf(
          ({ durationMs }) => durationMs,
          ({ durationMs }) => `${durationMs.toFixed(1)} ms`,
        ),
      },
      {
        label: "cost",
        isOurs: true,
        ...percentOf(
          ({ costUsd }) => costUsd,
          ({ costUsd }) => `${(costUsd * PER_MILLION).toFixed(3)} USD per million`,
        ),
      },
    ],
  });
}

function sizesIn(text: string): number[] {
  const sizes = text.split(",").map((part) => part.trim());
  const isGood = (size: string) =>
    /^\d+$/.test(size) && Number(size) >= MEMORY_MIB_MIN && Number(size) <= MEMORY_MIB_MAX;
  const bad = sizes.find((size) => !isGood(size));
  if (bad !== undefined) {
    throw usageError(
      `--sizes ${text}: "${bad}" is no size`,
      `give whole MiB from ${MEMORY_MIB_MIN} to ${MEMORY_MIB_MAX}, such as 128,256,512`,
    );
  }
  const distinct = [...new Set(sizes.map(Number))];
  if (distinct.length <= SIZES_MAX) return distinct;
  throw usageError(`--sizes names ${distinct.length} sizes`, `give at most ${SIZES_MAX}`);
}

function countIn(text: string): number {
  if (/^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= INVOCATIONS_MAX) return Number(text);
  throw usageError(`--invocations ${text} is no count`, `give a whole number from 1 to ${INVOCATIONS_MAX}`);
}

function policyIn(text: string): TuningPolicy {
  const policy = TUNING_POLICIES.find((known) => known === text);
  if (policy === undefined)
    throw usageError(`--policy ${text} is unknown`, `give one of ${TUNING_POLICIES.join(", ")}`);
  return policy;
}
