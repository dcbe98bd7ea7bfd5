import type { CostSum, CostsAnswer } from "../../ports/capacity-view.ts";
import type { CliCommand, ServerFlags } from "../cli-command.ts";
import { type CliContext, serverOf } from "../cli-context.ts";
import { duration } from "../duration.ts";
import { usd } from "../usd.ts";

type CostsFlags = ServerFlags & {
  readonly account?: string;
  readonly from?: string;
  readonly to?: string;
  readonly byDay?: boolean;
};

const HELP_AFTER = `
A row without a function is what an account's instances cost; the rows of its functions are their
shares of it by memory and time. ON FIXED is what the same would have cost on fixed capacity alone.
docs/design/0012-costs.md defines every figure.

Examples:
  $ hearth costs
  $ hearth costs --account 100000000001 --by-day
  $ hearth costs --from 2026-11-01 --to 2026-11-30 --json | jq '.rows[0]'`;

export function addCostsCommand(program: CliCommand, context: CliContext): void {
  const { terminal } = context;
  program
    .command("costs")
    .description("show what capacity cost, by account, function and sub-pool")
    .accountOption()
    .option("--from <DAY>", "first day, such as 2026-11-01 (UTC); a week ago unless given")
    .option("--to <DAY>", "last day; today unless given")
    .option("--by-day", "a row for each day")
    .serverOptions()
    .addHelpText("after", HELP_AFTER)
    .action(async (flags: CostsFlags) => {
      const query = new URLSearchParams();
      for (const name of ["account", "from", "to"] as const) {
        const value = flags[name];
        if (value !== undefined) query.set(name, value);
      }
      if (flags.byDay) query.set("by", "day");
      const path = `/_hearth/costs${query.size > 0 ? `?${query}` : ""}`;
      const answer = await serverOf(context, flags).json<CostsAnswer>({ method: "GET", path });
      if (flags.json) terminal.printJson(answer);
      else show(answer, context, flags.byDay === true);
    });
}

function show(answer: CostsAnswer, { terminal }: CliContext, isByDay: boolean): void {
  const { from, to, rows, omittedRows, fixedUsdPerGiBHour } = answer;
  if (rows.length === 0) return terminal.note(`nothing cost anything from ${from} to ${to}`);
  const header = ["ACCOUNT", "FUNCTION", "POOL", "CALLS", "TIME", "USD", "ON FIXED"];
  terminal.printTable(
    isByDay ? ["DAY", ...header] : header,
    rows.map((row) => cellsOf(row, isByDay)),
  );
  if (omittedRows > 0) terminal.note(`and ${omittedRows} cheaper rows`);
  for (const line of totals(rows)) terminal.print(line);
  terminal.note(
    fixedUsdPerGiBHour === undefined
      ? "no fixed offer has a price, so ON FIXED is not known for variable capacity"
      : `fixed capacity costs ${usd(fixedUsdPerGiBHour)} USD per GiB-hour now`,
  );
}

function cellsOf(row: CostSum, isByDay: boolean): (string | number)[] {
  const { day = "", accountId = "nobody", functionName, subPool, invocations, fixedUsd } = row;
  const isInstances = functionName === undefined;
  const time = duration(isInstances ? row.heldMs : row.busyMs);
  const amount = usd(isInstances ? row.heldUsd : row.runUsd);
  const cells = [accountId, functionName ?? "(instances)", subPool, invocations, time, amount, usd(fixedUsd)];
  return isByDay ? [day, ...cells] : cells;
}

/** Instances only: what ran on them is a part of their price. */
function totals(rows: readonly CostSum[]): string[] {
  const instances = rows.filter(({ functionName }) => functionName === undefined);
  const sum = (of: (row: CostSum) => number, over: readonly CostSum[]) =>
    over.reduce((total, row) => total + of(row), 0);
  const heldUsd = sum((row) => row.heldUsd, instances);
  const runUsd = sum((row) => row.runUsd, rows);
  const fixedUsd = sum((row) => row.fixedUsd, instances);
  const saved = fixedUsd > 0 ? `, ${Math.round((1 - heldUsd / fixedUsd) * 100)} % less` : "";
  return [
    `instances cost ${usd(heldUsd)} USD, of which executions used ${usd(runUsd)} USD; ` +
      `the same on fixed capacity alone: ${usd(fixedUsd)} USD${saved}`,
  ];
}
