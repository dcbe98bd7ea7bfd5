import { parseArgs } from "node:util";
import { EventLog, firstDifference } from "./event-log.ts";
import type { Report, Totals } from "./report.ts";
import { simulate } from "./simulation.ts";
import { Violation } from "./violation.ts";
import { drawWorld, type World } from "./world.ts";

const HELP = `Runs the control core through made-up worlds, each drawn from a seed and run twice.

  hearth simulate [--seed N] [--worlds K] [--json] [--trace]

  --seed N    the first world's seed (1)
  --worlds K  how many worlds, with the seeds N, N+1 … (100; 1 when only --seed is given)
  --json      totals as JSON, one world a line
  --trace     prints every event and command of the first run of each world

Exit code 1 and the drawn world when one fails.`;

export type WorldResult =
  | { readonly seed: number; readonly digest: string; readonly totals: Totals; readonly failure?: undefined }
  | { readonly seed: number; readonly failure: string };

/**
 * Runs the world of a seed twice, audited after every event.
 * @returns what failed: a violation, or the first difference between the two runs.
 */
export function runSeed(seed: number, onLine?: (line: string) => void): WorldResult {
  const world = drawWorld(seed);
  const log = new EventLog(onLine);
  const secondLog = new EventLog();
  try {
    const report = simulate(world, { auditEvery: 1, log });
    simulate(world, { auditEvery: 1, log: secondLog });
    const difference = firstDifference(log, secondLog);
    if (difference !== undefined) return { seed, failure: `two runs differ at ${difference}` };
    return { seed, digest: log.digest(), totals: report.totals() };
  } catch (error) {
    if (error instanceof Violation) return { seed, failure: error.message };
    throw error;
  }
}

/** `hearth simulate`. @returns the exit code. */
export async function runSimulator(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: "string" },
      worlds: { type: "string" },
      json: { type: "boolean", default: false },
      trace: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return print(HELP, 0);
  const seed = Number(values.seed ?? 1);
  const worlds = Number(values.worlds ?? (values.seed === undefined ? 100 : 1));
  if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(worlds) || worlds < 1) {
    return print(`--seed and --worlds take whole numbers\n\n${HELP}`, 2);
  }
  return runWorlds(seed, worlds, values.json, values.trace);
}

function runWorlds(firstSeed: number, worlds: number, isJson: boolean, isTraced: boolean): number {
  let failures = 0;
  let events = 0;
  for (let seed = firstSeed; seed < firstSeed + worlds; seed++) {
    const result = runSeed(seed, isTraced ? (line) => console.log(line) : undefined);
    if (isJson) console.log(JSON.stringify(result));
    if (result.failure !== undefined) {
      failures++;
      if (!isJson) console.error(describeFailure(result.failure, drawWorld(seed)));
    } else {
      events += result.totals.events;
      if (!isJson && worlds === 1) console.log(describeTotals(result.digest, result.totals));
    }
  }
  if (!isJson)
    console.log(
      `${worlds - failures} of ${worlds} worlds hold, ${events.toLocaleString("en-US")} events, each world run twice`,
    );
  return failures === 0 ? 0 : 1;
}

/** The drawn world and the command that replays it. */
export function describeFailure(failure: string, world: World): string {
  const drawn = JSON.stringify(world, (_, value) => (value === Number.POSITIVE_INFINITY ? "never" : value), 2);
  return `world ${world.seed} failed\n${drawn}\n${failure}\nreplay: npm run simulate -- --seed ${world.seed} --trace`;
}

function describeTotals(digest: string, totals: ReturnType<Report["totals"]>): string {
  const lines = Object.entries(totals).map(
    ([name, value]) => `${name.padEnd(18)} ${typeof value === "object" ? JSON.stringify(value) : value}`,
  );
  return [...lines, `${"digest".padEnd(18)} ${digest}`].join("\n");
}

function print(text: string, exitCode: number): number {
  if (exitCode === 0) console.log(text);
  else console.error(text);
  return exitCode;
}
