import { z } from "zod";
import type { OfferId } from "../../model/ids.ts";
import type { OfferView } from "../../ports/offer-view.ts";
import type { AdminRequest } from "./admin-request.ts";
import { type AddRoute, forOperatorOnly } from "./admitted.ts";
import { sendError, sendJson } from "./answer.ts";

const PRICE_USD_MAX = 1_000_000;

const priceSchema = z.strictObject({
  offerId: z.string({ error: "must be the id of an offer" }),
  usdPerHour: z
    .number({ error: "must be a number of USD per hour, or null for the provider's own price" })
    .min(0, "must not be negative")
    .max(PRICE_USD_MAX, `must be at most ${PRICE_USD_MAX}`)
    .nullable(),
});

/** Registers what an operator sees of the offers, and the prices that only the operator knows. */
export function addOfferRoutes({ addRoute, view }: { addRoute: AddRoute; view: OfferView }): void {
  addRoute("GET", "/_hearth/offers", (request) =>
    forOperatorOnly(request, ({ res }) => sendJson(res, 200, { offers: view.offers() })),
  );
  addRoute("PUT", "/_hearth/offers/price", (request) => forOperatorOnly(request, () => setPrice(view, request)));
}

async function setPrice(view: OfferView, { res, body }: AdminRequest): Promise<void> {
  const parsed = priceSchema.safeParse(jsonIn(body));
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "the body"}: ${message}`);
    return sendError(res, 400, "InvalidParameterValueException", `${faults.join("; ")}.`);
  }
  const { offerId, usdPerHour } = parsed.data;
  if (await view.setPrice(offerId as OfferId, usdPerHour ?? undefined)) {
    return sendJson(res, 200, { offer: view.offers().find(({ id }) => id === offerId) });
  }
  sendError(
    res,
    404,
    "ResourceNotFoundException",
    `There is no offer ${offerId.slice(0, 100)}; \`hearth offers\` lists them.`,
  );
}

function jsonIn(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}
