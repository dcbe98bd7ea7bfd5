import { ROOT_CONTEXT, SpanKind } from "@opentelemetry/api";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  type Sampler,
  SamplingDecision,
  TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace";

/** The names that `OTEL_TRACES_SAMPLER` may have. */
export type SamplerName =
  | "always_on"
  | "always_off"
  | "traceidratio"
  | `parentbased_${"always_on" | "always_off" | "traceidratio"}`;

/** Whether the spans of an invocation are recorded. @param callers what its caller decided; undefined: nothing. */
export type Sampling = (traceId: string, name: string, callers: boolean | undefined) => boolean;

/** @param ratio of the traces, from 0 to 1; only for the names that speak of one. */
export function samplingOf(name: SamplerName, ratio: number): Sampling {
  const isParentBased = name.startsWith("parentbased_");
  const sampler = samplerOf(name, ratio);
  return (traceId, spanName, callers) => {
    if (isParentBased && callers !== undefined) return callers;
    const { decision } = sampler.shouldSample(ROOT_CONTEXT, traceId, spanName, SpanKind.SERVER, {}, []);
    return decision === SamplingDecision.RECORD_AND_SAMPLED;
  };
}

function samplerOf(name: SamplerName, ratio: number): Sampler {
  if (name.endsWith("always_on")) return new AlwaysOnSampler();
  return name.endsWith("always_off") ? new AlwaysOffSampler() : new TraceIdRatioBasedSampler(ratio);
}
