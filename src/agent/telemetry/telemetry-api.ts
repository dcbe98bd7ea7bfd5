import type { IncomingMessage, ServerResponse } from "node:http";
import { reasonOf } from "../agent-log.ts";
import { refuse, refuseUnknown, reply } from "../api-answer.ts";
import { readSmallBody } from "../small-body.ts";
import { parseSubscription, type Subscription, type TelemetryApiName } from "./subscription.ts";
import type { Telemetry } from "./telemetry.ts";

/** What a subscription is put to; clients write it with or without a slash at the end. */
const PATHS: Readonly<Record<string, TelemetryApiName>> = {
  "/2022-07-01/telemetry": "telemetry",
  "/2022-07-01/telemetry/": "telemetry",
  "/2020-08-15/logs": "logs",
  "/2020-08-15/logs/": "logs",
};

/** @returns undefined for a path that is not one of a subscription. */
export function telemetryApiAt(url: string): TelemetryApiName | undefined {
  return Object.hasOwn(PATHS, url) ? PATHS[url] : undefined;
}

/** Takes a subscription of a registered extension. */
export function handleSubscription(
  telemetry: Telemetry,
  api: TelemetryApiName,
  extensionName: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (request.method !== "PUT") {
    request.resume();
    refuseUnknown(request, response);
    return;
  }
  readSmallBody(request, (body) => {
    const { title, prefix } = NAMES[api];
    if (!telemetry.isOpen) {
      refuse(response, 403, `${prefix}.SubscriptionClosed`, `${title} subscription is closed already`);
    } else if (telemetry.api !== undefined && telemetry.api !== api) {
      invalid(response, `extensions are subscribed to the ${NAMES[telemetry.api].title} already`);
    } else {
      const subscription = parsed(api, body);
      if (typeof subscription === "string") {
        invalid(response, subscription);
      } else {
        reply(response, 200, "OK");
        telemetry.subscribe(extensionName, subscription);
      }
    }
  });
}

const NAMES = {
  telemetry: { title: "Telemetry API", prefix: "Telemetry" },
  logs: { title: "Logs API", prefix: "Logs" },
} as const;

function invalid(response: ServerResponse, errorMessage: string): void {
  refuse(response, 400, "ValidationError", errorMessage);
}

/** @returns what is wrong with it, if something is. */
function parsed(api: TelemetryApiName, body: Buffer | undefined): Subscription | string {
  if (body === undefined) return "request too large";
  try {
    return parseSubscription(api, body);
  } catch (cause) {
    return reasonOf(cause);
  }
}
