import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { CliCommand } from "../cli-command.ts";
import type { CliContext, HostAgentInput } from "../cli-context.ts";
import { CliError, usageError } from "../cli-error.ts";

const DEFAULT_AGENT_DATA_DIR = ".hearth-host";
/** Trying again is of no use, so whatever keeps the command running may stop: the same as of the bundled host agent. */
const EXIT_REFUSED = 3;

type AgentFlags = {
  readonly config?: string;
  readonly join?: string;
  readonly token?: string;
  readonly data?: string;
  readonly name?: string;
  readonly zone?: string;
  readonly provider?: string;
  readonly memory?: string;
  readonly cpus?: string;
  readonly network?: boolean;
  readonly logLevel?: string;
};

const HELP_AFTER = `
HEARTH_JOIN_TOKEN may hold the token: the command line is visible to other users of the machine. Once the machine has joined, the
token is not needed any more; the data folder knows the server's key and the machine's own.

The command runs until SIGTERM or Ctrl-C: then the server moves the work elsewhere, and nothing stays behind. If it is killed,
instances live on for a minute and the next start finds them.

Examples:
  $ hearth host token                             on the server: prints the command to run here
  $ sudo hearth agent --join 10.0.0.5:9610 --token …
  $ sudo hearth agent --join 10.0.0.5:9610 --data /var/lib/hearth-host --memory 8192`;

export function addAgentCommand(program: CliCommand, context: CliContext): void {
  program
    .command("agent")
    .description("make this machine a host of a server elsewhere")
    .option("--join <HOST:PORT>", "the server's endpoint for machines (`hearth up --agent-port`)")
    .option("--token <TOKEN>", "join token (HEARTH_JOIN_TOKEN); needed the first time")
    .option("--data <DIR>", `folder for keys, instances and code (default ${DEFAULT_AGENT_DATA_DIR})`)
    .option("--name <NAME>", "what the host is called (default: this machine's name)")
    .option("--zone <ZONE>", "where it is")
    .option("--provider <KIND>", "sandbox, or process: NO ISOLATION, for machines where nothing better works")
    .option("--memory <MIB>", "what instances may take together (default: most of what is free)")
    .option("--cpus <COUNT>", "likewise, such as 1.5 (default: all)")
    .option("--no-network", "containers reach no network")
    .option("--config <FILE>", "all of it as a JSON file, instead of options; for machines that are made by a server")
    .option("--log-level <LEVEL>", "trace, debug, info, warn, error, fatal, silent (default info)")
    .addHelpText("after", HELP_AFTER)
    .action(async (flags: AgentFlags) => {
      const end = await context.verbs.agent(
        flags.config === undefined ? inputFrom(flags, context.env) : inputIn(flags.config),
      );
      if (end?.kind === "refused") {
        const remedy = "make a new token on the server with `hearth host token`";
        throw new CliError(`the server refuses this machine: ${end.reason}`, {
          code: "JOIN_REFUSED",
          remedy,
          exitCode: EXIT_REFUSED,
        });
      }
    });
}

function inputFrom(flags: AgentFlags, env: CliContext["env"]): HostAgentInput {
  const { join, data, name, zone, provider, memory, cpus, network, logLevel } = flags;
  if (join === undefined) throw usageError("the server is not named", "give --join HOST:PORT, or --config FILE");
  const token = flags.token ?? env["HEARTH_JOIN_TOKEN"];
  return {
    server: join,
    dataDir: resolve(data ?? env["HEARTH_HOST_DATA"] ?? DEFAULT_AGENT_DATA_DIR),
    network: network !== false,
    ...(token === undefined ? {} : { token }),
    ...(name === undefined ? {} : { name }),
    ...(zone === undefined ? {} : { zone }),
    ...(provider === undefined ? {} : { provider }),
    ...(memory === undefined ? {} : { memoryMiB: countIn(memory, "--memory", 1) }),
    ...(cpus === undefined ? {} : { cpuMilli: countIn(cpus, "--cpus", 1000) }),
    ...(logLevel === undefined ? {} : { logLevel }),
  };
}

/** As `src/protocol/host-agent-config.ts` has it; the verb checks it. */
function inputIn(path: string): HostAgentInput {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as HostAgentInput;
  } catch (error) {
    throw usageError(`${path}: ${(error as Error).message}`, "give a JSON file");
  }
}

function countIn(text: string, option: string, factor: number): number {
  const count = Math.round(Number(text) * factor);
  if (text.trim() !== "" && count > 0 && Number.isFinite(count)) return count;
  throw usageError(`${option} ${text} is no amount`, "give a number above 0");
}
