import type { Offer } from "../../model/capacity.ts";
import type { CliCommand, ServerFlags } from "../cli-command.ts";
import { type CliContext, serverOf } from "../cli-context.ts";
import { usageError } from "../cli-error.ts";

const OFFERS = "/_hearth/offers";

const HELP_AFTER = `
An offer is one kind of instance on one kind of terms: provider/zone/type/terms.

Examples:
  $ hearth offers
  $ hearth offers price harvest/host/slice/spare 0.004     what one instance-hour of it costs you
  $ hearth offers price harvest/host/slice/spare default   the provider's own price again`;

export function addOffersCommand(program: CliCommand, context: CliContext): void {
  const { terminal } = context;
  const offers = program.command("offers").description("show what capacity can be had, and on which terms");
  offers
    .serverOptions()
    .addHelpText("after", HELP_AFTER)
    .action(async (flags: ServerFlags) => {
      const server = serverOf(context, flags);
      const answer = await server.json<{ offers: Offer[] }>({ method: "GET", path: OFFERS });
      if (flags.json) return terminal.printJson(answer.offers);
      if (answer.offers.length === 0) return terminal.note("nothing is offered");
      terminal.printTable(
        ["OFFER", "SUB-POOL", "USD/H", "DEMAND", "INSTANCE", "IN ALL", "NOW"],
        answer.offers.map(rowOf),
      );
    });
  offers
    .serverCommand("price", "say what an instance-hour of an offer costs")
    .argument("<OFFER>", "its id, as `hearth offers` shows it")
    .argument("<USD>", "USD per hour of one instance, or `default`")
    .action(async (offerId: string, price: string, _flags: ServerFlags, command: CliCommand) => {
      const flags = command.optsWithGlobals<ServerFlags>();
      const body = { offerId, usdPerHour: priceIn(price) };
      const answer = await serverOf(context, flags).json<{ offer: Offer }>({
        method: "PUT",
        path: `${OFFERS}/price`,
        body,
      });
      if (flags.json) return terminal.printJson(answer.offer);
      terminal.print(`${answer.offer.id} costs ${answer.offer.priceUsdPerHour} USD/h`);
    });
}

function priceIn(text: string): number | null {
  if (text === "default") return null;
  const price = Number(text);
  if (text.trim() !== "" && Number.isFinite(price) && price >= 0) return price;
  throw usageError(`${text} is no price`, "give a number of USD per hour, such as 0.004, or default");
}

function rowOf(offer: Offer): string[] {
  const { id, subPool, priceUsdPerHour, demandLevel, shape, capacity, isAvailable } = offer;
  return [
    id,
    subPool,
    String(priceUsdPerHour),
    demandLevel.toFixed(2),
    `${shape.memoryMiB} MiB, ${shape.cpuMilli / 1000} vCPU`,
    capacity === undefined ? "no bound known" : `${capacity.memoryMiB} MiB`,
    isAvailable ? "available" : "not to be had",
  ];
}
