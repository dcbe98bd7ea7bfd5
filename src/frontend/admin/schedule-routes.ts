import type { Schedules } from "../../ports/schedule.ts";
import type { AdminRequest } from "./admin-request.ts";
import { type AddRoute, answering } from "./admitted.ts";
import { sendError, sendJson } from "./answer.ts";
import { jsonIn } from "./json-body.ts";
import { parseSchedule } from "./schedule-input.ts";

const NAME = /^[A-Za-z0-9._-]{1,64}$/;

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
  const json = jsonIn(body);
  if (json === undefined) {
    return refuse('The body is not JSON. Write it like {"expression": "rate(5 minutes)", "functionName": "poll"}.');
  }
  const parsed = parseSchedule(json.value);
  if (parsed.kind === "refused") return refuse(parsed.message);
  const made = await schedules.put(principal.accountId, name, parsed.settings);
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
