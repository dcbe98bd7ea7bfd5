import { TELEMETRY_STREAMS, type TelemetryRecord, type TelemetryStream } from "./telemetry-record.ts";

/** Which of Lambda's two interfaces was used: the newer one, or the Logs API that it replaced. */
export type TelemetryApiName = "telemetry" | "logs";

/** What an extension asks for. */
export type Subscription = {
  readonly api: TelemetryApiName;
  readonly schemaVersion: string;
  readonly streams: readonly TelemetryStream[];
  readonly destination: Destination;
  readonly buffering: Buffering;
};

/** Inside the container. HTTP takes lists of records, TCP a line for each. */
export type Destination =
  | { readonly protocol: "HTTP"; readonly port: number; readonly path: string; readonly method: "POST" | "PUT" }
  | { readonly protocol: "TCP"; readonly port: number };

/** A batch leaves when one of these is reached. */
export type Buffering = { readonly timeoutMs: number; readonly maxBytes: number; readonly maxItems: number };

/** Lambda's defaults and limits (Telemetry API reference). */
const BUFFERING = {
  timeoutMs: { usual: 1000, min: 25, max: 30_000 },
  maxBytes: { usual: 262_144, min: 262_144, max: 1_048_576 },
  maxItems: { usual: 10_000, min: 1000, max: 10_000 },
} as const;

/** Newest last. */
const SCHEMA_VERSIONS = {
  telemetry: ["2022-07-01", "2022-12-13", "2025-01-29"],
  logs: ["2020-08-15", "2021-03-18"],
} as const;
/** From here on a function's JSON log lines are objects and not texts. */
const STRUCTURED_SINCE = "2022-12-13";

/** Names by which an execution environment knows itself. */
const HOSTS: readonly string[] = ["sandbox.localdomain", "sandbox"];

/** @throws Error saying what is wrong with the request. */
export function parseSubscription(api: TelemetryApiName, body: Buffer): Subscription {
  const request = objectOf(JSON.parse(body.toString()), "request");
  const versions: readonly string[] = SCHEMA_VERSIONS[api];
  const schemaVersion = request["schemaVersion"] ?? (api === "logs" ? versions[0] : undefined);
  if (typeof schemaVersion !== "string" || !versions.includes(schemaVersion)) {
    throw new Error(`schemaVersion must be one of ${versions.join(", ")}`);
  }
  return {
    api,
    schemaVersion,
    streams: streamsOf(request["types"]),
    destination: destinationOf(objectOf(request["destination"], "destination")),
    buffering: bufferingOf(request["buffering"]),
  };
}

/** A record as this subscriber's schema has it. undefined: it has none of this kind. */
export function fitToSchema(subscription: Subscription, record: TelemetryRecord): TelemetryRecord | undefined {
  if (subscription.api === "logs") return legacyRecord(subscription.schemaVersion, record);
  if (LEGACY_ONLY.has(record.type)) return undefined;
  const isText = record.type !== "function" || typeof record.record === "string";
  if (isText || subscription.schemaVersion >= STRUCTURED_SINCE) return record;
  return { ...record, record: JSON.stringify(record.record) };
}

const LEGACY_ONLY: ReadonlySet<string> = new Set(["platform.end"]);
/** What the Logs API keeps of the records that it knows; the others it does not have. */
const LEGACY_MEMBERS: Readonly<Record<string, readonly string[]>> = {
  "platform.start": ["requestId", "version"],
  "platform.end": ["requestId"],
  "platform.report": ["requestId", "metrics"],
  "platform.extension": ["name", "state", "events", "errorType"],
  "platform.telemetrySubscription": ["name", "state", "types"],
  "platform.logsDropped": ["reason", "droppedRecords", "droppedBytes"],
  "platform.runtimeDone": ["requestId", "status"],
};

function legacyRecord(schemaVersion: string, { time, type, record }: TelemetryRecord): TelemetryRecord | undefined {
  if (type === "function" || type === "extension") {
    return { time, type, record: typeof record === "string" ? record : JSON.stringify(record) };
  }
  const members = LEGACY_MEMBERS[type];
  if (members === undefined || (type === "platform.runtimeDone" && schemaVersion === "2020-08-15")) return undefined;
  const known = Object.entries(record as object).filter(([name]) => members.includes(name));
  const legacyType = type === "platform.telemetrySubscription" ? "platform.logsSubscription" : type;
  return { time, type: legacyType, record: Object.fromEntries(known) };
}

type Members = Readonly<Record<string, unknown>>;

function objectOf(value: unknown, name: string): Members {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error(`${name} must be an object`);
  return value as Members;
}

function streamsOf(types: unknown): readonly TelemetryStream[] {
  const isList = Array.isArray(types) && types.length > 0;
  if (!isList || !types.every((type) => TELEMETRY_STREAMS.includes(type as TelemetryStream))) {
    throw new Error(`types must be a list of ${TELEMETRY_STREAMS.join(", ")}`);
  }
  return [...new Set(types as TelemetryStream[])];
}

function destinationOf(destination: Members): Destination {
  const { protocol, URI, port, method = "POST" } = destination as Record<string, unknown>;
  if (protocol === "TCP") return { protocol, port: portOf(port) };
  if (protocol !== "HTTP") throw new Error("destination.protocol must be HTTP or TCP");
  if (method !== "POST" && method !== "PUT") throw new Error("destination.method must be POST or PUT");
  const url = typeof URI === "string" && URL.canParse(URI) ? new URL(URI) : undefined;
  if (url?.protocol !== "http:" || !HOSTS.includes(url.hostname)) {
    throw new Error("destination.URI must be http://sandbox.localdomain:PORT, with a path if you like");
  }
  return { protocol, method, port: portOf(url.port === "" ? 80 : Number(url.port)), path: url.pathname + url.search };
}

function portOf(port: unknown): number {
  if (!Number.isInteger(port) || (port as number) < 1 || (port as number) > 65_535) {
    throw new Error("destination.port must be an integer from 1 to 65535");
  }
  return port as number;
}

function bufferingOf(value: unknown): Buffering {
  const buffering = value === undefined ? {} : objectOf(value, "buffering");
  const figure = (name: keyof Buffering) => {
    const { usual, min, max } = BUFFERING[name];
    const wanted = buffering[name] ?? usual;
    if (!Number.isInteger(wanted) || (wanted as number) < min || (wanted as number) > max) {
      throw new Error(`buffering.${name} must be an integer from ${min} to ${max}`);
    }
    return wanted as number;
  };
  return { timeoutMs: figure("timeoutMs"), maxBytes: figure("maxBytes"), maxItems: figure("maxItems") };
}
