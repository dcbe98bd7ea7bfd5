import type { IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import type { CliCommand, ServerFlags } from "../cli-command.ts";
import { type CliContext, serverOf } from "../cli-context.ts";
import { CliError } from "../cli-error.ts";
import { LambdaClient } from "../lambda-client.ts";

type LogsFlags = ServerFlags & { readonly follow?: boolean; readonly account?: string };

export function addLogsCommand(program: CliCommand, context: CliContext): void {
  const { terminal } = context;
  program
    .command("logs")
    .description("show what a function wrote, and its START, END and REPORT lines")
    .argument("NAME", "function name")
    .option("-f, --follow", "go on with what it writes from now on, until Ctrl-C")
    .accountOption("of another account's function (for the operator)")
    .serverOptions('print one object {"line": …} per line')
    .addHelpText("after", "\nExamples:\n  $ hearth logs hello\n  $ hearth logs hello --follow | grep REPORT")
    .action(async (name: string, flags: LogsFlags) => {
      const server = serverOf(context, flags);
      const query = new URLSearchParams();
      if (flags.follow) query.set("follow", "1");
      if (flags.account !== undefined) query.set("account", flags.account);
      const path = `/_hearth/logs/${encodeURIComponent(name)}${query.size > 0 ? `?${query}` : ""}`;
      const answer = await server.open({ method: "GET", path, isEndless: flags.follow === true });
      let lineCount = 0;
      for await (const line of linesOf(answer)) {
        lineCount++;
        terminal.print(flags.json ? JSON.stringify({ line }) : line);
      }
      if (flags.follow) terminal.note("the server ended the log");
      else if (lineCount === 0 && flags.account !== undefined)
        terminal.note(`no log of ${name} in account ${flags.account}`);
      else if (lineCount === 0) await explainSilence(new LambdaClient(server), name, context);
    });
}

/** @throws CliError when there is no such function. */
async function explainSilence(lambda: LambdaClient, name: string, { terminal }: CliContext): Promise<void> {
  if ((await lambda.find(name)) === undefined) {
    throw new CliError(`there is no function ${name}, and no log of one`, {
      remedy: "`hearth list` shows the functions",
    });
  }
  terminal.note(`${name} has written nothing yet`);
}

/** @throws CliError when the answer breaks off. */
async function* linesOf(answer: IncomingMessage): AsyncGenerator<string> {
  try {
    yield* createInterface({ input: answer, crlfDelay: Number.POSITIVE_INFINITY });
  } catch (error) {
    throw new CliError("the server broke off the log", {
      code: "Disconnected",
      remedy: "see whether it still runs with `hearth status`",
      cause: error,
    });
  }
}
