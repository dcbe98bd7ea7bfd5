/** What an `X-Amzn-Trace-Id` says of a trace (AWS X-Ray developer guide, "Tracing header"). */
export type XRayHeader = {
  /** 32 hex digits: X-Ray's two parts in one, as W3C and OpenTelemetry have them. */
  readonly traceId: string;
  /** undefined: what is told of it is the trace's first span. */
  readonly parentSpanId: string | undefined;
  /** undefined: nobody has decided it yet. */
  readonly isSampled: boolean | undefined;
  /** Its other members, to be handed on: `;Lineage=…`, or nothing. */
  readonly others: string;
};

const ROOT = /^1-([0-9a-f]{8})-([0-9a-f]{24})$/;
const SPAN_ID = /^(?!0{16})[0-9a-f]{16}$/;

/** undefined: it names no trace that could be gone on with. */
export function parseXRayHeader(text: string): XRayHeader | undefined {
  let traceId: string | undefined;
  let parentSpanId: string | undefined;
  let isSampled: boolean | undefined;
  let others = "";
  for (const member of text.split(";")) {
    const part = member.trim();
    const at = part.indexOf("=");
    const value = part.slice(at + 1);
    switch (part.slice(0, at).toLowerCase()) {
      case "root": {
        const [, timeHex, random] = ROOT.exec(value) ?? [];
        if (timeHex === undefined || random === undefined) return undefined;
        traceId = timeHex + random;
        break;
      }
      case "parent":
        if (SPAN_ID.test(value)) parentSpanId = value;
        break;
      case "sampled":
        if (value === "1" || value === "0") isSampled = value === "1";
        break;
      case "self": // A load balancer's own, about the request that it passed on.
        break;
      default:
        if (at > 0) others += `;${part}`;
    }
  }
  // All zeros is no trace, by W3C's rules.
  if (traceId === undefined || /^0+$/.test(traceId)) return undefined;
  return { traceId, parentSpanId, isSampled, others };
}

/** What the next one down is told. @param parentSpanId whose span is above its own. */
export function xRayHeaderText(traceId: string, parentSpanId: string, isSampled: boolean, others: string): string {
  const root = `1-${traceId.slice(0, 8)}-${traceId.slice(8)}`;
  return `Root=${root};Parent=${parentSpanId};Sampled=${isSampled ? 1 : 0}${others}`;
}
