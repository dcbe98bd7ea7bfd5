import type { AccountId } from "./ids.ts";

/** Where a record of an event's outcome goes. */
export type Destination =
  | {
      readonly kind: "lambda";
      readonly region: string;
      readonly accountId: AccountId;
      readonly functionName: string;
      /** undefined: unqualified. */
      readonly qualifier: string | undefined;
    }
  | { readonly kind: "sqs"; readonly region: string; readonly accountId: string; readonly queueName: string }
  | { readonly kind: "sns"; readonly region: string; readonly topicArn: string }
  | { readonly kind: "eventBridge"; readonly region: string; readonly busArn: string }
  | { readonly kind: "s3"; readonly bucket: string }
  /** Hearth's own: a POST to a URL. */
  | { readonly kind: "webhook"; readonly url: string };

const ARN = /^arn:(?:aws[a-zA-Z0-9-]*):([a-zA-Z0-9-]+):([a-z0-9-]*):(\d{12})?:(.+)$/;
const FUNCTION = /^function:([a-zA-Z0-9-_]{1,64})(?::(\$LATEST|[a-zA-Z0-9-_]+))?$/;

/** Reads an ARN as Lambda takes it for a destination, or a URL; undefined: it is no place that Hearth delivers to. */
export function parseDestination(text: string): Destination | undefined {
  if (/^https?:\/\//.test(text)) return isUrl(text) ? { kind: "webhook", url: text } : undefined;
  const match = ARN.exec(text);
  if (match === null) return undefined;
  const [, service, region = "", accountId = "", resource = ""] = match;
  switch (service) {
    case "lambda": {
      const [, functionName, qualifier] = FUNCTION.exec(resource) ?? [];
      if (functionName === undefined || accountId === "") return undefined;
      return { kind: "lambda", region, accountId: accountId as AccountId, functionName, qualifier };
    }
    case "sqs":
      return /^[\w-]+(\.fifo)?$/.test(resource) ? { kind: "sqs", region, accountId, queueName: resource } : undefined;
    case "sns":
      return /^[\w-]+(\.fifo)?$/.test(resource) ? { kind: "sns", region, topicArn: text } : undefined;
    case "events":
      return resource.startsWith("event-bus/") ? { kind: "eventBridge", region, busArn: text } : undefined;
    case "s3":
      return /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(resource) ? { kind: "s3", bucket: resource } : undefined;
    default:
      return undefined;
  }
}

/** No name, password or fragment: they have no meaning there, or should not be shown. */
function isUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && url.username === "" && url.password === "" && url.hash === "";
}
