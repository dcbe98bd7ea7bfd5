import type { CapacitySettings, Constraint } from "../../model/capacity.ts";
import { durationText } from "../../model/duration.ts";
import {
  type CapacityDocument,
  type ConstraintDocument,
  DAY_NAMES,
  type OnShortageDocument,
} from "../../ports/capacity-document.ts";

/** Settings as people write them; `parseCapacity` reads them back as the same. */
export function capacityDocumentOf(settings: CapacitySettings): CapacityDocument {
  const { class: capacityClass, dedicatedInstances, constraints } = settings;
  switch (capacityClass) {
    case "fixed":
      return { class: "fixed" };
    case "dedicated":
      return { class: "dedicated", dedicatedInstances };
    case "mixed":
      return { class: "mixed", constraints: constraints.map(constraintDocumentOf) };
    case "variable": {
      const onShortage = onShortageDocumentOf(settings.onShortage);
      return { class: "variable", constraints: constraints.map(constraintDocumentOf), onShortage };
    }
    default:
      return capacityClass satisfies never;
  }
}

function constraintDocumentOf(constraint: Constraint): ConstraintDocument {
  if (constraint.kind === "lifetime") return { kind: "lifetime", atLeast: durationText(constraint.remainingMsMin) };
  if (constraint.kind !== "window") return constraint;
  const { timeZone, days, fromMinute, toMinute } = constraint;
  return {
    kind: "window",
    timeZone,
    days: DAY_NAMES.filter((_, i) => days.some((day) => day === i + 1)),
    from: timeText(fromMinute),
    to: timeText(toMinute),
  };
}

function onShortageDocumentOf(onShortage: CapacitySettings["onShortage"]): OnShortageDocument {
  if (onShortage.kind === "wait") return { kind: "wait" };
  return { kind: onShortage.kind, after: durationText(onShortage.afterMs) };
}

function timeText(minuteOfDay: number): string {
  const two = (part: number) => String(part).padStart(2, "0");
  return `${two(Math.floor(minuteOfDay / 60))}:${two(minuteOfDay % 60)}`;
}
