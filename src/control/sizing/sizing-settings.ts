export type SizingMode = "auto" | "suggest" | "off";
export type SizingPolicy = "cost" | "balanced" | "speed" | "slo";

/** Of one machine; vCPU-hour to GiB-hour is 9 : 1 (list prices of general and memory-optimised machines). */
export type UnitPrices = { readonly vcpuUsdPerHour: number; readonly gibUsdPerHour: number };

/** What may be done with a function's size. What a function does not say its account says, and then `DEFAULT_SIZING`. */
export type SizingSettings = {
  /** `suggest`: says what it would do and does nothing; `off`: the requested size. */
  readonly mode: SizingMode;
  /** What CPU is chosen for. */
  readonly policy: SizingPolicy;
  /** Of policy `slo`: the longest duration; undefined: a tenth more than at the requested size. */
  readonly sloMs: number | undefined;
  /** `ratio`: CPU follows memory (1,769 MB are 1 vCPU). `apart`: each has what it needs. */
  readonly cpu: "ratio" | "apart";
  readonly memoryMiBMin: number;
  /** undefined: the requested amount; above it a function may grow to twice what was requested and no further. */
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
  cpu: "ratio",
  memoryMiBMin: 32,
  memoryMiBMax: undefined,
  memoryMiBIncrement: 1,
  cpuMilliMin: 50,
  cpuMilliMax: 6000,
  executionsMin: 20,
  prices: { vcpuUsdPerHour: 0.0331, gibUsdPerHour: 0.0037 },
};

/** Above what was requested a size may grow to this many times it, and only where the settings allow more at all. */
export const GROWTH_MAX = 2;
