import type { WaitEntry } from "../../model/snapshot.ts";
import type { WaitsAnswer } from "../../ports/capacity-view.ts";
import type { CliCommand, ServerFlags } from "../cli-command.ts";
import { type CliContext, serverOf } from "../cli-context.ts";
import { duration } from "../duration.ts";

type WaitsFlags = ServerFlags & { readonly account?: string; readonly limit: string; readonly watch?: boolean };

const WATCH_MS = 1000;
/** Moves to the top and wipes what is below. */
const CLEAR_SCREEN = "\u001b[H\u001b[J";

const HELP_AFTER = `
Examples:
  $ hearth waits
  $ hearth waits --watch
  $ hearth waits --account 100000000001 --json | jq '.entries[].waitsFor'`;

export function addWaitsCommand(program: CliCommand, context: CliContext): void {
  program
    .command("waits")
    .description("show which invocations wait for capacity, and for what")
    .accountOption()
    .option("--limit <N>", "show the first N, up to 1000", "100")
    .option("--watch", "show it again every second, until Ctrl-C")
    .serverOptions()
    .addHelpText("after", HELP_AFTER)
    .action(async (flags: WaitsFlags) => {
      const server = serverOf(context, flags);
      const query = new URLSearchParams({ limit: flags.limit });
      if (flags.account !== undefined) query.set("account", flags.account);
      const ask = () => server.json<WaitsAnswer>({ method: "GET", path: `/_hearth/waits?${query}` });
      show(await ask(), flags, context);
      while (flags.watch) {
        await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
        show(await ask(), flags, context);
      }
    });
}

function show(answer: WaitsAnswer, flags: WaitsFlags, { terminal }: CliContext): void {
  if (flags.json) return flags.watch ? terminal.print(JSON.stringify(answer)) : terminal.printJson(answer);
  if (flags.watch && terminal.stdout.isTTY) terminal.stdout.write(CLEAR_SCREEN);
  const { nowMs, entries, hasMore } = answer;
  if (entries.length === 0 && !hasMore) return terminal.note("nothing waits");
  terminal.printTable(
    ["PLACE", "SINCE", "DUE IN", "MODE", "ACCOUNT", "FUNCTION", "REQUEST", "WAITS FOR"],
    entries.map((entry) => rowOf(entry, nowMs)),
  );
  if (hasMore) terminal.note("and more; --limit shows up to 1000");
}

function rowOf(entry: WaitEntry, nowMs: number): (string | number)[] {
  const { place, sinceMs, deadlineMs, mode, accountId, functionKey, invocationId, waitsFor } = entry;
  const dueIn = deadlineMs === undefined ? "-" : duration(deadlineMs - nowMs);
  const functionName = functionKey.split("/")[1] ?? functionKey;
  const causes = waitsFor.map(({ text }) => text).join("; ");
  return [place, duration(nowMs - sinceMs), dueIn, mode, accountId, functionName, invocationId, causes];
}
