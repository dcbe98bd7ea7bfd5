import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Offer } from "../../model/capacity.ts";
import type { OfferId } from "../../model/ids.ts";
import { chooseOffer, type OfferCandidate, retryAtMs } from "./choose-offer.ts";
import { OfferRecord } from "./offer-record.ts";

const TERMS = { fixedUsdPerHour: 0.1, lossCostHours: 0.03 };
const HOUR_MS = 3_600_000;

function offer(name: string, priceUsdPerHour = 0.03, isAvailable = true): Offer {
  return {
    id: name as OfferId,
    provider: "ec2",
    subPool: "variable",
    instanceType: name,
    zone: "a",
    shape: { memoryMiB: 4096, cpuMilli: 2000 },
    isElastic: false,
    capacity: undefined,
    priceUsdPerHour,
    demandLevel: 0,
    isAvailable,
    noticeMs: 120_000,
  };
}

function candidate(name: string, traits: { price?: number; held?: number; record?: OfferRecord } = {}): OfferCandidate {
  return { offer: offer(name, traits.price), heldCount: traits.held ?? 0, record: traits.record ?? new OfferRecord() };
}

const chosen = (candidates: readonly OfferCandidate[], nowMs = 0) => chooseOffer(candidates, TERMS, nowMs)?.offer.id;

describe("the offer to launch from", () => {
  test("the cheapest, until it holds 40 % of all", () => {
    const held = [0, 0, 0];
    for (let i = 0; i < 50; i++) {
      const candidates = held.map((heldCount, n) => candidate(`o${n}`, { price: 0.03 + n / 1000, held: heldCount }));
      held[Number(chosen(candidates)?.slice(1))]!++;
    }
    expect(held[0]).toBe(20);
    expect(held[1]).toBeGreaterThan(held[2]!);
    expect(Math.max(...held)).toBe(20);
  });

  test("of two, there is nothing to spread over", () => {
    expect(chosen([candidate("a", { held: 50 }), candidate("b", { price: 0.031 })])).toBe("a");
  });

  test("one whose instances are lost often costs more than its price", () => {
    const record = new OfferRecord();
    for (let i = 0; i < 30; i++) record.lost(0, HOUR_MS / 6);
    record.succeeded();
    expect(record.lossesPerHour).toBeGreaterThan(1);
    expect(chosen([candidate("flighty", { price: 0.03, record }), candidate("steady", { price: 0.032 })])).toBe(
      "steady",
    );
  });

  test("one that refused rests, then is doubted until one of its instances is ready", () => {
    const record = new OfferRecord();
    record.refused(1000);
    const candidates = [candidate("a", { price: 0.01, record }), candidate("b")];
    expect(chosen(candidates, 1000)).toBe("b");
    expect(chosen(candidates, 10 * HOUR_MS)).toBe("b");
    expect(chosen(candidates.slice(0, 1), 1000)).toBeUndefined();
    const atMs = retryAtMs(candidates, 1000);
    expect(atMs).toBeGreaterThan(1000);
    expect(chosen(candidates.slice(0, 1), atMs)).toBe("a");
    record.succeeded();
    expect(chosen(candidates, atMs)).toBe("a");
    expect(retryAtMs(candidates, atMs ?? 0)).toBeUndefined();
  });

  test("nothing that costs as much as fixed capacity, nothing that is not to be had", () => {
    expect(chosen([candidate("a", { price: 0.1 })])).toBeUndefined();
    expect(chosen([{ ...candidate("a"), offer: offer("a", 0.03, false) }])).toBeUndefined();
    expect(chosen([])).toBeUndefined();
  });

  test("neither the order of the candidates nor chance matters", () => {
    const traits = fc.record({
      price: fc.constantFrom(0.02, 0.03, 0.2),
      held: fc.nat(3),
      history: fc.array(fc.constantFrom("refused", "lost", "succeeded"), { maxLength: 4 }),
    });
    fc.assert(
      fc.property(fc.array(traits, { maxLength: 6 }), fc.nat(100_000), (list, nowMs) => {
        const candidates = list.map(({ price, held, history }, i) => {
          const record = new OfferRecord();
          for (const event of history) {
            if (event === "refused") record.refused(0);
            else if (event === "lost") record.lost(0, HOUR_MS);
            else record.succeeded();
          }
          return candidate(`o${i}`, { price, held, record });
        });
        const choice = chooseOffer(candidates, TERMS, nowMs);
        expect(chooseOffer(candidates.toReversed(), TERMS, nowMs)).toEqual(choice);
        const canBeHad = candidates.filter(
          (c) => c.record.notBeforeMs <= nowMs && c.offer.priceUsdPerHour + c.record.lossesPerHour * 0.003 < 0.1,
        );
        expect(choice !== undefined).toBe(canBeHad.length > 0);
        if (choice) expect(canBeHad.map((c) => c.offer.id)).toContain(choice.offer.id);
        expect(choice?.why ?? "").not.toMatch(/NaN|undefined/);
      }),
    );
  });
});

describe("an offer's record", () => {
  test("pauses double up to a bound, and end with a grant", () => {
    const record = new OfferRecord();
    const pauses = Array.from({ length: 100 }, (_, i) => {
      record.refused(i * HOUR_MS);
      return record.notBeforeMs - i * HOUR_MS;
    });
    expect(pauses.slice(0, 2)).toEqual([15_000, 30_000]);
    expect(Math.max(...pauses)).toBe(60_000);
    record.granted();
    expect([record.notBeforeMs, record.isTrusted]).toEqual([0, false]);
  });

  test("its losses an hour approach those of its instances, and what is long ago fades", () => {
    const record = new OfferRecord();
    for (let i = 0; i < 2000; i++) record.lost(0, 2 * HOUR_MS);
    expect(record.lossesPerHour).toBeCloseTo(0.5, 2);
    for (let i = 0; i < 2000; i++) record.givenUp(2 * HOUR_MS);
    expect(record.lossesPerHour).toBeLessThan(0.01);
  });
});
