import type { PoolsSnapshot } from "../../model/snapshot.ts";
import type { CliCommand, ServerFlags } from "../cli-command.ts";
import { type CliContext, serverOf } from "../cli-context.ts";
import { poolsTree } from "../pools-tree.ts";

export function addPoolsCommand(program: CliCommand, context: CliContext): void {
  const { terminal } = context;
  program
    .command("pools")
    .description("show where every instance and container is")
    .serverOptions()
    .addHelpText("after", "\nExamples:\n  $ hearth pools\n  $ watch -n1 hearth pools")
    .action(async (flags: ServerFlags) => {
      const pools = await serverOf(context, flags).json<PoolsSnapshot>({ method: "GET", path: "/_hearth/pools" });
      if (flags.json) terminal.printJson(pools);
      else terminal.print(poolsTree(pools, (style, text) => terminal.style(style, text)));
    });
}
