import { describe, expect, test } from "vitest";
import { CliError } from "./cli-error.ts";
import { tracingIn } from "./tracing-options.ts";

const NOTHING = { text: "", from: "HEARTH_OTLP_ENDPOINT" };
const OWN = { text: "http://collector:4318", from: "--otlp-endpoint" };
const COMMON = "OTEL_EXPORTER_OTLP_ENDPOINT";

describe("tracingIn", () => {
  test("nobody who did not ask has traces", () => {
    expect(tracingIn(NOTHING, {})).toBeUndefined();
    expect(tracingIn(NOTHING, { OTEL_SERVICE_NAME: "shop", OTEL_TRACES_SAMPLER: "always_on" })).toBeUndefined();
  });

  test("the endpoint is Hearth's own, else that of traces, else that of all signals", () => {
    const url = (own: typeof OWN, env: Record<string, string>) => tracingIn(own, env)?.url;
    const env = { [COMMON]: "http://all:4318/otlp/", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://traces:1/as/it/is" };
    expect(url(OWN, env)).toBe("http://collector:4318/v1/traces");
    expect(url(NOTHING, env)).toBe("http://traces:1/as/it/is");
    expect(url(NOTHING, { [COMMON]: env[COMMON] })).toBe("http://all:4318/otlp/v1/traces");
  });

  test("OpenTelemetry's ways to turn it off hold for its own variables", () => {
    for (const off of [{ OTEL_SDK_DISABLED: "true" }, { OTEL_TRACES_EXPORTER: "none" }]) {
      expect(tracingIn(NOTHING, { ...off, [COMMON]: "http://all:4318" })).toBeUndefined();
      expect(tracingIn(OWN, off)).toBeDefined();
    }
  });

  test("a caller's decision counts, unless a sampler is named", () => {
    expect(tracingIn(OWN, {})?.sampler).toEqual({ name: "parentbased_always_on", ratio: 1 });
    const env = { OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.05" };
    expect(tracingIn(OWN, env)?.sampler).toEqual({ name: "parentbased_traceidratio", ratio: 0.05 });
  });

  test.each([
    [{ text: "collector:4318", from: "--otlp-endpoint" }, {}, "--otlp-endpoint"],
    [NOTHING, { [COMMON]: "4318" }, COMMON],
    [OWN, { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }, "OTEL_EXPORTER_OTLP_PROTOCOL"],
    [OWN, { OTEL_TRACES_SAMPLER: "jaeger_remote" }, "OTEL_TRACES_SAMPLER"],
    [OWN, { OTEL_TRACES_SAMPLER_ARG: "2" }, "OTEL_TRACES_SAMPLER_ARG"],
  ])("what cannot be is said with its name: %j %j", (endpoint, env, name) => {
    expect(() => tracingIn(endpoint, env)).toThrow(CliError);
    expect(() => tracingIn(endpoint, env)).toThrow(name);
  });
});
