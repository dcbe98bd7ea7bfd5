import type { CapacitySettings, Constraint, Offer, WaitCause } from "../../model/capacity.ts";
import { DEFAULT_CAPACITY } from "../../model/capacity.ts";
import type { SubPool } from "../../model/instance.ts";
import { isOpen, nextChangeMs } from "./window.ts";

/** What is known of an instance, or of an offer that none was launched of yet, when constraints are checked. */
export type Terms = {
  readonly subPool: SubPool;
  /** undefined: an instance of an earlier server whose provider has not published it. */
  readonly offer: Offer | undefined;
  /** How long it is there for sure. */
  readonly remainingMs: number;
};

/** An account's capacity settings, ready to be asked. Which capacity serves it is decided here and nowhere else (A7). */
export class AccountTerms {
  readonly settings: CapacitySettings;
  /** The most it pays for a variable instance-hour; also its bid among those who wait. */
  readonly bidUsdPerHour: number;
  /** Its constraints but the windows, which are the same for all instances. */
  readonly #ofInstance: readonly Exclude<Constraint, { kind: "window" }>[];
  readonly #windows: readonly Extract<Constraint, { kind: "window" }>[];
  #areWindowsOpen = true;
  /** Until then `#areWindowsOpen` holds, by the wall clock; it is asked anew when that clock was set back. */
  #checkedAtWallMs = Number.POSITIVE_INFINITY;
  #nextChangeWallMs = Number.NEGATIVE_INFINITY;

  constructor(settings: CapacitySettings) {
    this.settings = settings;
    this.#windows = settings.constraints.filter((constraint) => constraint.kind === "window");
    this.#ofInstance = settings.constraints.filter((constraint) => constraint.kind !== "window");
    const prices = settings.constraints.map((c) => (c.kind === "price" ? c.usdPerHourMax : Number.POSITIVE_INFINITY));
    this.bidUsdPerHour = Math.min(Number.POSITIVE_INFINITY, ...prices);
  }

  get usesVariable(): boolean {
    return this.settings.class === "variable" || this.settings.class === "mixed";
  }

  /** Fixed capacity serves it without any wait. */
  get usesFixedAtOnce(): boolean {
    return this.settings.class !== "variable";
  }

  /** Fixed capacity may serve it, at once or in the end. */
  get mayUseFixed(): boolean {
    return this.usesFixedAtOnce || this.settings.onShortage.kind === "fixed";
  }

  /** Whether an invocation that waits since then may run on fixed capacity as well. */
  isWidened(sinceMs: number, nowMs: number): boolean {
    if (this.usesFixedAtOnce) return true;
    const { onShortage } = this.settings;
    return onShortage.kind === "fixed" && nowMs - sinceMs >= onShortage.afterMs;
  }

  /** When an invocation that waits since then is widened or refused; Infinity: never. */
  patienceEndsMs(sinceMs: number): number {
    const { onShortage } = this.settings;
    if (this.usesFixedAtOnce || onShortage.kind === "wait") return Number.POSITIVE_INFINITY;
    return sinceMs + onShortage.afterMs;
  }

  /** Whether an instance on these terms may serve it now. @param withFixed see `isWidened`. */
  admits(terms: Terms, withFixed: boolean, wallMs: number): boolean {
    if (terms.subPool === "fixed") return withFixed;
    if (!this.usesVariable) return false;
    if (!this.#windowsOpen(wallMs)) return false;
    return this.#ofInstance.every((constraint) => isMet(constraint, terms));
  }

  /** What of its constraints variable capacity on these terms fails; empty: nothing. */
  unmet(terms: Terms, wallMs: number): WaitCause[] {
    const causes: WaitCause[] = this.closedWindows(wallMs);
    for (const constraint of this.#ofInstance) {
      if (!isMet(constraint, terms)) causes.push({ kind: constraint.kind, text: complaint(constraint, terms) });
    }
    return causes;
  }

  /** The windows that keep it from all variable capacity now. */
  closedWindows(wallMs: number): WaitCause[] {
    return this.#windows
      .filter((window) => !isOpen(window, wallMs))
      .map((window) => ({ kind: "window", text: `the window ${describeWindow(window)} is closed` }));
  }

  /** When one of its windows may open or close, by the wall clock; Infinity: it has none. */
  nextWindowChangeMs(wallMs: number): number {
    if (this.#windows.length === 0) return Number.POSITIVE_INFINITY;
    this.#windowsOpen(wallMs);
    return this.#nextChangeWallMs;
  }

  #windowsOpen(wallMs: number): boolean {
    if (this.#windows.length === 0) return true;
    if (wallMs < this.#checkedAtWallMs || wallMs >= this.#nextChangeWallMs) {
      this.#checkedAtWallMs = wallMs;
      this.#areWindowsOpen = this.#windows.every((window) => isOpen(window, wallMs));
      this.#nextChangeWallMs = Math.min(...this.#windows.map((window) => nextChangeMs(window, wallMs)));
    }
    return this.#areWindowsOpen;
  }
}

/** Of accounts about which nothing was said. */
export const DEFAULT_TERMS = new AccountTerms(DEFAULT_CAPACITY);

type InstanceConstraint = Exclude<Constraint, { kind: "window" }>;

function isMet(constraint: InstanceConstraint, { offer, remainingMs }: Terms): boolean {
  if (constraint.kind === "lifetime") return remainingMs >= constraint.remainingMsMin;
  if (offer === undefined) return false;
  switch (constraint.kind) {
    case "price":
      return offer.priceUsdPerHour <= constraint.usdPerHourMax;
    case "demand":
      return offer.demandLevel <= constraint.levelMax;
    case "provider":
      return constraint.anyOf.includes(offer.provider);
    case "instanceType":
      return constraint.anyOf.includes(offer.instanceType);
    case "zone":
      return constraint.anyOf.includes(offer.zone);
    default:
      return constraint satisfies never;
  }
}

function complaint(constraint: InstanceConstraint, { offer, remainingMs }: Terms): string {
  const what = offer?.id ?? "an offer that is not known";
  switch (constraint.kind) {
    case "lifetime":
      return `${what} is sure for ${seconds(remainingMs)}, ${seconds(constraint.remainingMsMin)} are wanted`;
    case "price":
      return `${what} costs ${offer?.priceUsdPerHour ?? "?"} USD/h, at most ${constraint.usdPerHourMax} is allowed`;
    case "demand":
      return `${what} has demand level ${offer?.demandLevel.toFixed(2) ?? "?"}, at most ${constraint.levelMax} is allowed`;
    default:
      return `${what} is none of the ${constraint.kind}s ${constraint.anyOf.join(", ")}`;
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}

const DAY_NAMES = ["", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

function describeWindow({ timeZone, days, fromMinute, toMinute }: Extract<Constraint, { kind: "window" }>): string {
  return `${days.map((day) => DAY_NAMES[day]).join(" ")} ${clock(fromMinute)}-${clock(toMinute)} ${timeZone}`;
}

function clock(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
}
