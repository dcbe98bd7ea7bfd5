import type { CliCommand, ServerFlags } from "../cli-command.ts";
import { type CliContext, serverOf } from "../cli-context.ts";
import { LambdaClient } from "../lambda-client.ts";

export function addRmCommand(program: CliCommand, context: CliContext): void {
  const { terminal } = context;
  program
    .command("rm")
    .description("delete functions")
    .argument("NAME...", "function names")
    .serverOptions()
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
