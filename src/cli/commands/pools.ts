import type { Command } from "commander";
import type { PoolsSnapshot } from "../../model/snapshot.ts";
import { type CliContext, type ServerFlags, serverOf } from "../cli-context.ts";
import { poolsTree } from "../pools-tree.ts";

export function addPoolsCommand(program: Command, context: CliContext): void {
  const { terminal } = context;
  program
    .command("pools")
    .description("show where every instance and container is")
    .option("--server <URL>", "address of the server (HEARTH_SERVER)")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExamples:\n  $ hearth pools\n  $ watch -n1 hearth pools")
    .action(async (flags: ServerFlags) => {
      const pools = await serverOf(context, flags).json<PoolsSnapshot>({ method: "GET", path: "/_hearth/pools" });
      if (flags.json) terminal.printJson(pools);
      else terminal.print(poolsTree(pools, (style, text) => terminal.style(style, text)));
    });
}
