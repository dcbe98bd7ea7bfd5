import { runCli } from "./cli/cli.ts";
import { Terminal } from "./cli/terminal.ts";
import { runSimulator } from "./simulator/main.ts";
import { VERSION } from "./up/admin-view.ts";
import { up } from "./up/up.ts";

/** The composition root of the command line: the only reader of the process's environment and streams. */
const terminal = new Terminal(process.stdout, process.stderr);

process.exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  terminal,
  stdin: process.stdin,
  version: VERSION,
  verbs: { up: (options) => up(options, terminal), simulate: async (args) => runSimulator(args) },
});
