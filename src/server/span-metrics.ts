import { Counter, type Registry } from "prom-client";
import type { SpanCounts } from "../ports/invocation-tracer.ts";

/** Registers what became of recorded spans, read at each scrape. */
export function registerSpans(registry: Registry, read: () => SpanCounts): void {
  const registers = [registry];
  // Read first at a scrape, as it is registered first; it fills in the other.
  const exported: Counter = new Counter({
    name: "hearth_spans_exported_total",
    help: "Spans of traces that the collector took",
    registers,
    collect() {
      const counts = read();
      exported.reset();
      exported.inc(counts.exported);
      dropped.reset();
      dropped.inc({ reason: "queue_full" }, counts.overflowed);
      dropped.inc({ reason: "export_failed" }, counts.failed);
    },
  });
  const dropped = new Counter({
    name: "hearth_spans_dropped_total",
    help: "Spans of traces that were given up: more were held than may be, or the collector took none in time",
    labelNames: ["reason"],
    registers,
  });
}
