import type { CliCommand } from "../cli-command.ts";
import type { CliContext } from "../cli-context.ts";
import { usageError } from "../cli-error.ts";

type SimulateFlags = {
  readonly seed?: string;
  readonly worlds?: string;
  readonly trace?: boolean;
  readonly json?: boolean;
};

const HELP_AFTER = `
Drives the server's own control core through worlds drawn from seeds, and looks for a broken
invariant after each event. Each seed runs twice; the two runs must agree.

Examples:
  $ hearth simulate --worlds 300                  300 worlds
  $ hearth simulate --seed 7 --trace              one world again, with every event and command`;

export function addSimulateCommand(program: CliCommand, context: CliContext): void {
  program
    .command("simulate")
    .description("run the control core through made-up worlds")
    .option("--seed <N>", "the world to run, or the first of --worlds")
    .option("--worlds <K>", "how many worlds to run")
    .option("--trace", "print every event and command")
    .option("--json", "print JSON")
    .addHelpText("after", HELP_AFTER)
    .action(async (flags: SimulateFlags) => {
      context.exitCode = await context.verbs.simulate([
        ...numberArgument("--seed", flags.seed, 0),
        ...numberArgument("--worlds", flags.worlds, 1),
        ...(flags.trace ? ["--trace"] : []),
        ...(flags.json ? ["--json"] : []),
      ]);
    });
}

function numberArgument(option: string, text: string | undefined, min: number): string[] {
  if (text === undefined) return [];
  if (!/^\d{1,15}$/.test(text)) throw usageError(`${option} ${text} is not a number`, "give a whole number");
  if (Number(text) >= min) return [option, text];
  throw usageError(`${option} ${text} is too small`, `give a whole number, at least ${min}`);
}
