import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

// Before anything else is loaded: what was compiled once is taken from there, which halves the time of every command. A folder
// that cannot be written (an installation for all users) costs nothing but that.
enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/hearth", import.meta.url)));
const { runCli } = await import("./cli/cli.ts");
const { Terminal } = await import("./cli/terminal.ts");
const { VERSION } = await import("./up/version.ts");

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

// While Node.js takes itself apart it has no handlers any more: a signal that came then, a second Ctrl-C, would make a clean end
// look like a violent one.
process.on("beforeExit", () => process.exit());
