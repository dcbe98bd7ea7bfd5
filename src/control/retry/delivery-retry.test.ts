import fc from "fast-check";
import { expect, test } from "vitest";
import { decideDelivery, DEFAULT_DELIVERY_SETTINGS as settings } from "./delivery-retry.ts";

test("pauses grow from one second to five minutes, and end after six hours of trying", () => {
  fc.assert(
    fc.property(fc.nat(1e12), (triedFromMs) => {
      let nowMs = triedFromMs;
      for (let failures = 1; failures < 1000; failures++) {
        const decision = decideDelivery(failures, triedFromMs, settings, nowMs);
        if (decision.kind === "giveUp") {
          expect(nowMs - triedFromMs).toBeGreaterThan(settings.ageMsMax - settings.delayMsMax);
          expect(failures).toBeGreaterThan(70);
          return;
        }
        expect(decision.atMs - nowMs).toBe(Math.min(1000 * 2 ** (failures - 1), 300_000));
        nowMs = decision.atMs;
      }
      throw new Error("tried for ever");
    }),
  );
});
