import { chooseOffer } from "../../../src/control/spot/choose-offer.ts";
import { OfferRecord } from "../../../src/control/spot/offer-record.ts";
import { standInsWanted } from "../../../src/control/spot/stand-in.ts";
import type { Offer } from "../../../src/model/capacity.ts";
import type { OfferId } from "../../../src/model/ids.ts";
import { type SpotInstance, type SpotRule, type SpotView, TERMS } from "./world.ts";

const STAND_IN = { standbyBootMs: TERMS.standbyBootMs, safetyMs: 10_000 };
const LOSS_COST_HOURS = 0.03;

/** What production does: replacements at the notice, stand-ins just in time, given back when the replacement is ready. */
export function hearth(poolCount: number): SpotRule {
  const offers = Array.from({ length: poolCount }, (_, pool) => spotOffer(pool));
  const records = offers.map(() => new OfferRecord());

  function launchMissing(view: SpotView): void {
    const staying = view.spot.filter(({ noticedMs }) => noticedMs > view.nowMs);
    let missing = view.neededCount - staying.length;
    const held = offers.map((_, pool) => staying.filter((instance) => instance.pool === pool).length);
    while (missing > 0) {
      const candidates = offers.map((offer, pool) => ({ offer, heldCount: held[pool]!, record: records[pool]! }));
      const terms = { fixedUsdPerHour: TERMS.fixedPrice, lossCostHours: LOSS_COST_HOURS };
      const choice = chooseOffer(candidates, terms, view.nowMs);
      if (choice === undefined) return;
      const pool = offers.indexOf(choice.offer);
      if (view.launchSpot(pool)) {
        records[pool]!.granted();
        held[pool]!++;
        missing--;
      } else {
        records[pool]!.refused(view.nowMs);
      }
    }
    for (; missing < 0; missing++) giveUpOne(view, staying);
  }

  function giveUpOne(view: SpotView, staying: SpotInstance[]): void {
    const youngest = staying.pop();
    if (youngest === undefined) return;
    records[youngest.pool]!.givenUp(view.nowMs - youngest.launchedMs);
    view.giveUpSpot(youngest);
  }

  return {
    step(view) {
      launchMissing(view);
      const variable = view.spot.map(({ readyMs, endMs, noticedMs }) => ({
        readySinceMs: readyMs <= view.nowMs ? readyMs : undefined,
        endsAtMs: noticedMs <= view.nowMs ? endMs : undefined,
      }));
      const wanted = standInsWanted(view.neededCount, variable, STAND_IN, view.nowMs);
      for (let missing = wanted - view.fixed.length; missing > 0; missing--) view.startFixed(true);
      for (let surplus = view.fixed.length - wanted; surplus > 0; surplus--) view.stopFixed();
    },
    onNotice: ({ pool, launchedMs }, nowMs) => records[pool]!.lost(nowMs, nowMs - launchedMs),
    onGone({ pool, launchedMs }, wasNoticed, nowMs) {
      if (!wasNoticed) records[pool]!.lost(nowMs, nowMs - launchedMs);
    },
    onReady: ({ pool }) => records[pool]!.succeeded(),
  };
}

function spotOffer(pool: number): Offer {
  return {
    id: `ec2/zone-${pool}/any/spot` as OfferId,
    provider: "ec2",
    subPool: "variable",
    instanceType: "any",
    zone: `zone-${pool}`,
    shape: { memoryMiB: 4096, cpuMilli: 2000 },
    isElastic: false,
    capacity: undefined,
    priceUsdPerHour: TERMS.spotPrice,
    demandLevel: 0,
    isAvailable: true,
    noticeMs: TERMS.noticeMs,
  };
}
