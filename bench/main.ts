import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

/**
 * Runs benchmarks, each in a process of its own, one after the other: `npm run bench [NAME…] [-- --quick]`.
 * `--quick` shows that everything works; it judges nothing and writes no result.
 */
const BENCHMARKS = [
  "simulator",
  "core",
  "invoke",
  "cold",
  "python",
  "capacity",
  "memory",
  "evidence",
  "lifetime",
  "streaming",
  "microvm",
];
/** It has no short form: its shortest honest run is its only one. */
const WITHOUT_QUICK = new Set(["simulator"]);
/** The core runs in this process, so with the heap that `bin/hearth.mjs` gives a server; what it holds is read after a collection. */
const FLAGS: Readonly<Record<string, readonly string[]>> = { core: ["--max-semi-space-size=64", "--expose-gc"] };
/** All sides and the load generator share these many processors, on every machine. */
const CORES = 2;
const TASKSET = "/usr/bin/taskset";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: "boolean", default: false } },
});
const unknown = positionals.filter((name) => !BENCHMARKS.includes(name));
if (unknown.length > 0) {
  console.error(`error: no benchmark ${unknown.join(", ")}; there are ${BENCHMARKS.join(", ")}`);
  process.exit(2);
}

const chosen = (positionals.length > 0 ? positionals : BENCHMARKS).filter(
  (name) => !(values.quick && WITHOUT_QUICK.has(name)),
);
let hasFailed = false;
for (const name of chosen) {
  console.log(`\n── ${name} ${"─".repeat(Math.max(0, 100 - name.length))}`);
  const status = await run([
    ...(FLAGS[name] ?? []),
    join(import.meta.dirname, `${name}.ts`),
    ...(values.quick ? ["--quick"] : []),
  ]);
  if (status !== 0) console.error(`error: benchmark ${name} ended with status ${status}`);
  hasFailed ||= status !== 0;
}
process.exitCode = hasFailed ? 1 : 0;

function run(script: readonly string[]): Promise<number> {
  const command = [...pinning(), process.execPath, ...script];
  const child = spawn(command[0] as string, command.slice(1), { stdio: "inherit" });
  // The benchmark stops its servers; it is waited for.
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  process.on("SIGTERM", forward).on("SIGINT", () => {});
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => {
      process.off("SIGTERM", forward);
      resolve(code ?? 1);
    });
  });
}

/** What a process starts inherits its processors. */
function pinning(): readonly string[] {
  return availableParallelism() > CORES && existsSync(TASKSET) ? [TASKSET, "-c", `0-${CORES - 1}`] : [];
}
