import type { CliCommand, ServerFlags } from "../cli-command.ts";
import { type CliContext, serverOf } from "../cli-context.ts";
import { LambdaClient } from "../lambda-client.ts";

export function addListCommand(program: CliCommand, context: CliContext): void {
  const { terminal } = context;
  program
    .command("list")
    .alias("ls")
    .description("list the functions")
    .serverOptions()
    .addHelpText("after", "\nExamples:\n  $ hearth list\n  $ hearth list --json | jq -r '.[].FunctionName'")
    .action(async (flags: ServerFlags) => {
      const functions = await new LambdaClient(serverOf(context, flags)).list();
      if (flags.json) return terminal.printJson(functions);
      if (functions.length === 0) return terminal.note("no functions yet: `hearth deploy DIR` makes one");
      terminal.printTable(
        ["NAME", "RUNTIME", "HANDLER", "MIB", "SECONDS", "CODE BYTES", "MODIFIED"],
        functions.map((f) => [
          f.FunctionName,
          f.Runtime,
          f.Handler,
          f.MemorySize,
          f.Timeout,
          f.CodeSize,
          f.LastModified,
        ]),
      );
    });
}
