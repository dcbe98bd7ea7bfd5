import type { ScheduleDescription } from "../../ports/schedule.ts";
import type { CliCommand, ServerFlags } from "../cli-command.ts";
import { type CliContext, serverOf } from "../cli-context.ts";
import { usageError } from "../cli-error.ts";

const SCHEDULES = "/_hearth/schedules";

type CreateFlags = ServerFlags & {
  readonly function: string;
  readonly qualifier?: string;
  readonly input?: string;
  readonly timezone?: string;
  readonly onMissed?: string;
};

const HELP_AFTER = `
Examples:
  $ hearth schedule create nightly 'cron(0 3 * * ? *)' --function clean --timezone Europe/Berlin
  $ hearth schedule create poll 'rate(5 minutes)' --function poll --input '{"depth":2}' --on-missed skip
  $ hearth schedule create bell 'at(2026-12-24T18:00:00)' --function bell --timezone Europe/Berlin
  $ hearth schedule list
  $ hearth schedule pause nightly
  $ hearth schedule resume nightly
  $ hearth schedule delete nightly

Expressions are EventBridge's:
  rate(5 minutes)          every five minutes, counted from now; minute, hour and day, with an s where there are several
  cron(0 9 ? * MON-FRI *)  minutes hours day-of-month month day-of-week year; one of the two day fields is ?,
                           1 is Sunday, and L, W and # are known
  at(2026-12-24T18:00:00)  once

Each tick is an asynchronous invocation: it is retried, and wakes a function that has no container. The latest tick at
which no server ran is made up for when one runs again, unless --on-missed skip says otherwise.`;

export function addScheduleCommand(program: CliCommand, context: CliContext): void {
  const { terminal } = context;
  const schedule = program.command("schedule").description("invoke functions at times: rate(…), cron(…) and at(…)");
  schedule.addHelpText("after", HELP_AFTER);
  schedule
    .serverCommand("create", "make a schedule, or replace the one of that name")
    .argument("NAME", "its name")
    .argument("EXPRESSION", "when: rate(…), cron(…) or at(…), in quotes for the shell")
    .requiredOption("--function <NAME>", "the function that is invoked")
    .option("--qualifier <QUALIFIER>", "its version or alias")
    .option("--input <JSON>", "what it gets (default: EventBridge's scheduled event)")
    .option("--timezone <ZONE>", "of cron and at, such as Europe/Berlin (default: UTC)")
    .option("--on-missed <POLICY>", "ticks at which no server ran: latest (made up for; the default) or skip")
    .action(async (name: string, expression: string, flags: CreateFlags) => {
      const { function: functionName, qualifier, input, timezone, onMissed } = flags;
      const given = { qualifier, timezone, onMissed, input: input === undefined ? undefined : jsonIn(input) };
      const made = await serverOf(context, flags).json<ScheduleDescription>({
        method: "PUT",
        path: pathOf(name),
        body: { expression, functionName, ...given },
      });
      if (flags.json) return terminal.printJson(made);
      terminal.print(`${made.name} invokes ${made.functionName} next at ${timeOf(made.nextTickMs)}`);
    });
  schedule.serverCommand("list", "list the schedules").action(async (flags: ServerFlags) => {
    const request = { method: "GET", path: SCHEDULES } as const;
    const { schedules } = await serverOf(context, flags).json<{ schedules: ScheduleDescription[] }>(request);
    if (flags.json) return terminal.printJson(schedules);
    if (schedules.length === 0) return terminal.note("there is no schedule; `hearth schedule create` makes one");
    const rows = schedules.map((each) => [
      each.name,
      each.expression,
      each.timezone,
      each.qualifier === undefined ? each.functionName : `${each.functionName}:${each.qualifier}`,
      each.isPaused ? "paused" : timeOf(each.nextTickMs),
    ]);
    terminal.printTable(["NAME", "WHEN", "TIMEZONE", "FUNCTION", "NEXT"], rows);
  });
  for (const verb of ["pause", "resume"] as const) {
    const description = verb === "pause" ? "let ticks pass without a call" : "let it tick again";
    schedule
      .serverCommand(verb, description)
      .argument("NAME", "its name")
      .action(async (name: string, flags: ServerFlags) => {
        const request = { method: "POST", path: `${pathOf(name)}/${verb}` } as const;
        const changed = await serverOf(context, flags).json<ScheduleDescription>(request);
        if (flags.json) return terminal.printJson(changed);
        terminal.print(changed.isPaused ? `${name} is paused` : `${name} is next at ${timeOf(changed.nextTickMs)}`);
      });
  }
  schedule
    .serverCommand("delete", "remove a schedule")
    .alias("rm")
    .argument("NAME", "its name")
    .action(async (name: string, flags: ServerFlags) => {
      const removed = await serverOf(context, flags).json<object>({ method: "DELETE", path: pathOf(name) });
      if (flags.json) return terminal.printJson(removed);
      terminal.print(`deleted ${name}`);
    });
}

function pathOf(name: string): string {
  return `${SCHEDULES}/${encodeURIComponent(name)}`;
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw usageError("--input is no JSON", `give JSON such as '{"depth":2}'`);
  }
}

function timeOf(ms: number | undefined): string {
  return ms === undefined ? "never" : new Date(ms).toISOString();
}
