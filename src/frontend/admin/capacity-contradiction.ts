import type { ParsedConstraint, ParsedDocument } from "./capacity-schema.ts";

type ParsedWindow = Extract<ParsedConstraint, { kind: "window" }>;

const MINUTES_PER_DAY = 1440;
const MINUTES_PER_WEEK = 7 * MINUTES_PER_DAY;

/** What each class takes no notice of, so that somebody who writes it is mistaken about something. */
const MEMBERS_OF: Readonly<Record<ParsedDocument["class"], readonly (keyof ParsedDocument)[]>> = {
  fixed: [],
  variable: ["constraints", "onShortage"],
  mixed: ["constraints"],
  dedicated: ["dedicatedInstances"],
};

const OPTIONAL_MEMBERS = ["dedicatedInstances", "constraints", "onShortage"] as const;

const WHERE_IT_BELONGS = {
  dedicatedInstances: "belongs to class dedicated",
  constraints: "belong to classes variable and mixed",
  onShortage: "belongs to class variable",
} as const;

/** What is wrong with settings whose members are right one by one: combinations that make no sense. */
export function contradictionsIn(document: ParsedDocument): string[] {
  return [...misplaced(document), ...twice(document.constraints ?? []), ...neverTogether(document.constraints ?? [])];
}

function misplaced(document: ParsedDocument): string[] {
  const { class: capacityClass, dedicatedInstances } = document;
  const faults = OPTIONAL_MEMBERS.filter((member) => isGiven(document[member]))
    .filter((member) => !MEMBERS_OF[capacityClass].includes(member))
    .map(
      (member) => `${member}: ${WHERE_IT_BELONGS[member]}, not to ${capacityClass}; leave it out or change the class`,
    );
  if (capacityClass === "dedicated" && dedicatedInstances === undefined) {
    faults.push("dedicatedInstances: missing; say how many instances are the account's own");
  }
  return faults;
}

function isGiven(member: unknown): boolean {
  return member !== undefined && !(Array.isArray(member) && member.length === 0);
}

/** All constraints must hold, so of two of a kind one says nothing or both can never hold. Windows may be several. */
function twice(constraints: readonly ParsedConstraint[]): string[] {
  return constraints.flatMap(({ kind }, i) => {
    const first = constraints.findIndex((other) => other.kind === kind);
    if (kind === "window" || first === i) return [];
    return [`constraints[${i}].kind: "${kind}" is there already in constraints[${first}]; keep one of them`];
  });
}

/** Windows of one time zone that have no minute of the week in common. Those of several zones are left to the reader. */
function neverTogether(constraints: readonly ParsedConstraint[]): string[] {
  const windows = constraints.flatMap((each, i) => (each.kind === "window" ? [{ each, i }] : []));
  return windows.flatMap(({ each, i }, at) => {
    const earlier = windows
      .slice(0, at)
      .find(({ each: other }) => other.timeZone === each.timeZone && !overlap(each, other));
    if (earlier === undefined) return [];
    const says = "all constraints must hold at once, so nothing would ever run; keep one of them";
    return [`constraints[${i}]: this window never overlaps constraints[${earlier.i}]; ${says}`];
  });
}

function overlap(a: ParsedWindow, b: ParsedWindow): boolean {
  const minutes = minutesOfWeek(a);
  return minutesOfWeek(b).some((isOpen, minute) => isOpen && minutes[minute] === true);
}

function minutesOfWeek({ days, from, to }: ParsedWindow): boolean[] {
  const minutes = Array.from({ length: MINUTES_PER_WEEK }, () => false);
  const lengthMinutes = to > from ? to - from : to + MINUTES_PER_DAY - from;
  for (const day of days ?? [1, 2, 3, 4, 5, 6, 7]) {
    const start = (day - 1) * MINUTES_PER_DAY + from;
    for (let minute = start; minute < start + lengthMinutes; minute++) minutes[minute % MINUTES_PER_WEEK] = true;
  }
  return minutes;
}
