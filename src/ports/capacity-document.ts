/**
 * Capacity settings as people write them and the admin API speaks them; `CapacitySettings` is what they mean.
 * docs/capacity.md explains each member.
 */
export type CapacityDocument = {
  readonly class: "fixed" | "variable" | "mixed" | "dedicated";
  readonly dedicatedInstances?: number;
  readonly constraints?: readonly ConstraintDocument[];
  readonly onShortage?: OnShortageDocument;
};

/** Days of a window, Monday first. */
export const DAY_NAMES = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;

/** One of `DAY_NAMES`. */
export type DayName = (typeof DAY_NAMES)[number];

/** Milliseconds, or text such as `30s`, `5m`, `2h`; answers have text. */
export type DurationDocument = string | number;

/** One constraint; several must all hold. */
export type ConstraintDocument =
  | { readonly kind: "price"; readonly usdPerHourMax: number }
  | {
      readonly kind: "window";
      /** IANA name. */
      readonly timeZone: string;
      /** Of the beginning; absent: every day. */
      readonly days?: readonly DayName[];
      /** `22:00`; `to` may be `24:00`, and before `from`: then the window runs past midnight. */
      readonly from: string;
      readonly to: string;
    }
  | { readonly kind: "demand"; readonly levelMax: number }
  | { readonly kind: "lifetime"; readonly atLeast: DurationDocument }
  | { readonly kind: "provider"; readonly anyOf: readonly string[] }
  | { readonly kind: "instanceType"; readonly anyOf: readonly string[] }
  | { readonly kind: "zone"; readonly anyOf: readonly string[] };

/** What becomes of a request that no variable instance satisfies: waits, or something else after a while. */
export type OnShortageDocument =
  | { readonly kind: "wait" }
  | { readonly kind: "fixed" | "fail"; readonly after: DurationDocument };

/** The answer of `/_hearth/accounts/ID/capacity`. */
export type CapacityAnswer = {
  readonly accountId: string;
  readonly capacity: CapacityDocument;
  /** Newest first. */
  readonly changes: readonly {
    readonly changedMs: number;
    readonly changedBy: string;
    readonly before: CapacityDocument;
    readonly after: CapacityDocument;
  }[];
};
