import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import {
  defaultResource,
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from "@opentelemetry/resources";
import type { Clock } from "../ports/clock.ts";
import type { InvocationTracer } from "../ports/invocation-tracer.ts";
import type { Log } from "../ports/log.ts";
import { type SamplerName, samplingOf } from "./sampling.ts";
import { SpanQueue, type SpanQueueBounds } from "./span-queue.ts";
import { SpanTracer } from "./span-tracer.ts";

export type OtlpTracerOptions = {
  /** Where spans are sent by OTLP over HTTP, as protobuf: `http://127.0.0.1:4318/v1/traces`. */
  readonly url: string;
  readonly sampler: { readonly name: SamplerName; readonly ratio: number };
  readonly version: string;
  readonly region: string;
  readonly clock: Clock;
  readonly log: Log;
};

const BOUNDS: SpanQueueBounds = { spansMax: 8192, batchSpansMax: 256, delayMs: 1000 };
/** Of one request, its repetitions included, unless OTEL_EXPORTER_OTLP_TIMEOUT says otherwise. A server that ends waits for one. */
const EXPORT_MS_MAX = 3000;
/** What a collector has not taken by then is lost when the server ends. */
const CLOSE_MS_MAX = 4000;

/**
 * Records invocations and sends them to a collector. Headers, certificates, compression and the resource's attributes are
 * what OpenTelemetry's own variables say (OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME …): its library reads them.
 */
export function openOtlpTracer(options: OtlpTracerOptions): InvocationTracer {
  const { url, sampler, version, region, clock, log } = options;
  const isTimeoutSaid = ["OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"].some(
    (name) => process.env[name],
  );
  const exporter = new OTLPTraceExporter({ url, ...(isTimeoutSaid ? {} : { timeoutMillis: EXPORT_MS_MAX }) });
  const queue = new SpanQueue(exporter, BOUNDS, log);
  const detected = detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] });
  const own = resourceFromAttributes({ "service.name": "hearth", "service.version": version });
  const resource = defaultResource().merge(own).merge(detected);
  const tracer = new SpanTracer({
    sampling: samplingOf(sampler.name, sampler.ratio),
    resource,
    version,
    region,
    clock,
    onSpan: (span) => queue.add(span),
  });
  return {
    begin: (start) => tracer.begin(start),
    counts: () => queue.counts(),
    close: () => within(queue.close(), CLOSE_MS_MAX),
  };
}

/** That nobody takes the last spans is in the log already. */
async function within(closing: Promise<void>, limitMs: number): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, limitMs);
  await Promise.race([closing.catch(() => {}), late.promise]);
  clearTimeout(timer);
}
