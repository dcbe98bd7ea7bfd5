import { writeFile } from "node:fs/promises";
import type { SizingAnswer } from "../../ports/sizing-document.ts";
import type { SizedVersionView, SizingPage } from "../../ports/sizing-view.ts";
import type { CliCommand, ServerFlags } from "../cli-command.ts";
import { type CliContext, serverOf } from "../cli-context.ts";
import { CliError, usageError } from "../cli-error.ts";
import { readAll, type ServerClient } from "../server-client.ts";
import { EXPORT_FORMATS, type ExportFormat, exported } from "../sizing-export.ts";
import { isSizingSet, type SizingFlags, sizingChangedBy } from "../sizing-flags.ts";
import {
  DECISION_HEADER,
  decisionRow,
  SIZING_HEADER,
  savedSentence,
  settingsText,
  sizingRow,
  whyLines,
} from "../sizing-text.ts";
import { timeText } from "../time-text.ts";

type Flags = ServerFlags &
  SizingFlags & {
    readonly account?: string;
    readonly why?: boolean;
    readonly svg?: string;
    readonly export?: string;
    readonly stop?: boolean;
    readonly resume?: boolean;
  };

const SIZING = "/_hearth/sizing";
/** Changes that are listed; `--json` has all. */
const CHANGES_SHOWN = 5;
/** 500 functions a page; more than this many pages is a server gone wrong. */
const PAGES_MAX = 10_000;

const HELP_AFTER = `
Nobody has to choose a memory size: each function's is learned from its own executions. What it
requested stays what it is for Lambda's API.

  REQUESTED   what the function's settings state, MiB
  LIMIT       what the next container may use
  RESERVED    what an instance is packed by
  NEEDS       the limit that would be enough, as far as was learned
  SAVED       REQUESTED less RESERVED
  CONFIDENCE  how many executions were seen of those it takes to say anything; then how likely
              the next execution needs more than all before it, which is the most it can be

Settings (each value may be "default", which takes back what was said):
  --mode      auto: sizes are applied; suggest: they are only shown; off: as requested
  --limits    soft: containers may use what was requested, instances are packed by what was learned;
              hard: the limit itself is what was learned
  --policy    what CPU is chosen for: slo (the cheapest that is at most a tenth slower than
              requested, or within --slo-ms), cost, balanced, speed
  --cpu       ratio: CPU follows memory, as on Lambda; apart: each is sized by itself
Without a NAME they are those of the account. What a function does not say, its account says.

Examples:
  $ hearth sizing
  $ hearth sizing resize --why                     how it came about, with the evidence
  $ hearth sizing resize --why --svg resize.svg    the same as a chart
  $ hearth sizing resize --mode suggest
  $ hearth sizing resize --policy slo --slo-ms 800 --max 2048
  $ hearth sizing --account 100000000001 --limits hard
  $ hearth sizing --export terraform > sizes.tf
  $ hearth sizing --stop                           everything as requested, at once

docs/sizing.md is the guide. \`hearth tune\` sweeps sizes with synthetic calls, for comparison.`;

export function addSizingCommand(program: CliCommand, context: CliContext): void {
  program
    .command("sizing")
    .description("show and set which memory and CPU functions get, and why")
    .argument("[NAME]", "one function")
    .accountOption("of that account (for the operator)")
    .option("--why", "the decisions with their evidence")
    .option("--svg <FILE>", "with --why: write it as a chart too; - is standard output")
    .option("--mode <MODE>", "auto, suggest or off")
    .option("--limits <KIND>", "soft or hard")
    .option("--policy <POLICY>", "cost, balanced, speed or slo")
    .option("--slo-ms <MS>", "the longest duration, for policy slo")
    .option("--cpu <HOW>", "ratio or apart")
    .option("--min <MIB>", "no less memory")
    .option("--max <MIB>", "a function that runs out of memory grows up to here; twice as requested at most")
    .option("--increment <MIB>", "sizes are multiples of it")
    .option("--cpu-min <MILLI>", "no less CPU, in thousandths of a vCPU; with --cpu apart")
    .option("--cpu-max <MILLI>", "no more CPU; with --cpu apart")
    .option("--executions <N>", "nothing is made smaller before so many")
    .option("--prices <USD,USD>", "of a vCPU-hour and a GiB-hour, which policies reckon with")
    .option("--export <FORMAT>", "what a template would need to state: terraform, sam or json")
    .option("--stop", "stop all sizing at once: everything gets what it requested (for the operator)")
    .option("--resume", "let it go on")
    .serverOptions()
    .addHelpText("after", HELP_AFTER)
    .action(async (name: string | undefined, flags: Flags) => {
      const server = serverOf(context, flags);
      check(name, flags);
      if (flags.stop || flags.resume) return stop(server, context, flags);
      if (flags.export !== undefined) return exportSizes(server, context, name, flags);
      if (isSizingSet(flags)) return set(server, context, name, flags);
      if (name !== undefined) return showOne(server, context, name, flags);
      return showAll(server, context, flags);
    });
}

/** @throws CliError for flags that make no sense together. */
function check(name: string | undefined, flags: Flags): void {
  const isChange = isSizingSet(flags);
  const { why, svg, stop: isStop, resume, export: format } = flags;
  if (isStop && resume) throw usageError("--stop and --resume contradict each other", "give one of them");
  if ((isStop || resume) && (name !== undefined || isChange)) {
    throw usageError("--stop and --resume are for everything", "for one function: `hearth sizing NAME --mode off`");
  }
  if (svg !== undefined && name === undefined)
    throw usageError("--svg needs a function", "name it: `hearth sizing NAME --why --svg FILE`");
  if (why && name === undefined) throw usageError("--why needs a function", "name it: `hearth sizing NAME --why`");
  if (isChange && (why || svg !== undefined || format !== undefined)) {
    throw usageError("settings are changed or shown, not both at once", "leave out --why, --svg and --export");
  }
  if (format !== undefined && !EXPORT_FORMATS.some((known) => known === format)) {
    throw usageError(`--export ${format} is unknown`, `give one of ${EXPORT_FORMATS.join(", ")}`);
  }
}

async function showAll(server: ServerClient, { terminal }: CliContext, flags: Flags): Promise<void> {
  const { isStopped, versions } = await listAll(server, flags.account);
  if (flags.json) return terminal.printJson({ isStopped, versions });
  if (isStopped)
    terminal.note("all sizing is stopped: everything gets what it requested; go on with `hearth sizing --resume`");
  if (versions.length === 0) return terminal.note("no functions yet; make one with `hearth deploy DIR`");
  terminal.printTable([...SIZING_HEADER], versions.map(sizingRow));
  terminal.note(savedSentence(versions));
}

async function listAll(server: ServerClient, account: string | undefined): Promise<SizingPage> {
  const versions: SizedVersionView[] = [];
  let after: string | undefined;
  for (let page = 0; page < PAGES_MAX; page++) {
    const query = new URLSearchParams({
      ...(account === undefined ? {} : { account }),
      ...(after === undefined ? {} : { after }),
    });
    const path = `${SIZING}${query.size > 0 ? `?${query}` : ""}`;
    const answer = await server.json<SizingPage>({ method: "GET", path });
    versions.push(...answer.versions);
    after = answer.next;
    if (after === undefined) return { isStopped: answer.isStopped, versions };
  }
  throw new CliError(`the list of functions does not end after ${PAGES_MAX} pages`);
}

async function showOne(server: ServerClient, context: CliContext, name: string, flags: Flags): Promise<void> {
  const { terminal } = context;
  const answer = await server.json<SizingAnswer>({ method: "GET", path: pathOf(name, flags.account) });
  if (flags.svg !== undefined) await writeChart(server, context, name, flags);
  if (flags.json) return terminal.printJson(answer);
  if (flags.svg === "-") return;
  for (const version of answer.versions ?? []) showVersion(version, answer, context, flags.why === true);
  showChanges(answer, context);
}

function showVersion(version: SizedVersionView, answer: SizingAnswer, { terminal }: CliContext, isWhy: boolean): void {
  for (const [label, text] of whyLines(version, answer)) {
    terminal.print(`${terminal.style("bold", label.padEnd(12))}${text}`);
  }
  if (!isWhy) return;
  terminal.print("");
  if (version.decisions.length === 0) return terminal.print("Nothing was decided yet.");
  terminal.printTable([...DECISION_HEADER], version.decisions.map(decisionRow));
}

function showChanges({ changes }: SizingAnswer, { terminal }: CliContext): void {
  for (const { changedMs, changedBy, before, after } of changes.slice(0, CHANGES_SHOWN)) {
    const what = `${JSON.stringify(before)} → ${JSON.stringify(after)}`;
    terminal.print(`${terminal.style("dim", "changed".padEnd(12))}${timeText(changedMs)} by ${changedBy}: ${what}`);
  }
}

async function writeChart(
  server: ServerClient,
  { terminal }: CliContext,
  name: string,
  { svg, account }: Flags,
): Promise<void> {
  const path = pathOf(name, account).replace(/(\?|$)/, "/chart.svg$1");
  const chart = await readAll(await server.open({ method: "GET", path }));
  if (svg === "-") return terminal.print(chart.toString().trimEnd());
  await writeFileNamed(svg ?? "", chart.toString());
  terminal.note(`wrote ${svg}`);
}

/** @throws CliError when it cannot be written. */
export async function writeFileNamed(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (error) {
    throw usageError(`--svg ${file}: ${(error as Error).message}`, "name a file that can be written");
  }
}

async function set(
  server: ServerClient,
  { terminal }: CliContext,
  name: string | undefined,
  flags: Flags,
): Promise<void> {
  const path = name === undefined ? accountPath(flags.account) : pathOf(name, flags.account);
  const { said } = await server.json<SizingAnswer>({ method: "GET", path });
  const answer = await server.json<SizingAnswer>({ method: "PUT", path, body: sizingChangedBy(flags, said) });
  if (flags.json) return terminal.printJson(answer);
  const { scope, settings, origins, versions } = answer;
  const whose = scope.kind === "function" ? scope.functionName : `account ${scope.accountId}`;
  terminal.print(`${whose}: ${settingsText(settings, origins)}`);
  for (const { nextStep } of versions ?? []) terminal.print(nextStep);
}

async function stop(server: ServerClient, { terminal }: CliContext, flags: Flags): Promise<void> {
  const body = { isStopped: flags.stop === true };
  const answer = await server.json<{ isStopped: boolean }>({ method: "PUT", path: `${SIZING}/stop`, body });
  if (flags.json) return terminal.printJson(answer);
  terminal.print(answer.isStopped ? "stopped: new containers get what was requested" : "sizing goes on");
}

async function exportSizes(
  server: ServerClient,
  { terminal }: CliContext,
  name: string | undefined,
  flags: Flags,
): Promise<void> {
  // Templates are an account's: names of several would collide.
  const { versions } = await listAll(server, flags.account ?? (await ownAccount(server)));
  const wanted = name === undefined ? versions : versions.filter(({ functionName }) => functionName === name);
  if (name !== undefined && wanted.length === 0) {
    throw new CliError(`there is no function ${name}`, { remedy: "`hearth list` shows them" });
  }
  terminal.print(exported(wanted, flags.export as ExportFormat));
}

async function ownAccount(server: ServerClient): Promise<string> {
  const { scope } = await server.json<SizingAnswer>({ method: "GET", path: accountPath(undefined) });
  return scope.accountId;
}

function pathOf(name: string, account: string | undefined): string {
  return `${SIZING}/functions/${encodeURIComponent(name)}${queryOf(account)}`;
}

function accountPath(account: string | undefined): string {
  return `${SIZING}/account${queryOf(account)}`;
}

function queryOf(account: string | undefined): string {
  return account === undefined ? "" : `?account=${encodeURIComponent(account)}`;
}
