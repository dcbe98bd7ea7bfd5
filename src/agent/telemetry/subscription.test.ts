import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fitToSchema, parseSubscription } from "./subscription.ts";

const HTTP = { protocol: "HTTP", URI: "http://sandbox.localdomain:4243" };
const parse = (request: unknown, api: "telemetry" | "logs" = "telemetry") =>
  parseSubscription(api, Buffer.from(JSON.stringify(request)));

describe("a subscription", () => {
  test("has Lambda's defaults", () => {
    expect(parse({ schemaVersion: "2022-12-13", types: ["platform", "function"], destination: HTTP })).toEqual({
      api: "telemetry",
      schemaVersion: "2022-12-13",
      streams: ["platform", "function"],
      destination: { protocol: "HTTP", method: "POST", port: 4243, path: "/" },
      buffering: { timeoutMs: 1000, maxBytes: 262_144, maxItems: 10_000 },
    });
    const legacy = { types: ["extension"], destination: { protocol: "TCP", port: 53 }, buffering: { timeoutMs: 25 } };
    expect(parse(legacy, "logs")).toMatchObject({
      schemaVersion: "2020-08-15",
      destination: { protocol: "TCP", port: 53 },
      buffering: { timeoutMs: 25 },
    });
  });

  test.each([
    ["an unknown version", { schemaVersion: "2022-07-02" }, "schemaVersion"],
    ["no version", { schemaVersion: undefined }, "schemaVersion"],
    ["no types", { types: [] }, "types"],
    ["unknown types", { types: ["platform", "metrics"] }, "types"],
    ["a host outside", { destination: { protocol: "HTTP", URI: "http://127.0.0.1:80" } }, "URI"],
    [
      "a name that only begins like it",
      { destination: { protocol: "HTTP", URI: "http://sandbox.localdomain.evil:80" } },
      "URI",
    ],
    ["a user in front of it", { destination: { protocol: "HTTP", URI: "http://sandbox@10.0.0.1:80" } }, "URI"],
    ["https", { destination: { protocol: "HTTP", URI: "https://sandbox.localdomain:80" } }, "URI"],
    ["no port", { destination: { protocol: "TCP" } }, "port"],
    ["a port beyond", { destination: { protocol: "TCP", port: 65_536 } }, "port"],
    ["UDP", { destination: { protocol: "UDP", port: 1 } }, "protocol"],
    ["too small a buffer", { buffering: { maxBytes: 1 } }, "maxBytes"],
    ["too long a wait", { buffering: { timeoutMs: 30_001 } }, "timeoutMs"],
  ])("with %s is refused", (_what, wrong, named) => {
    const right = { schemaVersion: "2025-01-29", types: ["platform"], destination: HTTP };
    expect(() => parse({ ...right, ...wrong })).toThrow(named);
  });

  test("is parsed or refused, whatever it is", () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), fc.constantFrom("telemetry", "logs"), (text, api) => {
        try {
          expect(parseSubscription(api, Buffer.from(text)).streams.length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
    );
  });
});

describe("a record", () => {
  const time = "2026-01-01T00:00:00.000Z";
  const telemetry = parse({ schemaVersion: "2022-12-13", types: ["platform"], destination: HTTP });
  const oldest = { ...telemetry, schemaVersion: "2022-07-01" };
  const logs = { ...telemetry, api: "logs", schemaVersion: "2020-08-15" } as const;

  test("of a function's JSON is an object since 2022-12-13", () => {
    const record = { time, type: "function", record: { level: "INFO" } };
    expect(fitToSchema(telemetry, record)).toEqual(record);
    expect(fitToSchema(oldest, record)).toEqual({ time, type: "function", record: '{"level":"INFO"}' });
  });

  test("has the older names and members in the Logs API", () => {
    const start = { time, type: "platform.start", record: { requestId: "r", version: "1", tracing: {} } };
    expect(fitToSchema(logs, start)).toEqual({ ...start, record: { requestId: "r", version: "1" } });
    const subscribed = { time, type: "platform.telemetrySubscription", record: { name: "e" } };
    expect(fitToSchema(logs, subscribed)).toMatchObject({ type: "platform.logsSubscription" });
    expect(fitToSchema(logs, { time, type: "platform.initStart", record: {} })).toBeUndefined();
    expect(fitToSchema(logs, { time, type: "platform.runtimeDone", record: {} })).toBeUndefined();
    const newer = { ...logs, schemaVersion: "2021-03-18" };
    expect(fitToSchema(newer, { time, type: "platform.runtimeDone", record: {} })).toBeDefined();
    const end = { time, type: "platform.end", record: { requestId: "r" } };
    expect([fitToSchema(logs, end), fitToSchema(telemetry, end)]).toEqual([end, undefined]);
  });
});
