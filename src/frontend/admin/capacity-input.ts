import type { CapacitySettings, Constraint, IsoWeekday } from "../../model/capacity.ts";
import { contradictionsIn } from "./capacity-contradiction.ts";
import { capacitySchema, type ParsedConstraint, type ParsedDocument } from "./capacity-schema.ts";
import { faultOf, told, unexplainedIn } from "./document-fault.ts";

const EVERY_DAY: readonly IsoWeekday[] = [1, 2, 3, 4, 5, 6, 7];

export type CapacityInput =
  | { readonly kind: "settings"; readonly settings: CapacitySettings }
  /** Names every field that is wrong, what is wrong with it, and what to write instead. */
  | { readonly kind: "refused"; readonly message: string };

/** Parses capacity settings from outside. @param json a `CapacityDocument`, if the caller is right. */
export function parseCapacity(json: unknown): CapacityInput {
  const parsed = capacitySchema.safeParse(json, { error: unexplainedIn("docs/capacity.md") });
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
