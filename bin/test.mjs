#!/usr/bin/env node
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { findNode, noNodeMessage } from "./node-binary.mjs";

/** Vitest's own time limits cannot stop a test that never gives the event loop back. */
const RUN_MS_MAX = 75 * 60_000;

/** `npm test`: all tests, or those whose paths are given, with a Node that runs them. */
const node = findNode();
if (node === undefined) {
  console.error(`error: ${noNodeMessage()}`);
  process.exit(1);
}
const vitest = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));
const root = fileURLToPath(new URL("..", import.meta.url));
// A process group of its own: a worker that spins does not end with its parent.
const options = { cwd: root, stdio: "inherit", detached: true };
const child = spawn(node, [vitest, "run", ...process.argv.slice(2)], options);
const stop = (signal) => process.kill(-child.pid, signal);
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => stop(signal));
const limit = setTimeout(() => {
  console.error(
    `error: the tests did not end within ${RUN_MS_MAX / 60_000} min; one of them spins or waits without end`,
  );
  stop("SIGKILL");
}, RUN_MS_MAX);
child.on("exit", (code) => {
  clearTimeout(limit);
  process.exit(code ?? 1);
});
