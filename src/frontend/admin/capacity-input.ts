import type { CapacitySettings, Constraint, IsoWeekday } from "../../model/capacity.ts";
import { contradictionsIn } from "./capacity-contradiction.ts";
import { capacitySchema, type ParsedConstraint, type ParsedDocument } from "./capacity-schema.ts";

/** Faults told at once; more are most often the same one again. */
const FAULTS_TOLD_MAX = 5;
const SHOWN_LENGTH_MAX = 60;
const EVERY_DAY: readonly IsoWeekday[] = [1, 2, 3, 4, 5, 6, 7];

export type CapacityInput =
  | { readonly kind: "settings"; readonly settings: CapacitySettings }
  /** Names every field that is wrong, what is wrong with it, and what to write instead. */
  | { readonly kind: "refused"; readonly message: string };

/** Parses capacity settings from outside. @param json a `CapacityDocument`, if the caller is right. */
export function parseCapacity(json: unknown): CapacityInput {
  const parsed = capacitySchema.safeParse(json, { error: unexplained });
  const faults = parsed.success
    ? contradictionsIn(parsed.data)
    : parsed.error.issues.map((issue) => faultOf(json, issue));
  if (!parsed.success || faults.length > 0) return { kind: "refused", message: told(faults) };
  const { class: capacityClass, dedicatedInstances, constraints, onShortage } = parsed.data;
  return {
    kind: "settings",
    settings: {
      class: capacityClass,
      dedicatedInstances: dedicatedInstances ?? 0,
      constraints: (constraints ?? []).map(constraintOf),
      onShortage: onShortageOf(onShortage),
    },
  };
}

function constraintOf(parsed: ParsedConstraint): Constraint {
  if (parsed.kind === "lifetime") return { kind: "lifetime", remainingMsMin: parsed.atLeast };
  if (parsed.kind !== "window") return parsed;
  const { timeZone, days, from, to } = parsed;
  return { kind: "window", timeZone, days: days ?? EVERY_DAY, fromMinute: from, toMinute: to };
}

function onShortageOf(parsed: ParsedDocument["onShortage"]): CapacitySettings["onShortage"] {
  if (parsed === undefined || parsed.kind === "wait") return { kind: "wait" };
  return { kind: parsed.kind, afterMs: parsed.after };
}

/** For the few faults without a message of their own. */
function unexplained(issue: { readonly code?: string; readonly keys?: readonly string[] }): string | undefined {
  if (issue.code !== "unrecognized_keys") return undefined;
  return `has no member ${(issue.keys ?? []).map((key) => shown(key)).join(", ")}; docs/capacity.md lists the members`;
}

type Issue = { readonly path: readonly PropertyKey[]; readonly message: string };

/** `constraints[1].timeZone: "Europe/Berln" is no IANA time zone; write it like …`. */
function faultOf(json: unknown, { path, message }: Issue): string {
  const value = path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], json);
  const where = path.reduce<string>(
    (text, key) => (typeof key === "number" ? `${text}[${key}]` : text === "" ? String(key) : `${text}.${String(key)}`),
    "",
  );
  const says = value === undefined ? `missing${message.slice(message.indexOf(";"))}` : `${shown(value)} ${message}`;
  return where === "" ? says : `${where}: ${says}`;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= SHOWN_LENGTH_MAX ? text : `${text.slice(0, SHOWN_LENGTH_MAX)}…`;
}

function told(faults: readonly string[]): string {
  const more = faults.length - FAULTS_TOLD_MAX;
  return [...faults.slice(0, FAULTS_TOLD_MAX), ...(more > 0 ? [`and ${more} more`] : [])].join("\n");
}
