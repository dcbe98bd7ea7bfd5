import { z } from "zod";
import { parseDurationMs } from "../../model/duration.ts";
import { HearthError } from "../../model/error-code.ts";
import type { HostAdmin, HostTerms } from "../../ports/remote-host.ts";
import type { AdminRequest } from "./admin-request.ts";
import { type AddRoute, forOperatorOnly } from "./admitted.ts";
import { sendError, sendJson } from "./answer.ts";

const EXPIRES_MS_DEFAULT = 3_600_000;
const EXPIRES_MS_MAX = 30 * 86_400_000;
const NOTICE_MS_MAX = 30 * 86_400_000;

const name = z
  .string({ error: "must be text" })
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, "must be 1 to 63 letters, digits, dots, dashes or underscores");

function duration(msMin: number, msMax: number, example: string) {
  return z
    .string({ error: `must be a length of time such as ${example}` })
    .transform((text) => parseDurationMs(text))
    .refine((ms) => ms !== undefined && ms >= msMin && ms <= msMax, `must be a length of time such as ${example}`)
    .transform((ms) => ms as number);
}

/** What `hearth host token` asks for. */
const tokenRequestSchema = z.strictObject(
  {
    provider: z
      .literal("static", { error: "must be static: other providers make their machines themselves" })
      .optional(),
    name: name.optional(),
    zone: name.optional(),
    subPool: z.enum(["fixed", "variable"], { error: "must be fixed or variable" }).optional(),
    priceUsdPerHour: z
      .number({ error: "must be a number of USD per hour, of the whole machine" })
      .min(0)
      .max(1e6)
      .optional(),
    notice: duration(0, NOTICE_MS_MAX, "2m").optional(),
    expires: duration(1000, EXPIRES_MS_MAX, "1h, at most 30d").optional(),
  },
  { error: (issue) => (issue.code === "unrecognized_keys" ? `has no member ${issue.keys?.join(", ")}` : undefined) },
);

/**
 * Registers what an operator does with other machines: see the hosts, make join tokens, remove a host.
 * @param hosts undefined: this server takes no machines.
 */
export function addHostRoutes({ addRoute, hosts }: { addRoute: AddRoute; hosts: HostAdmin | undefined }): void {
  addRoute("GET", "/_hearth/hosts", (request) =>
    forOperatorOnly(request, ({ res }) => sendJson(res, 200, { hosts: hosts?.list() ?? [] })),
  );
  addRoute("POST", "/_hearth/hosts/tokens", (request) => forOperatorOnly(request, () => makeToken(hosts, request)));
  addRoute("DELETE", "/_hearth/hosts/:id", (request) => forOperatorOnly(request, () => remove(hosts, request)));
}

async function makeToken(hosts: HostAdmin | undefined, { res, body }: AdminRequest): Promise<void> {
  if (hosts === undefined) {
    const says =
      "This server takes no other machines: name the provider static, as in `hearth up --provider sandbox,static`.";
    return sendError(res, 409, "ResourceConflictException", says);
  }
  const parsed = tokenRequestSchema.safeParse(jsonIn(body));
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "the body"} ${message}`);
    return sendError(res, 400, "InvalidParameterValueException", `${faults.slice(0, 5).join("; ")}.`);
  }
  const { name, zone, subPool = "fixed", priceUsdPerHour = 0, notice, expires } = parsed.data;
  if (notice !== undefined && subPool === "fixed") {
    const says = "notice goes with subPool variable: what is fixed is never taken away.";
    return sendError(res, 400, "InvalidParameterValueException", says);
  }
  const terms: HostTerms = { provider: "static", name, zone, subPool, priceUsdPerHour, noticeMs: notice };
  try {
    sendJson(res, 201, await hosts.createToken(terms, expires ?? EXPIRES_MS_DEFAULT));
  } catch (error) {
    if (!(error instanceof HearthError)) throw error;
    sendError(res, 500, "ServiceException", error.message);
  }
}

async function remove(hosts: HostAdmin | undefined, { res, params }: AdminRequest): Promise<void> {
  const hostId = params["id"] ?? "";
  if ((await hosts?.remove(hostId)) === true) return sendJson(res, 200, { hostId });
  sendError(res, 404, "ResourceNotFoundException", `There is no host ${hostId}.`);
}

function jsonIn(body: Buffer): unknown {
  if (body.length === 0) return {};
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}
