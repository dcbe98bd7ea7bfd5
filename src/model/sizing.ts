import type { AccountId } from "./ids.ts";

/** What may be done with a function's size. */
export const SIZING_MODES = ["auto", "suggest", "off"] as const;
/** `suggest`: says what it would do and does nothing; `off`: the requested size. */
export type SizingMode = (typeof SIZING_MODES)[number];

/** What a learned size changes. */
export const SIZING_LIMITS = ["soft", "hard"] as const;
/**
 * `soft`: containers keep the requested limit, and instances are packed by what was learned. `hard`: the limit itself is what
 * was learned.
 */
export type SizingLimits = (typeof SIZING_LIMITS)[number];

/** What CPU is chosen for. */
export const SIZING_POLICIES = ["cost", "balanced", "speed", "slo"] as const;
/** `slo`: the cheapest that keeps a duration; `speed`: the cheapest within 3 % of the fastest. */
export type SizingPolicy = (typeof SIZING_POLICIES)[number];

/** Of one machine; vCPU-hour to GiB-hour is 9 : 1 (list prices of general and memory-optimised machines). */
export type UnitPrices = { readonly vcpuUsdPerHour: number; readonly gibUsdPerHour: number };

/** What may be done with a function's size. What a function does not say its account says, and then `DEFAULT_SIZING`. */
export type SizingSettings = {
  readonly mode: SizingMode;
  readonly policy: SizingPolicy;
  /** Of policy `slo`: the longest duration; undefined: a tenth more than at the requested size. */
  readonly sloMs: number | undefined;
  readonly limits: SizingLimits;
  /** `ratio`: CPU follows memory (1,769 MB are 1 vCPU). `apart`: each has what it needs. */
  readonly cpu: "ratio" | "apart";
  readonly memoryMiBMin: number;
  /**
   * A function that runs out of memory grows up to here, and to twice what was requested at most; the requested amount is always
   * allowed. undefined: twice what was requested.
   */
  readonly memoryMiBMax: number | undefined;
  /** Sizes are multiples of it. */
  readonly memoryMiBIncrement: number;
  readonly cpuMilliMin: number;
  readonly cpuMilliMax: number;
  /** The threshold number of executions: nothing is made smaller before. */
  readonly executionsMin: number;
  readonly prices: UnitPrices;
};

/** A function about which nothing was said. */
export const DEFAULT_SIZING: SizingSettings = {
  mode: "auto",
  policy: "slo",
  sloMs: undefined,
  limits: "soft",
  cpu: "ratio",
  memoryMiBMin: 32,
  memoryMiBMax: undefined,
  memoryMiBIncrement: 1,
  cpuMilliMin: 50,
  cpuMilliMax: 6000,
  executionsMin: 20,
  prices: { vcpuUsdPerHour: 0.0331, gibUsdPerHour: 0.0037 },
};

/** What settings are said for, most particular first: a function, an account. */
export type SizingScope =
  | { readonly kind: "function"; readonly accountId: AccountId; readonly functionName: string }
  | { readonly kind: "account"; readonly accountId: AccountId };

/** @param said the wider scope first; later ones win, and a stop above all. */
export function resolvedSizing(
  said: readonly (Partial<SizingSettings> | undefined)[],
  isStopped: boolean,
): SizingSettings {
  return Object.assign({}, DEFAULT_SIZING, ...said, isStopped ? { mode: "off" } : {}) as SizingSettings;
}

/** What was resolved; the same settings in another order may pass for others. */
export function isSameSizing(one: SizingSettings, other: SizingSettings): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}

/** What a container gets. */
export type ContainerSize = { readonly memoryMiB: number; readonly cpuMilli: number };

/** Why a size was changed, or was not. */
export type AdjustmentCondition =
  /** The stated amount is new: everything starts over. */
  | "requested"
  /** Too much: executions enough show that less is needed. */
  | "tooMuch"
  /** Too little: the largest peak has come near the limit. */
  | "tooLittle"
  /** An execution was killed at its limit. */
  | "outOfMemory"
  /** An execution's limit was raised while it ran; it would have been killed. */
  | "rescued"
  /** An execution waited for memory. */
  | "pressure"
  /** Executions at a size on trial went worse. */
  | "worse"
  /** Executions at a size on trial went well. */
  | "proven"
  /** The limits for a size were changed. */
  | "settings";

/** One step, as it is kept and read back: what was decided on which evidence. */
export type SizingDecision = {
  /** Executions observed before it. */
  readonly atExecution: number;
  readonly condition: AdjustmentCondition;
  /** `reservation`: the memory of both sizes is what instances are packed by; the limit stayed as it was. */
  readonly appliesTo: "size" | "reservation";
  readonly from: ContainerSize;
  readonly to: ContainerSize;
  /** One sentence for people, with the figures. */
  readonly why: string;
};

/** So many decisions are kept per function version, the newest. */
export const DECISIONS_KEPT = 8;

/** What a size is learned for. One string of account, function version and architecture; see `sizingKeyOf`. */
export type SizingKey = string & { readonly __brand: "SizingKey" };

/** @param version of the function, with what changes when its code does: `$LATEST@5f3a…`; see `partsOfSizingKey`. */
export function sizingKeyOf(
  accountId: AccountId,
  functionName: string,
  version: string,
  architecture: string,
): SizingKey {
  return [accountId, functionName, version, architecture].join("/") as SizingKey;
}

/** @returns `version` without what follows its `@`. */
export function partsOfSizingKey(key: SizingKey): {
  readonly accountId: AccountId;
  readonly functionName: string;
  readonly version: string;
  readonly architecture: string;
} {
  const [accountId = "", functionName = "", version = "", architecture = ""] = key.split("/");
  return { accountId: accountId as AccountId, functionName, version: version.split("@")[0] ?? "", architecture };
}
