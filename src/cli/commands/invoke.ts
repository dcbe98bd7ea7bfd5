import type { CliCommand, ServerFlags } from "../cli-command.ts";
import { type CliContext, serverOf } from "../cli-context.ts";
import { EXIT_FUNCTION_ERROR } from "../cli-error.ts";
import { type InvocationAnswer, invokeFunction, readPayload } from "../invocation.ts";

type InvokeFlags = ServerFlags & {
  readonly payload: string;
  readonly async?: boolean;
  readonly log?: boolean;
  readonly deadline?: string;
};

const HELP_AFTER = `
The function's answer goes to standard output as it is. If the function failed, its error object
goes there and the exit code is 3.

Examples:
  $ hearth invoke hello --payload '{"name":"Ada"}'
  $ hearth invoke resize --payload @event.json --log
  $ jq '.detail' event.json | hearth invoke hello --payload -
  $ hearth invoke report --async
  $ hearth invoke report --async --deadline +8h   when capacity is cheap, within 8 hours`;

export function addInvokeCommand(program: CliCommand, context: CliContext): void {
  program
    .command("invoke")
    .description("call a function")
    .argument("NAME", "function name or ARN")
    .option("-p, --payload <JSON>", "the event: JSON, @FILE, or - for standard input", "{}")
    .option("--async", "hand it to the queue and do not wait")
    .option("--deadline <WHEN>", "not time-sensitive: done by then is soon enough, such as +2h or 2026-11-22T06:00:00Z")
    .option("--log", "show the end of the execution's log on standard error")
    .serverOptions("print the answer with its status, version and log as JSON")
    .addHelpText("after", HELP_AFTER)
    .action(async (name: string, flags: InvokeFlags) => {
      const payload = await readPayload(flags.payload, context.stdin);
      const isAsync = flags.async === true;
      const withLog = flags.log === true && !isAsync;
      const answer = await invokeFunction(serverOf(context, flags), name, payload, {
        isAsync,
        withLog,
        deadline: flags.deadline,
      });
      if (answer.functionError !== undefined) context.exitCode = EXIT_FUNCTION_ERROR;
      if (flags.json) context.terminal.printJson({ ...answer, payload: parsed(answer.payload) });
      else show(answer, context, isAsync);
    });
}

function show(answer: InvocationAnswer, { terminal }: CliContext, isAsync: boolean): void {
  if (answer.log !== undefined) terminal.note(answer.log.trimEnd());
  if (isAsync) terminal.note(`queued ${answer.requestId}`);
  else terminal.print(answer.payload.toString());
  if (answer.functionError !== undefined) terminal.note(terminal.style("red", "the function failed"));
}

/** A function may answer what is not JSON (a custom runtime does as it likes). */
function parsed(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString());
  } catch {
    return payload.toString();
  }
}
