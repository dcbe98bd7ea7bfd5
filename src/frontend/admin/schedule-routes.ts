import { z } from "zod";
import type { Schedules } from "../../ports/schedule.ts";
import type { AdminRequest } from "./admin-request.ts";
import { type AddRoute, answering } from "./admitted.ts";
import { sendError, sendJson } from "./answer.ts";

const NAME = /^[A-Za-z0-9._-]{1,64}$/;
const INPUT_BYTES_MAX = 1_048_576;

const scheduleSchema = z.strictObject({
  expression: z.string().max(256),
  timezone: z.string().max(64).default("UTC"),
  functionName: z.string().regex(/^[a-zA-Z0-9-_]{1,64}$/, "must be a function's name"),
  qualifier: z
    .string()
    .regex(/^(\$LATEST|[a-zA-Z0-9-_]{1,128})$/, "must be a version or an alias")
    .optional(),
  /** Any JSON; absent: EventBridge's scheduled event. */
  input: z.unknown().optional(),
  onMissed: z.enum(["latest", "skip"], { error: "must be latest or skip" }).default("latest"),
});

/** Registers what an account does with its own schedules: make, show, pause, resume and remove them. */
export function addScheduleRoutes({ addRoute, schedules }: { addRoute: AddRoute; schedules: Schedules }): void {
  const path = "/_hearth/schedules";
  addRoute("GET", path, (request) =>
    answering(request, ({ res, principal }) => sendJson(res, 200, { schedules: schedules.list(principal.accountId) })),
  );
  addRoute("PUT", `${path}/:name`, (request) => answering(request, (own) => put(schedules, own)));
  addRoute("DELETE", `${path}/:name`, (request) => answering(request, (own) => remove(schedules, own)));
  for (const verb of ["pause", "resume"] as const) {
    addRoute("POST", `${path}/:name/${verb}`, (request) =>
      answering(request, (own) => pause(schedules, own, verb === "pause")),
    );
  }
}

async function put(schedules: Schedules, { res, params, body, principal }: AdminRequest): Promise<void> {
  const name = params["name"] ?? "";
  const refuse = (says: string) => sendError(res, 400, "InvalidParameterValueException", says);
  if (!NAME.test(name)) return refuse("A schedule's name has 1 to 64 letters, digits, dots, dashes or underscores.");
  const parsed = scheduleSchema.safeParse(jsonIn(body));
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "the body"}: ${message}`);
    return refuse(`${faults.slice(0, 5).join("; ")}.`);
  }
  const { input: value, ...rest } = parsed.data;
  const input = value === undefined ? undefined : JSON.stringify(value);
  if (input !== undefined && Buffer.byteLength(input) > INPUT_BYTES_MAX) {
    return refuse(`The input is larger than ${INPUT_BYTES_MAX} bytes.`);
  }
  const settings = { ...rest, qualifier: rest.qualifier, input };
  const made = await schedules.put(principal.accountId, name, settings);
  if (typeof made === "string") return refuse(`The schedule is not valid: ${made}.`);
  sendJson(res, 200, made);
}

async function remove(schedules: Schedules, { res, params, principal }: AdminRequest): Promise<void> {
  const name = params["name"] ?? "";
  if (await schedules.delete(principal.accountId, name)) return sendJson(res, 200, { name });
  missing(res, name);
}

async function pause(schedules: Schedules, request: AdminRequest, isPaused: boolean): Promise<void> {
  const { res, params, principal } = request;
  const name = params["name"] ?? "";
  const schedule = await schedules.pause(principal.accountId, name, isPaused);
  if (schedule === undefined) missing(res, name);
  else sendJson(res, 200, schedule);
}

function missing(res: AdminRequest["res"], name: string): void {
  sendError(res, 404, "ResourceNotFoundException", `There is no schedule ${name}.`);
}

function jsonIn(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}
