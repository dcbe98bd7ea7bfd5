import type { HostSummary, JoinInvitation } from "../../ports/remote-host.ts";
import type { CliCommand, ServerFlags } from "../cli-command.ts";
import { type CliContext, serverOf } from "../cli-context.ts";
import { CliError, usageError } from "../cli-error.ts";
import { duration } from "../duration.ts";

const HOSTS = "/_hearth/hosts";

type TokenFlags = ServerFlags & {
  readonly provider?: string;
  readonly name?: string;
  readonly zone?: string;
  readonly subPool?: string;
  readonly price?: string;
  readonly notice?: string;
  readonly expires?: string;
};

const HELP_AFTER = `
Examples:
  $ hearth host token                                        prints the command to run on the other machine
  $ hearth host token --zone rack1 --expires 10m
  $ hearth host token --sub-pool variable --price 0.02 --notice 2m
  $ hearth host list
  $ hearth host remove h-…                                   ends its instances; it cannot come back without a new token`;

export function addHostCommand(program: CliCommand, context: CliContext): void {
  const host = program.command("host").description("let other machines join, list and remove them");
  host.addHelpText("after", HELP_AFTER);
  addToken(host, context);
  addList(host, context);
  addRemove(host, context);
}

function addToken(host: CliCommand, context: CliContext): void {
  const { terminal } = context;
  host
    .serverCommand("token", "make a join token: it is good for one machine, once")
    .option("--provider <KIND>", "static: machines that you own (default)")
    .option("--name <NAME>", "the host's name (default: what the machine calls itself)")
    .option("--zone <ZONE>", "the host's zone (default: what the machine says, else `default`)")
    .option("--sub-pool <SUBPOOL>", "fixed or variable (default fixed)")
    .option("--price <USD>", "of the whole machine, per hour (default 0)")
    .option("--notice <DURATION>", "between the notice of a reclaim and the reclaim (default: none is foreseen)")
    .option("--expires <DURATION>", "how long the token is good for (default 1h)")
    .action(async (flags: TokenFlags) => {
      const { server, json, price, ...rest } = flags;
      const invitation = await serverOf(context, flags).json<JoinInvitation>({
        method: "POST",
        path: `${HOSTS}/tokens`,
        body: { ...rest, ...(price === undefined ? {} : { priceUsdPerHour: priceIn(price) }) },
      });
      if (json === true) return terminal.printJson(invitation);
      const [address, ...others] = invitation.addresses;
      if (address === undefined) throw new CliError("the server has no address that other machines reach");
      terminal.print(`hearth agent --join ${address} --token ${invitation.token}`);
      const leftMs = invitation.expiresMs - Date.now();
      terminal.note(`run it as root on the other machine within ${duration(leftMs)}; the token is not shown again`);
      if (others.length > 0) terminal.note(`the server is also at ${others.join(", ")}`);
    });
}

function priceIn(text: string): number {
  const price = Number(text);
  if (text.trim() !== "" && price >= 0 && Number.isFinite(price)) return price;
  throw usageError(`--price ${text} is no price`, "give USD per hour, like 0.02");
}

function addList(host: CliCommand, context: CliContext): void {
  const { terminal } = context;
  host.serverCommand("list", "list the hosts that joined").action(async (flags: ServerFlags) => {
    const { hosts } = await serverOf(context, flags).json<{ hosts: HostSummary[] }>({ method: "GET", path: HOSTS });
    if (flags.json) return terminal.printJson(hosts);
    if (hosts.length === 0) return terminal.note("no host has joined; `hearth host token` makes a token for one");
    const rows = hosts.map((each) => [
      each.hostId,
      each.name,
      each.zone,
      each.terms.provider,
      each.terms.subPool,
      each.isConnected ? "connected" : "cut off",
      each.cpuLoad === undefined ? "-" : `${Math.round(each.cpuLoad * 100)} %`,
      `${each.offered.memoryMiB} MiB`,
      each.instanceIds.length,
    ]);
    const header = ["HOST", "NAME", "ZONE", "PROVIDER", "SUB-POOL", "LINK", "CPU", "OFFERS", "INSTANCES"];
    terminal.printTable(header, rows);
  });
}

function addRemove(host: CliCommand, context: CliContext): void {
  const { terminal } = context;
  host
    .serverCommand("remove", "end a host's instances and never let it in again")
    .argument("HOST", "host id, as `hearth host list` shows it")
    .action(async (hostId: string, flags: ServerFlags) => {
      const path = `${HOSTS}/${encodeURIComponent(hostId)}`;
      const removed = await serverOf(context, flags).json<object>({ method: "DELETE", path });
      if (flags.json) return terminal.printJson(removed);
      terminal.print(`removed host ${hostId}`);
    });
}
