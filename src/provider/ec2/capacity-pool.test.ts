import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { OfferId } from "../../model/ids.ts";
import { type CapacityPool, offerOf, shapeOf } from "./capacity-pool.ts";
import { bidOf } from "./machine-request.ts";

const SHAPE = shapeOf(8192, 2);
const PLACE = { instanceType: "m7i.large", zone: "eu-west-1a", shape: SHAPE, onDemandUsdPerHour: 0.1 };

function pool(terms: CapacityPool["terms"]): CapacityPool {
  return { ...PLACE, terms, offerId: `ec2/eu-west-1a/m7i.large/${terms}` as OfferId, places: [PLACE] };
}

describe("an EC2 offer", () => {
  test("never promises more than is left beside the system", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2048, max: 2 ** 25 }), fc.integer({ min: 1, max: 448 }), (memoryMiB, cpuCount) => {
        const shape = shapeOf(memoryMiB, cpuCount);
        expect(shape.memoryMiB).toBeLessThan(memoryMiB * 0.93 - 700);
        expect(shape.cpuMilli).toBe(cpuCount * 1000);
      }),
    );
  });

  test("of spot is available exactly while its price is known and not above on-demand", () => {
    const price = fc.option(fc.constantFrom(0.01, 0.0999, 0.1, 0.1001, 5), { nil: undefined });
    fc.assert(
      fc.property(price, (usd) => {
        const offer = offerOf(pool("spot"), usd);
        expect(offer.isAvailable).toBe(usd !== undefined && usd <= 0.1);
        expect(offer.priceUsdPerHour).toBe(usd ?? 0.1);
        expect(offer.demandLevel).toBeCloseTo(Math.min(1, (usd ?? 0.1) / 0.1));
        expect(offer.noticeMs).toBe(120_000);
      }),
    );
  });

  test("of on-demand is there at its price, whatever the market does", () => {
    for (const usd of [undefined, 0.01, 5]) {
      expect(offerOf(pool("on-demand"), usd)).toMatchObject({
        subPool: "fixed",
        priceUsdPerHour: 0.1,
        isAvailable: true,
        noticeMs: Number.POSITIVE_INFINITY,
      });
    }
  });
});

describe("a bid", () => {
  test("is the order's, and never above on-demand", () => {
    fc.assert(
      fc.property(fc.option(fc.double({ min: 0.0001, max: 10, noNaN: true }), { nil: undefined }), (wanted) => {
        const bid = Number(bidOf(PLACE, wanted));
        expect(bid).toBeLessThanOrEqual(0.1);
        expect(bid).toBeCloseTo(Math.min(wanted ?? 0.1, 0.1), 5);
      }),
    );
  });

  test.each([0, -1, Number.NaN, 1e-9])("of %d is refused before EC2 is asked", (wanted) => {
    expect(() => bidOf(PLACE, wanted)).toThrow(expect.objectContaining({ code: "LAUNCH_FAILED" }));
  });
});
