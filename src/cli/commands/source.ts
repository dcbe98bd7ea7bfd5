import { InvalidArgumentError } from "commander";
import type { DeadRow, TableCounts, TableSourceDescription } from "../../ports/table-source.ts";
import type { CliCommand, ServerFlags } from "../cli-command.ts";
import { type CliContext, serverOf } from "../cli-context.ts";

const SOURCES = "/_hearth/sources";
const TEXT_LENGTH_MAX = 100;

type CreateFlags = ServerFlags & {
  readonly url: string;
  readonly table: string;
  readonly function: string;
  readonly qualifier?: string;
  readonly batchSize?: number;
  readonly concurrency?: number;
  readonly attempts?: number;
  readonly reportFailures?: boolean;
};
type Look = TableSourceDescription & { readonly rows: TableCounts; readonly deadRows: readonly DeadRow[] };

const HELP_AFTER = `
Examples:
  $ hearth source create jobs --url postgres://hearth:secret@127.0.0.1/app --table jobs --function work
  $ psql app -c "INSERT INTO jobs (body) VALUES ('{\\"n\\": 1}')"
  $ hearth source list
  $ hearth source show jobs                 how many rows wait, run and are dead, and why the latest died
  $ hearth source retry jobs                let all dead rows begin anew; with ids, only those
  $ hearth source pause jobs
  $ hearth source resume jobs
  $ hearth source delete jobs               the table stays as it is

A row is a message: its column body is JSON. Who puts one in wakes the function by NOTIFY; the function gets it as it would
get a message of SQS, {"Records":[{"messageId":"1","body":"{\\"n\\": 1}",…}]}. A row that was done is deleted. One that
failed is run again after 1 s, doubling up to 1 h, and is dead when its attempts are used up: it stays in the table.
Rows are run at least once: again, if the server or its database ends before it is written down that they were done.`;

export function addSourceCommand(program: CliCommand, context: CliContext): void {
  const source = program.command("source").description("run functions with the rows of a table of PostgreSQL");
  source.addHelpText("after", HELP_AFTER);
  addCreate(source, context);
  addList(source, context);
  addShow(source, context);
  addChanges(source, context);
}

function addCreate(source: CliCommand, context: CliContext): void {
  const { terminal } = context;
  source
    .serverCommand("create", "make a source, or replace the one of that name; makes the table if there is none")
    .argument("NAME", "its name")
    .requiredOption("--url <URL>", "postgres://USER:PASSWORD@HOST:PORT/DATABASE, as the server reaches it")
    .requiredOption("--table <TABLE>", "its table, or SCHEMA.TABLE")
    .requiredOption("--function <NAME>", "the function that is invoked")
    .option("--qualifier <QUALIFIER>", "its version or alias")
    .option("--batch-size <N>", "rows of one invocation at most (default: 10)", wholeNumber)
    .option("--concurrency <N>", "invocations at a time (default: 5)", wholeNumber)
    .option("--attempts <N>", "after which a row is dead (default: 5)", wholeNumber)
    .option("--report-failures", "the function answers batchItemFailures, as for SQS")
    .action(async (name: string, flags: CreateFlags) => {
      const { url, table, function: functionName, qualifier, batchSize, concurrency, attempts } = flags;
      const limits = { batchSize, concurrencyMax: concurrency, attemptsMax: attempts };
      const made = await serverOf(context, flags).json<TableSourceDescription & { isTableNew: boolean }>({
        method: "PUT",
        path: pathOf(name),
        body: { url, table, functionName, qualifier, ...limits, reportsItemFailures: flags.reportFailures },
      });
      if (flags.json) return terminal.printJson(made);
      terminal.print(`${name} runs ${made.functionName} with the rows of ${made.schema}.${made.table}`);
      if (made.isTableNew) terminal.note("the table was made: there was none");
    });
}

function addList(source: CliCommand, context: CliContext): void {
  const { terminal } = context;
  source.serverCommand("list", "list the sources").action(async (flags: ServerFlags) => {
    const request = { method: "GET", path: SOURCES } as const;
    const { sources } = await serverOf(context, flags).json<{ sources: TableSourceDescription[] }>(request);
    if (flags.json) return terminal.printJson(sources);
    if (sources.length === 0) return terminal.note("there is no source; `hearth source create` makes one");
    const rows = sources.map((each) => [
      each.name,
      `${each.schema}.${each.table}`,
      each.qualifier === undefined ? each.functionName : `${each.functionName}:${each.qualifier}`,
      each.isPaused ? "paused" : (each.lastResult ?? "nothing yet"),
      each.url,
    ]);
    terminal.printTable(["NAME", "TABLE", "FUNCTION", "LAST RESULT", "DATABASE"], rows);
  });
}

function addShow(source: CliCommand, context: CliContext): void {
  const { terminal } = context;
  source
    .serverCommand("show", "show how many rows are in which state, and those that are dead")
    .argument("NAME", "its name")
    .option("--dead <N>", "dead rows that are shown, the latest first (default: 20)", wholeNumber)
    .action(async (name: string, flags: ServerFlags & { readonly dead?: number }) => {
      const query = flags.dead === undefined ? "" : `?dead=${flags.dead}`;
      const look = await serverOf(context, flags).json<Look>({ method: "GET", path: `${pathOf(name)}${query}` });
      if (flags.json) return terminal.printJson(look);
      const { waiting, delayed, running, dead } = look.rows;
      terminal.print(`${waiting} waiting, ${delayed} delayed, ${running} running, ${dead} dead`);
      if (look.deadRows.length === 0) return;
      const rows = look.deadRows.map((row) => [
        row.id,
        String(row.attempts),
        new Date(row.deadMs).toISOString(),
        short(row.body),
        short(row.lastError),
      ]);
      terminal.printTable(["ID", "ATTEMPTS", "DEAD SINCE", "BODY", "WHY"], rows);
    });
}

function addChanges(source: CliCommand, context: CliContext): void {
  const { terminal } = context;
  source
    .serverCommand("retry", "let dead rows begin anew")
    .argument("NAME", "its name")
    .argument("[IDS...]", "the rows (default: all that are dead)")
    .action(async (name: string, ids: string[], flags: ServerFlags) => {
      const body = ids.length === 0 ? {} : { ids };
      const request = { method: "POST", path: `${pathOf(name)}/revive`, body } as const;
      const { revived } = await serverOf(context, flags).json<{ revived: number }>(request);
      if (flags.json) return terminal.printJson({ revived });
      terminal.print(`${revived} begin anew`);
    });
  for (const verb of ["pause", "resume"] as const) {
    source
      .serverCommand(verb, verb === "pause" ? "take no more rows; what runs goes on" : "take rows again")
      .argument("NAME", "its name")
      .action(async (name: string, flags: ServerFlags) => {
        const request = { method: "POST", path: `${pathOf(name)}/${verb}` } as const;
        const changed = await serverOf(context, flags).json<TableSourceDescription>(request);
        if (flags.json) return terminal.printJson(changed);
        terminal.print(`${name} ${changed.isPaused ? "is paused" : "takes rows"}`);
      });
  }
  source
    .serverCommand("delete", "remove a source; its table stays")
    .alias("rm")
    .argument("NAME", "its name")
    .action(async (name: string, flags: ServerFlags) => {
      const removed = await serverOf(context, flags).json<object>({ method: "DELETE", path: pathOf(name) });
      if (flags.json) return terminal.printJson(removed);
      terminal.print(`deleted ${name}`);
    });
}

function pathOf(name: string): string {
  return `${SOURCES}/${encodeURIComponent(name)}`;
}

function short(text: string): string {
  return text.length > TEXT_LENGTH_MAX ? `${text.slice(0, TEXT_LENGTH_MAX)}…` : text;
}

function wholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It is a whole number.");
}
