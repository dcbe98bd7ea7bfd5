import type { Command } from "commander";
import { type CliContext, type ServerFlags, serverOf } from "../cli-context.ts";
import { LambdaClient } from "../lambda-client.ts";

export function addRmCommand(program: Command, context: CliContext): void {
  const { terminal } = context;
  program
    .command("rm")
    .description("delete functions")
    .argument("NAME...", "function names")
    .option("--server <URL>", "address of the server (HEARTH_SERVER)")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExamples:\n  $ hearth rm hello\n  $ hearth rm hello resize")
    .action(async (names: readonly string[], flags: ServerFlags) => {
      const lambda = new LambdaClient(serverOf(context, flags));
      for (const name of names) {
        await lambda.remove(name);
        if (!flags.json) terminal.print(`deleted ${name}`);
      }
      if (flags.json) terminal.printJson({ deleted: names });
    });
}
