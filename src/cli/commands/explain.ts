import type { AttemptExplanation, Explanation } from "../../model/explanation.ts";
import type { CliCommand, ServerFlags } from "../cli-command.ts";
import { type CliContext, serverOf } from "../cli-context.ts";
import { duration } from "../duration.ts";
import { timeText } from "../time-text.ts";
import { usd } from "../usd.ts";

type Executed = Extract<AttemptExplanation, { kind: "executed" }>;

const HELP_AFTER = `
The request id is in the answer's x-amzn-requestid header, in the function's log and in what
\`hearth invoke --async\` prints. The server remembers the latest 20,000 invocations since it started.

Examples:
  $ hearth explain 6f9619ff-8b86-d011-b42d-00cf4fc964ff
  $ hearth explain 6f9619ff-8b86-d011-b42d-00cf4fc964ff --json | jq '.attempts[].placement'`;

export function addExplainCommand(program: CliCommand, context: CliContext): void {
  const { terminal } = context;
  program
    .command("explain")
    .description("tell why an invocation ran where it ran, what it waited for and what it cost")
    .argument("REQUEST_ID", "of the invocation")
    .serverOptions()
    .addHelpText("after", HELP_AFTER)
    .action(async (id: string, flags: ServerFlags) => {
      const path = `/_hearth/explain/${encodeURIComponent(id)}`;
      const explanation = await serverOf(context, flags).json<Explanation>({ method: "GET", path });
      if (flags.json) return terminal.printJson(explanation);
      for (const [name, text] of linesOf(explanation))
        terminal.print(`${terminal.style("bold", name.padEnd(12))}${text}`);
    });
}

function linesOf(explanation: Explanation): [name: string, text: string][] {
  const { invocationId, functionName, version, accountId, mode, attempts, waiting } = explanation;
  return [
    ["invocation", invocationId],
    ["function", `${functionName}:${version}, account ${accountId}, ${mode}`],
    ...attempts.flatMap((attempt, i) => attemptLines(attempt, i + 1)),
    ...(waiting === undefined ? [] : waitingLines(waiting)),
  ];
}

function attemptLines(attempt: AttemptExplanation, number: number): [string, string][] {
  const name = `attempt ${number}`;
  if (attempt.kind === "refused")
    return [[name, `${timeText(attempt.atMs)}  refused, ${attempt.code}: ${attempt.says}`]];
  const { begunMs, start, instanceId, containerId, placement } = attempt;
  const { subPool, offerId, why, waitedMs, waitedFor } = placement;
  return [
    [name, `${timeText(begunMs)}  ${start} start, ${endText(attempt)}`],
    ["  where", `${subPool}, ${offerId}, instance ${instanceId}, container ${containerId}`],
    ["  why", why],
    ...sizeLines(attempt),
    ["  waited", waitedMs < 1 ? "not at all" : [duration(waitedMs), ...waitedFor.map(({ text }) => text)].join("; ")],
    ["  cost", costText(attempt)],
  ];
}

/** What the container got when it became the function's. */
function sizeLines({ grant }: Executed): [string, string][] {
  if (grant === undefined) return [];
  const { memoryMiB, reservedMiB, cpuMilli } = grant;
  const reserved = reservedMiB === memoryMiB ? "" : `, of which ${reservedMiB} MiB are reserved`;
  return [["  size", `${memoryMiB} MiB${reserved}, ${(cpuMilli / 1000).toFixed(2)} vCPU. ${grant.why}`]];
}

function endText({ end }: Executed): string {
  if (end === undefined) return "runs";
  if (end.kind === "cutOff") return `cut off at ${timeText(end.atMs)}, ${end.code}: ${end.says}`;
  return `${end.outcome} after ${end.wallMs < 10 ? `${end.wallMs.toFixed(1)} ms` : duration(end.wallMs)}`;
}

function costText({ placement, end }: Executed): string {
  const price = placement.priceUsdPerHour === undefined ? "price not known" : `at ${placement.priceUsdPerHour} USD/h`;
  if (end?.kind !== "finished" || end.costUsd === undefined) return price;
  const onFixed = end.fixedUsd === undefined ? "" : `; on fixed capacity ${usd(end.fixedUsd)} USD`;
  return `${usd(end.costUsd)} USD, ${price}${onFixed}`;
}

function waitingLines({ sinceMs, place, waitsFor }: NonNullable<Explanation["waiting"]>): [string, string][] {
  return [
    ["waits", `since ${timeText(sinceMs)}, at place ${place}`],
    ...waitsFor.map(({ text }): [string, string] => ["  for", text]),
  ];
}
