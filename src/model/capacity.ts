import type { OfferId } from "./ids.ts";
import type { Shape, SubPool } from "./instance.ts";

/** The kinds of instances that a server can make or be given. */
export const PROVIDER_KINDS = ["process", "sandbox", "harvest", "microvm", "ec2", "static"] as const;
export type ProviderKind = (typeof PROVIDER_KINDS)[number];

/**
 * One kind of instance that can be had in one place on one kind of terms; what EC2 calls a capacity pool, with its terms
 * as they are now. A provider publishes an offer anew whenever something of it changes; identity and shape never do.
 */
export type Offer = {
  readonly id: OfferId;
  readonly provider: ProviderKind;
  readonly subPool: SubPool;
  readonly instanceType: string;
  readonly zone: string;
  /** Of one instance; of an elastic offer the one that the price is for, which is also the usual one. */
  readonly shape: Shape;
  /** An instance may have any shape up to `capacity`: slices of a host rather than types of a catalogue. */
  readonly isElastic: boolean;
  /** What all instances of this offer together may take; undefined: no bound is known. May change (harvested capacity does). */
  readonly capacity: Shape | undefined;
  /** Of one instance of `shape`; elastic shapes cost in proportion to their memory. */
  readonly priceUsdPerHour: number;
  /** How busy the place is, 0 (idle) to 1 (full): a host's load, a market's tightness. */
  readonly demandLevel: number;
  /** False: nothing can be launched from it now; instances that are there live on. */
  readonly isAvailable: boolean;
  /** Between the notice of a reclaim and the reclaim; 0: there is no notice. Infinity: never reclaimed. */
  readonly noticeMs: number;
};

/** Monday is 1, as in ISO 8601. */
export type IsoWeekday = 1 | 2 | 3 | 4 | 5 | 6 | 7;

/**
 * What an account demands of an instance, at every placement; several must all hold. `price`, `demand` and `lifetime`
 * fail while the value is unknown.
 */
export type Constraint =
  /** The offer's price of one instance-hour. */
  | { readonly kind: "price"; readonly usdPerHourMax: number }
  /** Local time of a zone (IANA name), from `fromMinute` until before `toMinute` of the day; `toMinute` below `fromMinute` runs past midnight. */
  | {
      readonly kind: "window";
      readonly timeZone: string;
      readonly days: readonly IsoWeekday[];
      readonly fromMinute: number;
      readonly toMinute: number;
    }
  /** The offer's demand level. */
  | { readonly kind: "demand"; readonly levelMax: number }
  /** How long the instance will be there for sure: until its known end, or at least its notice when none is known. */
  | { readonly kind: "lifetime"; readonly remainingMsMin: number }
  | { readonly kind: "provider"; readonly anyOf: readonly string[] }
  | { readonly kind: "instanceType"; readonly anyOf: readonly string[] }
  | { readonly kind: "zone"; readonly anyOf: readonly string[] };

/** What becomes of a request that no variable instance satisfies. */
export type OnShortage =
  | { readonly kind: "wait" }
  /** After this long it may run on fixed capacity as well. */
  | { readonly kind: "fixed"; readonly afterMs: number }
  /** After this long it is refused with NO_VARIABLE_CAPACITY. */
  | { readonly kind: "fail"; readonly afterMs: number };

/**
 * Which capacity serves an account (system.md A7): its identity alone routes.
 *
 * - `fixed`: the fixed sub-pool.
 * - `variable`: variable instances that satisfy all constraints, and nothing else, see `onShortage`.
 * - `mixed`: variable instances that satisfy all constraints while there are some, else fixed ones at once.
 * - `dedicated`: `dedicatedInstances` fixed ones are its own before any request; more as needed.
 */
export type CapacitySettings = {
  readonly class: "fixed" | "variable" | "mixed" | "dedicated";
  /** Only with class `dedicated`. */
  readonly dedicatedInstances: number;
  /** Only with classes `variable` and `mixed`. */
  readonly constraints: readonly Constraint[];
  /** Only with class `variable`. */
  readonly onShortage: OnShortage;
};

/** An account about which nothing was said. */
export const DEFAULT_CAPACITY: CapacitySettings = {
  class: "fixed",
  dedicatedInstances: 0,
  constraints: [],
  onShortage: { kind: "wait" },
};

/** One thing that a waiting invocation waits for, with the figures in its text. */
export type WaitCause = {
  readonly kind: Constraint["kind"] | "instance" | "container" | "turn" | "calm";
  /** One sentence for people. */
  readonly text: string;
};

/** Why an invocation ran where it ran; kept for `hearth explain`. */
export type Placement = {
  readonly subPool: SubPool;
  readonly offerId: OfferId;
  /** As the offer said when the execution began; undefined: the offer was not known. */
  readonly priceUsdPerHour: number | undefined;
  /** One sentence for people: which container, and why it was warm or cold. */
  readonly why: string;
  readonly waitedMs: number;
  /** What it waited for first; empty: it was placed at once. */
  readonly waitedFor: readonly WaitCause[];
};
