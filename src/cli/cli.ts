import { CommanderError } from "commander";
import { HearthError } from "../model/error-code.ts";
import { CliCommand } from "./cli-command.ts";
import type { CliContext } from "./cli-context.ts";
import { CliError, EXIT_FAILED, EXIT_OK, EXIT_USAGE, usageError } from "./cli-error.ts";
import { addAccountCommand } from "./commands/account.ts";
import { addAgentCommand } from "./commands/agent.ts";
import { addCostsCommand } from "./commands/costs.ts";
import { addDeployCommand } from "./commands/deploy.ts";
import { addExplainCommand } from "./commands/explain.ts";
import { addHostCommand } from "./commands/host.ts";
import { addImageCommand } from "./commands/image.ts";
import { addInvokeCommand } from "./commands/invoke.ts";
import { addListCommand } from "./commands/list.ts";
import { addLogsCommand } from "./commands/logs.ts";
import { addOffersCommand } from "./commands/offers.ts";
import { addPoolsCommand } from "./commands/pools.ts";
import { addRmCommand } from "./commands/rm.ts";
import { addScheduleCommand } from "./commands/schedule.ts";
import { addSimulateCommand } from "./commands/simulate.ts";
import { addSizingCommand } from "./commands/sizing.ts";
import { addSourceCommand } from "./commands/source.ts";
import { addStatusCommand } from "./commands/status.ts";
import { addTuneCommand } from "./commands/tune.ts";
import { addUpCommand } from "./commands/up.ts";
import { addWaitsCommand } from "./commands/waits.ts";

const HELP_AFTER = `
Examples:
  $ hearth up                                     serve on http://127.0.0.1:9600, with the examples
  $ hearth deploy ./my-function                   create or update it from a folder
  $ hearth invoke my-function --payload '{"a":1}'
  $ hearth logs my-function --follow
  $ hearth pools                                  where every instance and container is

The server speaks AWS Lambda's API, so the AWS CLI and SDKs work as they are:
  $ aws lambda list-functions --endpoint-url http://127.0.0.1:9600

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the invoked function failed.`;

/**
 * Runs one command line.
 *
 * @param args without the program's own name.
 * @returns the exit code. Failures have been told to the user.
 */
export async function runCli(args: readonly string[], context: Omit<CliContext, "exitCode">): Promise<number> {
  const running: CliContext = { ...context, exitCode: EXIT_OK };
  const isJson = args.includes("--json");
  const program = programFor(running, isJson);
  try {
    await program.parseAsync(args, { from: "user" });
    return running.exitCode;
  } catch (error) {
    if (error instanceof CommanderError && (error.exitCode === 0 || !isJson)) {
      return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE; // commander has said it.
    }
    const failure = asCliError(error, context.env);
    context.terminal.fail(failure, isJson);
    return failure.exitCode;
  }
}

function programFor(context: CliContext, isJson: boolean): CliCommand {
  const { terminal } = context;
  const program = new CliCommand("hearth")
    .description("AWS Lambda's API and runtime interface on machines you own or rent.")
    .version(context.version, "-v, --version")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
      outputError: (text, write) => {
        if (!isJson) write(text);
      },
      getOutHasColors: () => terminal.stdout.isTTY === true && terminal.stdout.hasColors(),
      getErrHasColors: () => terminal.stderr.isTTY === true && terminal.stderr.hasColors(),
    })
    .showHelpAfterError(isJson ? false : "See `hearth --help`, or `hearth COMMAND --help` for examples.")
    .addHelpText("after", HELP_AFTER);
  const commands = [
    addUpCommand,
    addStatusCommand,
    addDeployCommand,
    addListCommand,
    addInvokeCommand,
    addLogsCommand,
    addRmCommand,
    addPoolsCommand,
    addOffersCommand,
    addWaitsCommand,
    addExplainCommand,
    addCostsCommand,
    addSizingCommand,
    addTuneCommand,
    addAccountCommand,
    addScheduleCommand,
    addSourceCommand,
    addHostCommand,
    addAgentCommand,
    addImageCommand,
    addSimulateCommand,
  ];
  for (const add of commands) add(program, context);
  return program;
}

function asCliError(error: unknown, env: CliContext["env"]): CliError {
  if (error instanceof CliError) return error;
  if (error instanceof CommanderError) return usageError(error.message.replace(/^error: /, ""), "see `hearth --help`");
  if (error instanceof HearthError) return new CliError(error.message, { code: error.code, cause: error });
  // Not foreseen: the stack is what a bug report needs.
  const { message, stack } = error as Error;
  return new CliError(env["HEARTH_DEBUG"] === undefined ? message : (stack ?? message), {
    code: "Unexpected",
    exitCode: EXIT_FAILED,
    remedy: "this is not foreseen; HEARTH_DEBUG=1 shows where it happened",
    cause: error,
  });
}
