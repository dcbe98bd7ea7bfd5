import { type CapacityDocument, type ConstraintDocument, DAY_NAMES, type DayName } from "../ports/capacity-document.ts";

/** Settings for people, one line for each: its name and what it says. */
export function capacityLines(capacity: CapacityDocument): [name: string, text: string][] {
  const { dedicatedInstances, constraints = [], onShortage } = capacity;
  return [
    ["class", classText(capacity.class, dedicatedInstances)],
    ...constraints.map((constraint): [string, string] => [NAMES[constraint.kind], constraintText(constraint)]),
    ...(onShortage === undefined ? [] : [["on shortage", onShortageText(onShortage)] satisfies [string, string]]),
  ];
}

/** All of it in one line, for a history. */
export function capacitySummary(capacity: CapacityDocument): string {
  const [[, capacityClass] = ["", ""], ...rest] = capacityLines(capacity);
  const short = rest.filter(([, text]) => text !== WAITS).map(([name, text]) => `${name} ${text}`);
  return [capacityClass, ...short].join("; ");
}

const NAMES: Readonly<Record<ConstraintDocument["kind"], string>> = {
  price: "price",
  window: "window",
  demand: "demand",
  lifetime: "lifetime",
  provider: "provider",
  instanceType: "type",
  zone: "zone",
};

const WAITS = "waits";

function classText(capacityClass: CapacityDocument["class"], dedicatedInstances: number | undefined): string {
  if (capacityClass !== "dedicated") return capacityClass;
  return `dedicated, ${dedicatedInstances} ${dedicatedInstances === 1 ? "instance" : "instances"} of its own`;
}

function constraintText(constraint: ConstraintDocument): string {
  switch (constraint.kind) {
    case "price":
      return `at most ${constraint.usdPerHourMax} USD/h`;
    case "window":
      return `${daysText(constraint.days)} ${constraint.from}-${constraint.to} ${constraint.timeZone}`;
    case "demand":
      return `at most ${constraint.levelMax}`;
    case "lifetime":
      return `at least ${constraint.atLeast}`;
    case "provider":
    case "instanceType":
    case "zone":
      return constraint.anyOf.join(" or ");
    default:
      return constraint satisfies never;
  }
}

function onShortageText(onShortage: NonNullable<CapacityDocument["onShortage"]>): string {
  if (onShortage.kind === "wait") return WAITS;
  return onShortage.kind === "fixed" ? `fixed after ${onShortage.after}` : `fails after ${onShortage.after}`;
}

/** `mon-fri`, `mon-wed,sat`, `daily`. */
function daysText(days: readonly DayName[] = DAY_NAMES): string {
  if (days.length === DAY_NAMES.length) return "daily";
  const runs: DayName[][] = [];
  DAY_NAMES.forEach((day, i) => {
    if (!days.includes(day)) return;
    const latest = runs.at(-1);
    if (latest !== undefined && latest.at(-1) === DAY_NAMES[i - 1]) latest.push(day);
    else runs.push([day]);
  });
  return runs.map((run) => (run.length > 1 ? `${run[0]}-${run.at(-1)}` : run[0])).join(",");
}
