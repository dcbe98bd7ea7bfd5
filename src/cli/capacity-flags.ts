import {
  type CapacityDocument,
  type ConstraintDocument,
  DAY_NAMES,
  type DayName,
  type OnShortageDocument,
} from "../ports/capacity-document.ts";
import { usageError } from "./cli-error.ts";

/** What `hearth account set` may be told, as text: what the values mean is the server's to judge. */
export type CapacityFlags = {
  readonly class?: string;
  readonly dedicated?: string;
  readonly maxPrice?: string;
  /** May be given several times. */
  readonly window?: readonly string[];
  readonly maxDemand?: string;
  readonly minLifetime?: string;
  readonly provider?: string;
  readonly type?: string;
  readonly zone?: string;
  readonly onShortage?: string;
};

type Kind = ConstraintDocument["kind"];

/** Takes a constraint away again. */
const NONE = "none";

/**
 * The settings as they are, with what the flags change: each flag replaces what was there of its kind, `none` takes it away.
 * Another class keeps what fits it.
 * @throws CliError naming the flag.
 */
export function changedBy(flags: CapacityFlags, now: CapacityDocument): CapacityDocument {
  const capacityClass = (flags.class ?? now.class) as CapacityDocument["class"];
  const replaced = replacementsOf(flags);
  const kept = (now.constraints ?? []).filter(({ kind }) => !replaced.has(kind));
  const constraints = [...kept, ...[...replaced.values()].flat()];
  const hasConstraints = capacityClass === "variable" || capacityClass === "mixed";
  const onShortage = flags.onShortage === undefined ? now.onShortage : onShortageOf(flags.onShortage);
  const hasOnShortage = capacityClass === "variable" || flags.onShortage !== undefined;
  const dedicated = flags.dedicated === undefined ? now.dedicatedInstances : numberOf(flags.dedicated);
  const hasDedicated = capacityClass === "dedicated" || flags.dedicated !== undefined;
  return {
    class: capacityClass,
    ...(hasDedicated && dedicated !== undefined ? { dedicatedInstances: dedicated } : {}),
    // What the class does not fit is sent if it was asked for now, so that the server says so.
    ...(hasConstraints ? { constraints } : replaced.size > 0 ? { constraints: [...replaced.values()].flat() } : {}),
    ...(hasOnShortage && onShortage !== undefined ? { onShortage } : {}),
  };
}

/** Whether the flags change anything. */
export function isAnythingSet(flags: CapacityFlags): boolean {
  const { class: capacityClass, dedicated, onShortage } = flags;
  return replacementsOf(flags).size > 0 || [capacityClass, dedicated, onShortage].some((flag) => flag !== undefined);
}

function replacementsOf(flags: CapacityFlags): Map<Kind, ConstraintDocument[]> {
  const replaced = new Map<Kind, ConstraintDocument[]>();
  const replace = (kind: Kind, text: string | undefined, constraintOf: (text: string) => ConstraintDocument) => {
    if (text !== undefined) replaced.set(kind, text === NONE ? [] : [constraintOf(text)]);
  };
  replace("price", flags.maxPrice, (text) => ({ kind: "price", usdPerHourMax: numberOf(text) }));
  replace("demand", flags.maxDemand, (text) => ({ kind: "demand", levelMax: numberOf(text) }));
  replace("lifetime", flags.minLifetime, (text) => ({ kind: "lifetime", atLeast: text }));
  replace("provider", flags.provider, (text) => ({ kind: "provider", anyOf: namesOf(text) }));
  replace("instanceType", flags.type, (text) => ({ kind: "instanceType", anyOf: namesOf(text) }));
  replace("zone", flags.zone, (text) => ({ kind: "zone", anyOf: namesOf(text) }));
  if (flags.window !== undefined) {
    const isNone = flags.window.length === 1 && flags.window[0] === NONE;
    replaced.set("window", isNone ? [] : flags.window.map(windowOf));
  }
  return replaced;
}

/** What is no number goes as it is, for the server to refuse by the field's name. */
function numberOf(text: string): number {
  const number = Number(text);
  return text.trim() === "" || Number.isNaN(number) ? (text as unknown as number) : number;
}

function namesOf(text: string): string[] {
  return text.split(",").map((name) => name.trim());
}

/** `Europe/Berlin mon-fri 22:00-06:00`; without days, every day. @throws CliError. */
function windowOf(text: string): ConstraintDocument {
  const [timeZone, ...rest] = text.trim().split(/\s+/);
  const times = /^(\d{2}:\d{2})-(\d{2}:\d{2})$/.exec(rest.at(-1) ?? "");
  const [, from, to] = times ?? [];
  if (timeZone === undefined || from === undefined || to === undefined || rest.length > 2) {
    throw usageError(
      `--window "${text}" is no window`,
      'write it like --window "Europe/Berlin mon-fri 22:00-06:00", or without the days for every day',
    );
  }
  const days = rest.length === 2 ? daysOf(rest[0] ?? "", text) : undefined;
  return { kind: "window", timeZone, ...(days === undefined ? {} : { days }), from, to };
}

/** `mon-fri`, `sat,sun`, `fri-mon`. @throws CliError. */
function daysOf(text: string, window: string): DayName[] {
  const chosen = new Set<DayName>();
  for (const part of text.toLowerCase().split(",")) {
    const [first = "", last = first] = part.split("-");
    const [from, to] = [DAY_NAMES.indexOf(first as DayName), DAY_NAMES.indexOf(last as DayName)];
    if (from === -1 || to === -1 || part.split("-").length > 2) {
      throw usageError(`--window "${window}": ${part} is no day`, "write days like mon-fri or sat,sun");
    }
    for (let i = from; ; i = (i + 1) % DAY_NAMES.length) {
      chosen.add(DAY_NAMES[i] as DayName);
      if (i === to) break;
    }
  }
  return DAY_NAMES.filter((day) => chosen.has(day));
}

/** `wait`, `fixed:5m`, `fail:30s`. @throws CliError. */
function onShortageOf(text: string): OnShortageDocument {
  const [kind, after, ...more] = text.split(":");
  if (kind === "wait" && after === undefined) return { kind };
  if ((kind === "fixed" || kind === "fail") && after !== undefined && more.length === 0) return { kind, after };
  throw usageError(`--on-shortage ${text} is unknown`, "write wait, fixed:5m or fail:30s");
}
