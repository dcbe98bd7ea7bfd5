import type { ServerStatus } from "../../ports/admin.ts";
import type { CliCommand, ServerFlags } from "../cli-command.ts";
import { type CliContext, serverOf } from "../cli-context.ts";
import { duration } from "../duration.ts";

export function addStatusCommand(program: CliCommand, context: CliContext): void {
  const { terminal } = context;
  program
    .command("status")
    .description("show what the server is and holds")
    .serverOptions()
    .addHelpText("after", "\nExamples:\n  $ hearth status\n  $ hearth status --json | jq .counts")
    .action(async (flags: ServerFlags) => {
      const status = await serverOf(context, flags).json<ServerStatus>({ method: "GET", path: "/_hearth/status" });
      if (flags.json) return terminal.printJson(status);
      for (const [name, value] of linesOf(status)) terminal.print(`${terminal.style("bold", name.padEnd(12))}${value}`);
    });
}

function linesOf(status: ServerStatus): [string, string][] {
  const { counts, offers } = status;
  return [
    ["server", `${status.address}  Hearth ${status.version}, up ${duration(status.uptimeMs)}`],
    ["isolation", `${status.provider}: ${status.isolation}`],
    ...Object.entries(status.pythons).map(([runtime, is]): [string, string] => [runtime, is]),
    ...offers.map(({ id, capacity, subPool }): [string, string] => [
      "offer",
      `${id}: ${subPool}, ${capacity === undefined ? "no bound" : `${capacity.memoryMiB} MiB, ${capacity.cpuMilli / 1000} vCPU`}`,
    ]),
    ["data", status.dataDir],
    ["region", status.region],
    ["functions", `${counts.functions} of ${counts.accounts} account${counts.accounts === 1 ? "" : "s"}`],
    ["pools", `${counts.instances} instances, ${counts.containers} containers`],
    [
      "invocations",
      `${counts.runningInvocations} running, ${counts.waitingInvocations} waiting, ${counts.queuedEvents} queued`,
    ],
    ...Object.entries(status.limits).map(([name, limit]): [string, string] => ["limit", `${name} ${limit}`]),
  ];
}
