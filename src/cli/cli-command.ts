import { Command } from "commander";

/** Values of the options that `serverOptions` gives a command. */
export type ServerFlags = {
  readonly server?: string;
  readonly json?: boolean;
};

/** A command of `hearth`, as commander has them; the commands below it are such, too. */
export class CliCommand extends Command {
  override createCommand(name?: string): CliCommand {
    return new CliCommand(name);
  }

  /** Makes a command below this one that talks to a server; its own options come after those of all. */
  serverCommand(name: string, description: string): CliCommand {
    return this.command(name).description(description).serverOptions();
  }

  /**
   * The options of every command that talks to a server, where they stand in its help.
   *
   * @param json what `--json` does.
   */
  serverOptions(json = "print JSON"): this {
    return this.option("--server <URL>", "address of the server (HEARTH_SERVER)").option("--json", json);
  }

  /** @param whose what it picks: an account that is not the caller's is the operator's to name. */
  accountOption(whose = "of one account (for the operator; others see their own)"): this {
    return this.option("--account <ID>", whose);
  }
}
