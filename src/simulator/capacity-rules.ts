import {
  type CapacitySettings,
  type Constraint,
  DEFAULT_CAPACITY,
  type IsoWeekday,
  type Offer,
} from "../model/capacity.ts";
import type { SubPool } from "../model/instance.ts";

/*
 * Which capacity may serve which account, written down a second time from the words of docs/design/0007-capacity.md and
 * on other means than the core's (local times by `Intl`, not by `Temporal`): what both get wrong alike is all that can hide.
 */

/** Terms of an instance, or of one that is yet to be launched. */
export type TermsSeen = { readonly subPool: SubPool; readonly offer: Offer | undefined; readonly remainingMs: number };

export function usesVariable({ class: kind }: CapacitySettings): boolean {
  return kind === "variable" || kind === "mixed";
}

/** Fixed capacity serves the account without any wait. */
export function usesFixedAtOnce({ class: kind }: CapacitySettings): boolean {
  return kind !== "variable";
}

/** Fixed capacity may serve the account at once or in the end. */
export function mayUseFixed(settings: CapacitySettings): boolean {
  return usesFixedAtOnce(settings) || settings.onShortage.kind === "fixed";
}

/** Whether one that has waited so long for capacity may run on fixed capacity. */
export function hasFallenBack(settings: CapacitySettings, waitedMs: number): boolean {
  if (usesFixedAtOnce(settings)) return true;
  return settings.onShortage.kind === "fixed" && waitedMs >= settings.onShortage.afterMs;
}

/** Whether variable capacity on these terms meets all of the account's constraints. */
export function isSatisfied(settings: CapacitySettings, terms: TermsSeen, wallMs: number): boolean {
  return brokenConstraint(settings, terms, wallMs) === undefined;
}

/** The first constraint that does not hold; undefined: all do. */
export function brokenConstraint(
  { constraints }: CapacitySettings,
  terms: TermsSeen,
  wallMs: number,
): Constraint | undefined {
  return constraints.find((constraint) => !holds(constraint, terms, wallMs));
}

function holds(constraint: Constraint, { offer, remainingMs }: TermsSeen, wallMs: number): boolean {
  switch (constraint.kind) {
    case "window":
      return isWindowOpen(constraint, wallMs);
    case "lifetime":
      return remainingMs >= constraint.remainingMsMin;
    case "price":
      return offer !== undefined && offer.priceUsdPerHour <= constraint.usdPerHourMax;
    case "demand":
      return offer !== undefined && offer.demandLevel <= constraint.levelMax;
    case "provider":
      return offer !== undefined && constraint.anyOf.includes(offer.provider);
    case "instanceType":
      return offer !== undefined && constraint.anyOf.includes(offer.instanceType);
    case "zone":
      return offer !== undefined && constraint.anyOf.includes(offer.zone);
    default:
      return constraint satisfies never;
  }
}

type Window = Extract<Constraint, { kind: "window" }>;

const MINUTE_MS = 60_000;
const formats = new Map<string, Intl.DateTimeFormat>();
const localTimes = new Map<string, LocalTime>();
/** Worlds ask for few distinct minutes; the cache is emptied before it grows. */
const LOCAL_TIMES_MAX = 10_000;
type LocalTime = { readonly day: IsoWeekday; readonly minute: number };
const DAYS: Readonly<Record<string, IsoWeekday>> = { Mon: 1, Tue: 2, Wed: 3, Thu: 4, Fri: 5, Sat: 6, Sun: 7 };

/** Whether the window is open; the day in `days` is the one on which it opened. */
export function isWindowOpen({ timeZone, days, fromMinute, toMinute }: Window, wallMs: number): boolean {
  const { day, minute } = localTime(timeZone, wallMs);
  const runsPastMidnight = toMinute <= fromMinute;
  if (!runsPastMidnight) return days.includes(day) && fromMinute <= minute && minute < toMinute;
  const dayBefore = (((day + 5) % 7) + 1) as IsoWeekday;
  if (minute >= fromMinute) return days.includes(day);
  return minute < toMinute && days.includes(dayBefore);
}

function localTime(timeZone: string, wallMs: number): LocalTime {
  const minuteMs = Math.floor(wallMs / MINUTE_MS) * MINUTE_MS;
  const key = `${timeZone} ${minuteMs}`;
  let time = localTimes.get(key);
  if (time === undefined) {
    if (localTimes.size >= LOCAL_TIMES_MAX) localTimes.clear();
    time = readLocalTime(timeZone, minuteMs);
    localTimes.set(key, time);
  }
  return time;
}

function readLocalTime(timeZone: string, wallMs: number): LocalTime {
  let format = formats.get(timeZone);
  if (format === undefined) {
    const parts = { weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
    format = new Intl.DateTimeFormat("en-US", { timeZone, ...parts });
    formats.set(timeZone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(wallMs).map(({ type, value }) => [type, value]));
  const day = DAYS[parts["weekday"] ?? ""] ?? 1;
  return { day, minute: Number(parts["hour"]) * 60 + Number(parts["minute"]) };
}

/** The end of one that waits for capacity and gets none, counted from when it began to wait; Infinity: it waits on. */
export function patienceMs(settings: CapacitySettings, waitMsMax: number): number {
  if (usesFixedAtOnce(settings)) return waitMsMax;
  return settings.onShortage.kind === "fail" ? settings.onShortage.afterMs : Number.POSITIVE_INFINITY;
}

/** The most that the account pays for a variable instance-hour. */
export function bidMaxOf({ constraints }: CapacitySettings): number {
  return constraints.reduce(
    (least, c) => (c.kind === "price" ? Math.min(least, c.usdPerHourMax) : least),
    Number.POSITIVE_INFINITY,
  );
}

/** What counts for an account about which nothing was said. */
export const NOTHING_SAID = DEFAULT_CAPACITY;
