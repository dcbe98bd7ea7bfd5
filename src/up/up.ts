import { pino } from "pino";
import type { Terminal } from "../cli/terminal.ts";
import type { UpOptions } from "../cli/up-options.ts";
import { RUNTIMES } from "../model/runtime.ts";
import { runExamples } from "./examples.ts";
import { type Hearth, startHearth } from "./hearth.ts";

/** How long running invocations may take to finish after SIGTERM; a second signal cuts it short. */
const GRACE_MS = 10_000;
const REGION = "us-east-1";

/**
 * `hearth up`: serves until SIGTERM or SIGINT. Standard output carries the `ready` line, the table of the
 * examples and how to call the API; the log goes to standard error.
 * @throws what `startHearth` throws.
 */
export async function up(options: UpOptions, terminal: Terminal): Promise<void> {
  const log = pino(
    { level: options.logLevel, base: null, serializers: { error: pino.stdSerializers.err } },
    pino.destination({ fd: 2, sync: false }),
  );
  const { blanks, asyncRetryDelaysMs } = options;
  const stopped = Promise.withResolvers<void>();
  let hearth: Hearth | undefined;
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals) => {
    signals++;
    if (signals > 2) return; // There is nothing faster.
    if (hearth === undefined) return terminal.note(`${signal}: stopping when the start is complete`);
    const graceMs = signals > 1 ? 0 : GRACE_MS;
    terminal.note(
      graceMs === 0
        ? "stopping at once"
        : `${signal}: finishing what runs, for up to ${graceMs / 1000} s (again to stop at once)`,
    );
    hearth.stop(graceMs).then(stopped.resolve, stopped.reject);
  };
  terminal.serve();
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  hearth = await startHearth({
    ...options,
    region: REGION,
    log,
    settings: {
      ...options.limits,
      ...(blanks === undefined ? {} : { blankTarget: Object.fromEntries(RUNTIMES.map((name) => [name, blanks])) }),
    },
    retrySettings: asyncRetryDelaysMs === undefined ? {} : { errorDelaysMs: asyncRetryDelaysMs },
    onStoreLost: (error) => {
      // Nothing can be accepted or recorded any more; instances outlive this process, and the next server adopts them.
      log.error({ error }, "the database is lost: the server ends");
      process.exit(1);
    },
  }).catch((error: unknown) => {
    // Nothing serves: signals end the process again, should something keep it.
    process.off("SIGTERM", onSignal).off("SIGINT", onSignal);
    throw error;
  });
  if (signals > 0) return hearth.stop(0);
  terminal.print(`ready ${hearth.url}`);
  if (options.examples) {
    await runExamples(hearth, options.dataDir, terminal).catch((error: unknown) => {
      if (signals === 0) throw error; // Else the shutdown cut them off.
    });
  }
  await stopped.promise;
}
