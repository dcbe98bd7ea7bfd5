import { pino } from "pino";
import type { Terminal } from "../cli/terminal.ts";
import type { UpOptions } from "../cli/up-options.ts";
import { RUNTIMES } from "../model/runtime.ts";
import { runExamples } from "./examples.ts";
import { startHearth } from "./hearth.ts";

/** How long running invocations may take to finish after SIGTERM; a second signal cuts it short. */
const GRACE_MS = 10_000;
const REGION = "us-east-1";

/**
 * `hearth up`: serves until SIGTERM or SIGINT. Standard output carries the `ready` line, the table of the
 * examples and how to call the API; the log goes to standard error.
 * @throws what `startHearth` throws.
 */
export async function up(options: UpOptions, terminal: Terminal): Promise<void> {
  const log = pino({ level: options.logLevel, base: null }, pino.destination({ fd: 2, sync: false }));
  const { blanks, asyncRetryDelaysMs } = options;
  const hearth = await startHearth({
    ...options,
    region: REGION,
    log,
    settings: blanks === undefined ? {} : { blankTarget: Object.fromEntries(RUNTIMES.map((name) => [name, blanks])) },
    retrySettings: asyncRetryDelaysMs === undefined ? {} : { errorDelaysMs: asyncRetryDelaysMs },
  });
  const stopped = stopOnSignal((graceMs) => hearth.stop(graceMs), terminal);
  terminal.print(`ready ${hearth.url}`);
  if (options.examples) await runExamples(hearth, options.dataDir, terminal);
  await stopped;
}

/** @returns a promise that resolves when a signal came and everything has ended. */
function stopOnSignal(stop: (graceMs: number) => Promise<void>, terminal: Terminal): Promise<void> {
  return new Promise((resolve, reject) => {
    let signals = 0;
    const onSignal = (signal: NodeJS.Signals) => {
      signals++;
      if (signals > 1) {
        terminal.note("stopping at once");
        // What runs is cut off; instances still end before we do.
        void stop(0);
        return;
      }
      terminal.note(`${signal}: finishing what runs, for up to ${GRACE_MS / 1000} s (again to stop at once)`);
      stop(GRACE_MS).then(resolve, reject);
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
  });
}
