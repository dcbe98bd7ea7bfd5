import { runCli } from "./cli/cli.ts";
import { Terminal } from "./cli/terminal.ts";
import { VERSION } from "./up/version.ts";

/** The composition root of the command line: the only reader of the process's environment and streams. */
const terminal = new Terminal(process.stdout, process.stderr);

process.exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  terminal,
  stdin: process.stdin,
  version: VERSION,
  // Loaded when called: `hearth list` need not wait for a server's parts.
  verbs: {
    up: async (options) => (await import("./up/up.ts")).up(options, terminal),
    agent: async (input) => (await import("./up/agent.ts")).agent(input),
    buildImage: async (order) => (await import("./up/build-image.ts")).buildImage(order),
    simulate: async (args) => (await import("./simulator/main.ts")).runSimulator(args),
  },
});
