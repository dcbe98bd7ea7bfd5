import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import root from "@opentelemetry/otlp-proto-exporter-base/build/src/generated/root.js";

/** A span as OpenTelemetry's own definition of the protocol reads it. */
export type ReceivedSpan = {
  readonly traceId: string;
  readonly spanId: string;
  /** W3C's list; empty: none. */
  readonly traceState: string;
  /** Empty: it is the first of its trace. */
  readonly parentSpanId: string;
  readonly name: string;
  /** `SPAN_KIND_SERVER` … */
  readonly kind: string;
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** 0 unset, 2 error. */
  readonly status: { readonly code: number; readonly message: string };
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly scope: string;
  /** Of the request that brought it. */
  readonly headers: IncomingMessage["headers"];
};

/** What protobufjs makes of a message: only the parts that are read here. */
type KeyValues = readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
type Decoded = {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: KeyValues };
    readonly scopeSpans: readonly {
      readonly scope: { readonly name: string };
      readonly spans: readonly {
        readonly traceId: string;
        readonly spanId: string;
        readonly traceState: string;
        readonly parentSpanId: string;
        readonly name: string;
        readonly kind: string;
        readonly startTimeUnixNano: string;
        readonly endTimeUnixNano: string;
        readonly attributes: KeyValues;
        readonly status: { readonly code: number; readonly message: string };
      }[];
    }[];
  }[];
};
type MessageType = { decode(bytes: Buffer): unknown; toObject(message: unknown, how: object): Decoded };

const definitions = root as unknown as {
  readonly opentelemetry: {
    readonly proto: {
      readonly collector: { readonly trace: { readonly v1: { ExportTraceServiceRequest: MessageType } } };
    };
  };
};
const { ExportTraceServiceRequest } = definitions.opentelemetry.proto.collector.trace.v1;
/** For `kind`; the definitions tell numbers. */
const KINDS = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];

/** Takes spans by OTLP over HTTP, and reads them by OpenTelemetry's own definition of the protocol. */
export class Collector {
  readonly spans: ReceivedSpan[] = [];
  #server: Server | undefined;
  #port = 0;
  #waiters: { readonly isThere: () => boolean; readonly go: () => void }[] = [];

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Again at the same address, if it was there before. */
  async start(): Promise<void> {
    const server = createServer((request, response) => {
      request.toArray().then(
        (chunks) => {
          const isTaken = request.method === "POST" && request.url === "/v1/traces";
          if (isTaken) this.#take(Buffer.concat(chunks), request.headers);
          response.writeHead(isTaken ? 200 : 404, { "content-type": "application/x-protobuf" }).end();
        },
        () => {},
      );
    });
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    server?.closeAllConnections();
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  }

  /** @returns the spans for which `wanted` holds, once there are `count` of them. @throws Error after `limitMs`. */
  async received(wanted: (span: ReceivedSpan) => boolean, count: number, limitMs = 10_000): Promise<ReceivedSpan[]> {
    const found = () => this.spans.filter(wanted);
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(
      () =>
        late.reject(
          new Error(`${found().length} of ${count} spans came; in all: ${this.spans.map(({ name }) => name)}`),
        ),
      limitMs,
    );
    try {
      const come = Promise.withResolvers<void>();
      this.#waiters.push({ isThere: () => found().length >= count, go: come.resolve });
      this.#wake();
      await Promise.race([come.promise, late.promise]);
    } finally {
      clearTimeout(timer);
    }
    return found();
  }

  #wake(): void {
    for (const waiter of this.#waiters) if (waiter.isThere()) waiter.go();
    this.#waiters = this.#waiters.filter(({ isThere }) => !isThere());
  }

  #take(body: Buffer, headers: IncomingMessage["headers"]): void {
    const bytes = headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
    const message = ExportTraceServiceRequest.decode(bytes);
    // Defaults as well: a parent that is missing is one that is empty.
    const how = { longs: String, bytes: Array, defaults: true, arrays: true };
    for (const { resource, scopeSpans } of ExportTraceServiceRequest.toObject(message, how).resourceSpans) {
      for (const { scope, spans } of scopeSpans) {
        for (const span of spans) {
          this.spans.push({
            traceId: hex(span.traceId),
            spanId: hex(span.spanId),
            traceState: span.traceState,
            parentSpanId: hex(span.parentSpanId),
            name: span.name,
            kind: KINDS[Number(span.kind)] ?? String(span.kind),
            startNs: BigInt(span.startTimeUnixNano),
            endNs: BigInt(span.endTimeUnixNano),
            status: { code: span.status?.code ?? 0, message: span.status?.message ?? "" },
            attributes: valuesOf(span.attributes),
            resource: valuesOf(resource.attributes),
            scope: scope.name,
            headers,
          });
        }
      }
    }
    this.#wake();
  }
}

function hex(bytes: unknown): string {
  return Buffer.from(bytes as number[]).toString("hex");
}

function valuesOf(pairs: KeyValues): Record<string, unknown> {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, plainValue(value)]));
}

/** One of its members is set. Whole numbers are told as text, and others in another member. */
function plainValue(value: Readonly<Record<string, unknown>>): unknown {
  if (value["intValue"] !== undefined && value["intValue"] !== null) return Number(value["intValue"]);
  for (const member of ["stringValue", "boolValue", "doubleValue"]) {
    if (value[member] !== undefined && value[member] !== null) return value[member];
  }
  return undefined;
}
