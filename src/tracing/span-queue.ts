import { ExportResultCode } from "@opentelemetry/core";
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter } from "@opentelemetry/sdk-trace";
import type { SpanCounts } from "../ports/invocation-tracer.ts";
import type { Log } from "../ports/log.ts";

/** The bounds of what is held for a collector. */
export type SpanQueueBounds = {
  /** Held or under way; what comes on top is dropped. */
  readonly spansMax: number;
  /** Of one request to the collector: putting it together holds up everything else for some microseconds a span. */
  readonly batchSpansMax: number;
  /** How long a span waits for others at most. */
  readonly delayMs: number;
};

/**
 * Spans on their way to a collector. Whoever adds one is never held up and never fails: while the collector is away, spans
 * are dropped and counted, and that is said once in the log, as is its return.
 */
export class SpanQueue {
  readonly #batches: BatchSpanProcessor;
  readonly #exporter: SpanExporter;
  readonly #spansMax: number;
  readonly #log: Log;
  #held = 0;
  #exported = 0;
  #overflowed = 0;
  #failed = 0;
  #isAway = false;

  constructor(exporter: SpanExporter, bounds: SpanQueueBounds, log: Log) {
    this.#exporter = exporter;
    this.#spansMax = bounds.spansMax;
    this.#log = log;
    this.#batches = new BatchSpanProcessor({
      exporter: {
        export: (spans, done) => this.#export(spans, done),
        shutdown: () => exporter.shutdown(),
      },
      maxQueueSize: bounds.spansMax,
      maxExportBatchSize: bounds.batchSpansMax,
      scheduledDelayMillis: bounds.delayMs,
    });
  }

  add(span: ReadableSpan): void {
    if (this.#held >= this.#spansMax) {
      this.#overflowed++;
      return;
    }
    this.#held++;
    this.#batches.onEnd(span);
  }

  counts(): SpanCounts {
    return { exported: this.#exported, overflowed: this.#overflowed, failed: this.#failed };
  }

  /** Hands over what is left. @throws what the last batches failed with. */
  close(): Promise<void> {
    return this.#batches.shutdown();
  }

  #export(spans: ReadableSpan[], done: Parameters<SpanExporter["export"]>[1]): void {
    this.#exporter.export(spans, (result) => {
      this.#held -= spans.length;
      if (result.code === ExportResultCode.SUCCESS) this.#taken(spans.length);
      else this.#lost(spans.length, result.error);
      done(result);
    });
  }

  #taken(count: number): void {
    this.#exported += count;
    if (this.#isAway) this.#log.info({}, "the collector of traces takes spans again");
    this.#isAway = false;
  }

  #lost(count: number, error: Error | undefined): void {
    this.#failed += count;
    if (!this.#isAway)
      this.#log.warn({ error }, "the collector of traces takes no spans: they are dropped until it does");
    this.#isAway = true;
  }
}
