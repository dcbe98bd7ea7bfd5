import { DEFAULT_SETTINGS } from "../../src/control/settings.ts";
import type { CapacitySettings, Offer } from "../../src/model/capacity.ts";
import type { AccountId, OfferId } from "../../src/model/ids.ts";
import {
  type CapacityWorld,
  NO_INTERRUPTIONS,
  type OfferTraits,
  plainTraits,
  sizeOf,
} from "../../src/simulator/capacity-world.ts";
import { drawWorld, type FunctionTraits, hostOffer, type World } from "../../src/simulator/world.ts";

/** The one account of a spare world, which calls one function again and again. */
export const SPARE_ACCOUNT = "spare" as AccountId;

/** Variable instances of 1 GiB at 0.01 USD/h, without bound, with 30 s of notice. */
export const SPARE_OFFER: Offer = {
  id: "ec2/z1/small/spot" as OfferId,
  provider: "ec2",
  subPool: "variable",
  instanceType: "small",
  zone: "z1",
  shape: sizeOf(1024),
  isElastic: false,
  capacity: undefined,
  priceUsdPerHour: 0.01,
  demandLevel: 0,
  isAvailable: true,
  noticeMs: 30_000,
};

/** Runs on variable capacity and waits for it. */
export const WAITS: CapacitySettings = {
  class: "variable",
  dedicatedInstances: 0,
  constraints: [{ kind: "price", usdPerHourMax: 0.02 }],
  onShortage: { kind: "wait" },
};

const FUNCTION: FunctionTraits = {
  name: "f",
  accountId: SPARE_ACCOUNT,
  runtime: "nodejs24.x",
  memoryMiB: 256,
  resizedMiB: 128,
  timeoutMs: 30_000,
  durationMsMean: 500,
  initMsMean: 50,
  tailShare: 0,
  gapMsMean: 200,
  isRegular: false,
  batchMax: 1,
  busyMsMean: 20_000,
  quietMsMean: 0,
};

export type SpareChange = {
  readonly capacity?: Partial<CapacityWorld>;
  readonly offer?: Partial<OfferTraits>;
  readonly account?: Partial<CapacitySettings>;
  readonly function?: Partial<FunctionTraits>;
  readonly world?: Partial<World>;
};

/** A small host and a spot offer, an account that runs on the latter alone, and no mishap but those that are asked for. */
export function spareWorld(seed: number, change: SpareChange = {}): World {
  const host = hostOffer(sizeOf(4096), sizeOf(1024));
  return {
    ...drawWorld(seed),
    settings: DEFAULT_SETTINGS,
    grainMs: 1,
    invocations: 300,
    functions: [{ ...FUNCTION, ...change.function }],
    asynchronousShare: 0,
    hangUpShare: 0,
    bootMsMean: 500,
    containerStartMsMean: 50,
    destroyMs: 5,
    terminateMs: 50,
    linkMs: 1,
    tickLatenessMs: 0,
    orphanMs: 60_000,
    retirementMsMean: Number.POSITIVE_INFINITY,
    mustServe: false,
    eventAgeMsMax: 300_000,
    faults: NO_FAULTS,
    restarts: [],
    capacity: {
      offers: [plainTraits(host), { ...plainTraits(SPARE_OFFER), ...change.offer }],
      accounts: [{ accountId: SPARE_ACCOUNT, capacity: { ...WAITS, ...change.account } }],
      keepsDedicated: true,
      settingsChangeMsMean: Number.POSITIVE_INFINITY,
      interruptions: NO_INTERRUPTIONS,
      wallStartMs: Date.UTC(2026, 10, 20, 12),
      wallSteps: [],
      deadlineShare: 0,
      deadlineMsMax: 0,
      prewarmFailure: 0,
      ...change.capacity,
    },
    ...change.world,
  };
}

const NO_FAULTS: World["faults"] = {
  launchFailure: 0,
  launchHang: 0,
  launchLate: 0,
  launchGhost: 0,
  containerFailure: 0,
  containerDeath: 0,
  execution: 0,
  functionError: 0,
  instanceLifeMsMean: Number.POSITIVE_INFINITY,
  cutShare: 0,
  cutMsMean: 0,
  detectionMs: 100,
  echoes: false,
};
