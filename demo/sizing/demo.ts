import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { Terminal } from "../../src/cli/terminal.ts";
import type { SizedVersionView } from "../../src/ports/sizing-view.ts";
import { demoOptions } from "../options.ts";
import { FUNCTIONS } from "./functions.ts";
import { type Phase, runPhase } from "./phase.ts";
import { HEADER, report } from "./report.ts";

/**
 * Six functions that ask for something else than they need get the same calls twice on this host: first with sizing stopped, then
 * with it. All of it is real: sandboxes, memory, CPU, kills.
 */
const values = demoOptions(`npm run demo:sizing [-- --quick] [-- --json]

Shows automatic sizing on this machine for some minutes; needs root for the sandbox.
  --quick   a quarter as long
  --json    only the result, as JSON
`);

const ROUNDS = 120;
const ROUNDS_QUICK = 30;
const ROUNDS_PER_LINE = 15;

const rounds = values.quick ? ROUNDS_QUICK : ROUNDS;
const directory = mkdtempSync(join(tmpdir(), "hearth-demo-"));
const log = pino({ level: "warn", base: null }, pino.destination({ dest: join(directory, "server.log"), sync: true }));
const terminal = new Terminal(process.stdout, process.stderr);
const ending = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => ending.abort());

try {
  for (const { name, memoryMiB, says } of FUNCTIONS)
    tell(`${name.padEnd(8)} ${`${memoryMiB} MiB`.padStart(8)}  ${says}`);
  tell("\nwithout sizing: every container gets what was requested");
  const plain = await phase("plain", false);
  tell("\nwith sizing: the same calls again, on a new server that knows nothing yet");
  const sized = await phase("sized", true);
  const { json, rows, lines, broken } = report(plain, sized);
  if (values.json) terminal.printJson({ ...(json as object), broken });
  else {
    terminal.print("");
    terminal.printTable([...HEADER], rows);
    for (const line of [...lines, ...broken.map((what) => `NOT KEPT: ${what}`)]) terminal.print(line);
  }
  process.exitCode = broken.length === 0 ? 0 : 1;
} catch (error) {
  if (ending.signal.aborted) process.exitCode = 130;
  else {
    process.stderr.write(`error: ${(error as Error).stack}\n${readFileSync(join(directory, "server.log"), "utf8")}`);
    process.exitCode = 1;
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}

function phase(name: string, isSized: boolean): Promise<Phase> {
  const beganMs = performance.now();
  return runPhase({
    dataDir: join(directory, name),
    isSized,
    rounds,
    log,
    signal: ending.signal,
    onRound(round, sizes) {
      if ((round + 1) % ROUNDS_PER_LINE !== 0) return;
      const seconds = ((performance.now() - beganMs) / 1000).toFixed(0).padStart(3);
      tell(`${seconds} s  ${String(round + 1).padStart(3)} calls each  ${sizes.map(sizeOf).join("  ")}`);
    },
  });
}

function sizeOf({ functionName, reservationMiB, requested }: SizedVersionView): string {
  return `${functionName} ${requested.memoryMiB} → ${reservationMiB}`;
}

function tell(text: string): void {
  if (!values.json) terminal.print(text);
}
