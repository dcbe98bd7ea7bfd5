import type { CapacitySettings, Constraint, IsoWeekday, Offer, OnShortage, ProviderKind } from "../model/capacity.ts";
import type { AccountId, OfferId } from "../model/ids.ts";
import type { Shape } from "../model/instance.ts";
import type { Random } from "./random.ts";

/** One offer of a made-up world: how it begins, and how it changes. Times are means; Infinity: never. */
export type OfferTraits = {
  readonly offer: Offer;
  /** After the start of each server. 0: it is in the server's first event. */
  readonly publishedAfterMs: number;
  /** The news of a change takes this long. */
  readonly newsMs: number;
  readonly priceChangeMsMean: number;
  /** `spike`: it goes back soon. `step`: it stays. */
  readonly priceStyle: "spike" | "step";
  readonly demandChangeMsMean: number;
  readonly capacityChangeMsMean: number;
  readonly outageEveryMsMean: number;
  readonly outageMsMean: number;
  /** Launches that are refused, though the offer says that it has some. */
  readonly refusedShare: number;
};

/** How instances are taken away. Shares are of those that are. */
export type InterruptionTraits = {
  /** Mean life of a variable instance until it is taken; Infinity: it is not. */
  readonly lifeMsMean: number;
  /** Told to be at risk some time before. */
  readonly atRiskShare: number;
  /** Mean time between two instances that are said to be at risk and then are not taken. */
  readonly falseAlarmMsMean: number;
  /** The notice comes late, or never, or twice. */
  readonly lateShare: number;
  readonly lostShare: number;
  readonly twiceShare: number;
  /** The instance goes before its deadline. */
  readonly earlyShare: number;
  /** Mean time between two notices for any instance at all, one that is gone or a fixed one included. */
  readonly strayNoticeMsMean: number;
};

export type AccountTraits = {
  readonly accountId: AccountId;
  /** undefined: nothing is said about it. */
  readonly capacity: CapacitySettings | undefined;
};

/** Everything about capacity that a seed decides. */
export type CapacityWorld = {
  readonly offers: readonly OfferTraits[];
  readonly accounts: readonly AccountTraits[];
  /** Whether accounts keep instances of their own after the last call; others may then find no room. */
  readonly keepsDedicated: boolean;
  /** Mean time between two changes of some account's settings; Infinity: never. */
  readonly settingsChangeMsMean: number;
  readonly interruptions: InterruptionTraits;
  /** The host's clock at the beginning, and how it is set on the way. */
  readonly wallStartMs: number;
  readonly wallSteps: readonly { readonly atMs: number; readonly byMs: number }[];
  /** Share of the functions' calls that are not time-sensitive, and how far away their deadlines are. */
  readonly deadlineShare: number;
  readonly deadlineMsMax: number;
  /** Of orders to load a function ahead of its call. */
  readonly prewarmFailure: number;
};

const NEVER = Number.POSITIVE_INFINITY;
const ZONES = ["z1", "z2", "z3"] as const;
const PRICES_USD = [0.01, 0.02, 0.05, 0.1] as const;
const DEMANDS = [0, 0.3, 0.5, 0.7, 1] as const;
const NOTICES_MS = [0, 5_000, 30_000, 120_000] as const;
const VARIABLE_PROVIDERS: readonly ProviderKind[] = ["ec2", "ec2", "harvest", "static"];
const TIME_ZONES = [
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "Asia/Kolkata",
  "Australia/Lord_Howe",
  "Pacific/Auckland",
];
/** Ordinary days, midnights, and the ends and beginnings of summer time in three of the zones; milliseconds since the epoch. */
const INSTANTS_MS = [
  1_790_000_000_000, 1_790_035_200_000, 1_792_890_000_000, 1_793_512_800_000, 1_774_746_000_000, 1_772_953_200_000,
  1_775_315_700_000,
];

export function drawPrice(random: Random): number {
  return random.pick(PRICES_USD);
}

export function drawDemand(random: Random): number {
  return random.pick(DEMANDS);
}

/** @param host the first fixed offer. @param horizonMs how long the calls go on. */
export function drawCapacityWorld(
  random: Random,
  host: Offer,
  accountIds: readonly AccountId[],
  horizonMs: number,
): CapacityWorld {
  const isPlain = random.chance(0.25);
  const { wallStartMs, minuteOfDay } = drawWall(random.fork("wall"));
  const steps = isPlain ? 0 : random.pick([0, 0, 1, 3]);
  const rare = () => (random.chance(0.5) ? random.logUniform(horizonMs / 30, 3 * horizonMs) : NEVER);
  return {
    offers: [plainTraits(host), ...(isPlain ? [] : drawOffers(random.fork("offers"), horizonMs))],
    accounts: isPlain ? [] : drawAccounts(random.fork("accounts"), accountIds, minuteOfDay),
    keepsDedicated: !isPlain && random.fork("dedicated").chance(0.5),
    settingsChangeMsMean: isPlain ? NEVER : rare(),
    interruptions: isPlain ? NO_INTERRUPTIONS : drawInterruptions(random.fork("interruptions"), horizonMs),
    wallStartMs,
    wallSteps: Array.from({ length: steps }, () => ({
      atMs: random.next() * horizonMs,
      byMs: random.pick([-1, 1]) * random.pick([1000, 60_000, 3_600_000, 86_400_000]),
    })),
    deadlineShare: isPlain ? 0 : random.pick([0, 0, 0.3, 1]),
    deadlineMsMax: random.logUniform(1000, 600_000),
    prewarmFailure: random.pick([0, 0, 0.3]),
  };
}

/** One that never changes. */
export function plainTraits(offer: Offer): OfferTraits {
  return {
    offer,
    publishedAfterMs: 0,
    newsMs: 0,
    priceChangeMsMean: NEVER,
    priceStyle: "step",
    demandChangeMsMean: NEVER,
    capacityChangeMsMean: NEVER,
    outageEveryMsMean: NEVER,
    outageMsMean: 0,
    refusedShare: 0,
  };
}

/** Nothing is ever taken away. */
export const NO_INTERRUPTIONS: InterruptionTraits = {
  lifeMsMean: NEVER,
  atRiskShare: 0,
  falseAlarmMsMean: NEVER,
  lateShare: 0,
  lostShare: 0,
  twiceShare: 0,
  earlyShare: 0,
  strayNoticeMsMean: NEVER,
};

/** A world in which this offer is all there is, and nothing about capacity ever changes. */
export function plainCapacity(offer: Offer): CapacityWorld {
  return {
    offers: [plainTraits(offer)],
    accounts: [],
    keepsDedicated: false,
    settingsChangeMsMean: NEVER,
    interruptions: NO_INTERRUPTIONS,
    wallStartMs: 0,
    wallSteps: [],
    deadlineShare: 0,
    deadlineMsMax: 0,
    prewarmFailure: 0,
  };
}

function drawOffers(random: Random, horizonMs: number): OfferTraits[] {
  const variable = Array.from({ length: random.int(1, 4) }, (_, index) => drawOffer(random, index, "variable"));
  const fixed = random.chance(0.3) ? [drawOffer(random, variable.length, "fixed")] : [];
  const often = () => random.logUniform(horizonMs / 100, horizonMs);
  const or = <T>(share: number, value: () => T, otherwise: T) => (random.chance(share) ? value() : otherwise);
  return [...variable, ...fixed].map((offer) => ({
    offer,
    publishedAfterMs: or(0.2, () => random.logUniform(1, horizonMs / 2), 0),
    newsMs: random.pick([0, 0, 1000]),
    priceChangeMsMean: or(offer.subPool === "variable" ? 0.6 : 0.1, often, NEVER),
    priceStyle: random.pick(["spike", "step"] as const),
    demandChangeMsMean: or(0.5, often, NEVER),
    capacityChangeMsMean: offer.capacity === undefined ? NEVER : or(0.5, often, NEVER),
    outageEveryMsMean: or(0.3, often, NEVER),
    outageMsMean: often(),
    refusedShare: or(0.3, () => random.logUniform(0.05, 0.9), 0),
  }));
}

function drawOffer(random: Random, index: number, subPool: Offer["subPool"]): Offer {
  const provider = subPool === "variable" ? random.pick(VARIABLE_PROVIDERS) : "ec2";
  const isElastic = provider !== "ec2";
  const shapeMiB = random.pick([512, 1024, 2048, 4096]);
  const instances = random.pick([1, 2, 4, 16]);
  const isBounded = isElastic || random.chance(0.5);
  const zone = random.pick(ZONES);
  const instanceType = random.pick(["small", "large"]);
  return {
    id: `${provider}/${zone}/${instanceType}-${index}/${subPool}` as OfferId,
    provider,
    subPool,
    instanceType,
    zone,
    shape: sizeOf(shapeMiB),
    isElastic,
    capacity: isBounded ? sizeOf(shapeMiB * instances) : undefined,
    priceUsdPerHour: drawPrice(random),
    demandLevel: drawDemand(random),
    isAvailable: random.chance(0.9),
    noticeMs: subPool === "variable" ? random.pick(NOTICES_MS) : NEVER,
  };
}

export function sizeOf(memoryMiB: number): Shape {
  return { memoryMiB, cpuMilli: memoryMiB };
}

function drawInterruptions(random: Random, horizonMs: number): InterruptionTraits {
  const share = () => random.pick([0, 0.1, 0.5]);
  return {
    lifeMsMean: random.chance(0.7) ? random.logUniform(horizonMs / 20, 3 * horizonMs) : NEVER,
    atRiskShare: random.pick([0, 0.5, 1]),
    falseAlarmMsMean: random.chance(0.3) ? random.logUniform(horizonMs / 10, horizonMs) : NEVER,
    lateShare: share(),
    lostShare: share(),
    twiceShare: share(),
    earlyShare: share(),
    strayNoticeMsMean: random.chance(0.3) ? random.logUniform(horizonMs / 10, horizonMs) : NEVER,
  };
}

/** Shortly before an instant at which something happens to local times; windows open and close near `minuteOfDay` (of UTC). */
function drawWall(random: Random): { readonly wallStartMs: number; readonly minuteOfDay: number } {
  const wallStartMs = random.pick(INSTANTS_MS) - random.logUniform(100, 600_000);
  return { wallStartMs, minuteOfDay: Math.floor(wallStartMs / 60_000) % 1440 };
}

function drawAccounts(random: Random, accountIds: readonly AccountId[], minuteOfDay: number): AccountTraits[] {
  return accountIds
    .filter(() => random.chance(0.8))
    .map((accountId) => ({ accountId, capacity: drawSettings(random, minuteOfDay) }));
}

/** Settings of any class. @param minuteOfDay of UTC, near which windows open and close. */
export function drawSettings(random: Random, minuteOfDay: number): CapacitySettings {
  const kind = random.pick(["fixed", "variable", "variable", "variable", "mixed", "dedicated"] as const);
  const isVariable = kind === "variable" || kind === "mixed";
  const count = isVariable ? random.pick([0, 1, 1, 2, 3]) : 0;
  return {
    class: kind,
    dedicatedInstances: kind === "dedicated" ? random.int(1, 2) : 0,
    constraints: Array.from({ length: count }, () => drawConstraint(random, minuteOfDay)),
    onShortage: kind === "variable" ? drawOnShortage(random) : { kind: "wait" },
  };
}

function drawOnShortage(random: Random): OnShortage {
  const kind = random.pick(["wait", "fixed", "fail"] as const);
  return kind === "wait" ? { kind } : { kind, afterMs: random.pick([0, 1000, 10_000, 60_000]) };
}

function drawConstraint(random: Random, minuteOfDay: number): Constraint {
  const kinds = [
    "price",
    "price",
    "window",
    "demand",
    "demand",
    "lifetime",
    "provider",
    "instanceType",
    "zone",
  ] as const;
  const kind = random.pick(kinds);
  const some = <T>(values: readonly T[]) => values.filter(() => random.chance(0.7));
  switch (kind) {
    case "price":
      return { kind, usdPerHourMax: drawPrice(random) };
    case "demand":
      return { kind, levelMax: drawDemand(random) };
    case "lifetime":
      return { kind, remainingMsMin: random.pick([0, 10_000, 30_000, 60_000]) };
    case "provider":
      return { kind, anyOf: some(["ec2", "harvest", "static"]) };
    case "instanceType":
      return { kind, anyOf: some(["small", "large"]) };
    case "zone":
      return { kind, anyOf: some(ZONES) };
    case "window":
      return drawWindow(random, minuteOfDay);
    default:
      return kind satisfies never;
  }
}

function drawWindow(random: Random, minuteOfDay: number): Constraint {
  // Zones are whole or half hours away from UTC; so are most of these windows from the world's beginning.
  const minute = (offset: number) => (((minuteOfDay + offset) % 1440) + 1440) % 1440;
  const hours = random.int(-14, 14) * 30;
  const fromMinute = minute(hours + random.int(-2, 12));
  const toMinute = minute(hours + random.pick([1, 5, 30, 120, 720]) + random.int(-2, 12));
  const days = ([1, 2, 3, 4, 5, 6, 7] as const).filter(() => random.chance(0.85)) as IsoWeekday[];
  const timeZone = random.pick(TIME_ZONES);
  // An empty window is refused at the edge, and so never reaches the core.
  return {
    kind: "window",
    timeZone,
    days,
    fromMinute,
    toMinute: toMinute === fromMinute ? minute(hours + 13) : toMinute,
  };
}
