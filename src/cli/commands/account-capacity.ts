import { readFile } from "node:fs/promises";
import type { CapacityAnswer, CapacityDocument } from "../../ports/capacity-document.ts";
import { type CapacityFlags, changedBy, isAnythingSet } from "../capacity-flags.ts";
import { capacityLines, capacitySummary } from "../capacity-text.ts";
import type { CliCommand, ServerFlags } from "../cli-command.ts";
import { type CliContext, serverOf } from "../cli-context.ts";
import { usageError } from "../cli-error.ts";
import { timeText } from "../time-text.ts";

/** Changes that `account show` lists; `--json` has all. */
const CHANGES_SHOWN = 10;

type SetFlags = ServerFlags & CapacityFlags & { readonly file?: string };

const SET_HELP_AFTER = `
Classes:
  fixed       on fixed instances, at once (what an account has that nobody said anything about)
  variable    only on variable instances that satisfy all constraints; waits for one
  mixed       on variable instances that satisfy them while there are some, else on fixed ones at once
  dedicated   some fixed instances are its own before any request

Each option replaces what the account has of its kind and leaves the rest; "none" takes it away.
All constraints must hold at once. docs/capacity.md explains them.

Examples:
  $ hearth account set 100000000001 --class variable --max-price 0.03
  $ hearth account set 100000000001 --window "Europe/Berlin mon-fri 22:00-06:00"
  $ hearth account set 100000000001 --class mixed --zone eu-west-1a,eu-west-1b --min-lifetime 10m
  $ hearth account set 100000000001 --class variable --on-shortage fixed:5m
  $ hearth account set 100000000001 --max-price none
  $ hearth account set 100000000001 --class dedicated --dedicated 2
  $ hearth account set 100000000001 --file capacity.json`;

export function addAccountSet(account: CliCommand, context: CliContext): void {
  const several = (text: string, before: readonly string[] = []) => [...before, text];
  account
    .command("set")
    .description("say which capacity serves an account")
    .argument("ACCOUNT", "account id, twelve digits")
    .option("--class <CLASS>", "fixed, variable, mixed or dedicated")
    .option("--dedicated <N>", "instances of its own, for class dedicated")
    .option("--max-price <USD>", "of one instance-hour")
    .option("--window <WHEN>", 'local time, "ZONE [DAYS] FROM-TO"; may be given several times', several)
    .option("--max-demand <LEVEL>", "how busy the place may be, 0 to 1")
    .option("--min-lifetime <TIME>", "how long the instance is there for sure, such as 10m")
    .option("--provider <NAMES>", "any of these, with commas")
    .option("--type <NAMES>", "any of these instance types")
    .option("--zone <NAMES>", "any of these zones")
    .option("--on-shortage <WHAT>", "wait, fixed:TIME or fail:TIME; for class variable")
    .option("--file <FILE>", "replace all settings by this JSON document; - is standard input")
    .serverOptions()
    .addHelpText("after", SET_HELP_AFTER)
    .action(async (accountId: string, flags: SetFlags) => {
      const isSet = isAnythingSet(flags);
      if (isSet === (flags.file !== undefined)) {
        throw usageError(
          isSet ? "--file replaces everything, so no other setting goes with it" : "nothing to set",
          "see `hearth account set --help` for examples",
        );
      }
      const server = serverOf(context, flags);
      const path = pathOf(accountId);
      const document =
        flags.file === undefined
          ? changedBy(flags, (await server.json<CapacityAnswer>({ method: "GET", path })).capacity)
          : await readDocument(flags.file, context);
      const answer = await server.json<CapacityAnswer>({ method: "PUT", path, body: document });
      if (flags.json) context.terminal.printJson(answer);
      else show(answer, context, 1);
    });
}

export function addAccountShow(account: CliCommand, context: CliContext): void {
  account
    .command("show")
    .description("show which capacity serves an account, and who changed that when")
    .argument("ACCOUNT", "account id, twelve digits")
    .serverOptions()
    .addHelpText(
      "after",
      "\nExamples:\n  $ hearth account show 100000000001\n  $ hearth account show 100000000001 --json | jq .capacity > capacity.json",
    )
    .action(async (accountId: string, flags: ServerFlags) => {
      const path = pathOf(accountId);
      const answer = await serverOf(context, flags).json<CapacityAnswer>({ method: "GET", path });
      if (flags.json) context.terminal.printJson(answer);
      else show(answer, context, CHANGES_SHOWN);
    });
}

function pathOf(accountId: string): string {
  return `/_hearth/accounts/${encodeURIComponent(accountId)}/capacity`;
}

function show({ accountId, capacity, changes }: CapacityAnswer, { terminal }: CliContext, changesShown: number): void {
  const lines: [string, string][] = [["account", accountId], ...capacityLines(capacity)];
  for (const [name, text] of lines) terminal.print(`${terminal.style("bold", name.padEnd(13))}${text}`);
  for (const { changedMs, changedBy: who, before, after } of changes.slice(0, changesShown)) {
    const what = `${capacitySummary(before)} → ${capacitySummary(after)}`;
    terminal.print(`${terminal.style("dim", "changed".padEnd(13))}${timeText(changedMs)} by ${who}: ${what}`);
  }
}

/** @throws CliError when it cannot be read or is not JSON. */
async function readDocument(file: string, { stdin }: CliContext): Promise<CapacityDocument> {
  try {
    const bytes = file === "-" ? Buffer.concat(await stdin.toArray()) : await readFile(file);
    return JSON.parse(bytes.toString()) as CapacityDocument;
  } catch (error) {
    throw usageError(
      `--file ${file}: ${(error as Error).message}`,
      'name a file with JSON such as {"class": "variable", "constraints": [{"kind": "price", "usdPerHourMax": 0.03}]}',
    );
  }
}
