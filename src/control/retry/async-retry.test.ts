import fc from "fast-check";
import { expect, test } from "vitest";
import { decideRetry, DEFAULT_RETRY_SETTINGS as settings } from "./async-retry.ts";

const failed = (functionFailures: number) => ({
  functionFailures,
  systemFailures: 0,
  acceptedMs: 0,
  result: { outcome: "functionError" } as const,
});

test("a failing function is retried after 60 s and 120 s, then given up, as on Lambda", () => {
  expect(decideRetry(failed(1), settings, 1_000)).toEqual({ kind: "retry", atMs: 61_000, why: "functionFailed" });
  expect(decideRetry(failed(2), settings, 1_000)).toEqual({ kind: "retry", atMs: 121_000, why: "functionFailed" });
  expect(decideRetry(failed(3), settings, 1_000)).toEqual({ kind: "giveUp", condition: "RetriesExhausted" });
});

test("throttles are retried with growing pauses until the event is too old, and always end", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), (first) => {
      let nowMs = first * 1000;
      for (let systemFailures = 1; systemFailures < 1000; systemFailures++) {
        const result = { rejected: "CONCURRENCY_LIMIT" } as const;
        const decision = decideRetry({ functionFailures: 0, systemFailures, acceptedMs: 0, result }, settings, nowMs);
        if (decision.kind !== "retry") {
          expect(decision).toEqual({ kind: "giveUp", condition: "EventAgeExceeded" });
          return;
        }
        expect(decision.atMs - nowMs).toBeGreaterThanOrEqual(settings.systemDelayMs);
        expect(decision.atMs - nowMs).toBeLessThanOrEqual(settings.systemDelayMsMax);
        nowMs = decision.atMs;
      }
      throw new Error("retried for ever");
    }),
  );
});

test.for([0, 1, 2] as const)("an owner who wants %d retries gets so many", (retriesMax) => {
  const limits = { retriesMax };
  for (let failures = 1; failures <= retriesMax; failures++) {
    expect(decideRetry({ ...failed(failures), limits }, settings, 1_000).kind).toBe("retry");
  }
  const last = decideRetry({ ...failed(retriesMax + 1), limits }, settings, 1_000);
  expect(last).toEqual({ kind: "giveUp", condition: "RetriesExhausted" });
});

test("an owner's event age counts instead of the server's, for failures and throttles alike", () => {
  const limits = { ageMsMax: 60_000 };
  const throttled = { ...failed(0), systemFailures: 1, result: { rejected: "CONCURRENCY_LIMIT" } as const, limits };
  expect(decideRetry(throttled, settings, 59_000).kind).toBe("retry");
  const tooOld = { kind: "giveUp", condition: "EventAgeExceeded" };
  expect(decideRetry(throttled, settings, 59_001)).toEqual(tooOld);
  expect(decideRetry({ ...failed(1), limits }, settings, 1)).toEqual(tooOld);
});
