import { BlockList, isIP } from "node:net";

/** A pattern in EventBridge's syntax, ready to be asked. */
export type EventPattern = (event: unknown) => boolean;

/** The pattern is not one. */
export class PatternError extends Error {}

const DEPTH_MAX = 32;

/**
 * Reads a pattern: nested objects whose leaves are lists of values and of content filters (`prefix`, `suffix`,
 * `equals-ignore-case`, `wildcard`, `anything-but`, `numeric`, `exists`, `cidr`), and `$or`
 * (AWS documentation, "Comparison operators for use in event patterns").
 * @throws PatternError.
 */
export function parseEventPattern(text: string): EventPattern {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new PatternError((error as Error).message);
  }
  if (!isObject(json) || Object.keys(json).length === 0) throw new PatternError("it is no object with members");
  const fits = objectOf(json, [], 0);
  return (event) => fits(event, absenceIn(event));
}

/** Names from the event's outermost object on. */
type Path = readonly string[];

/** Of a part of an event; what is absent is so in the whole event, whatever the part is. */
type Fit = (part: unknown, isAbsent: (path: Path) => boolean) => boolean;

/** @param path of the object. */
function objectOf(pattern: Record<string, unknown>, path: Path, depth: number): Fit {
  if (depth > DEPTH_MAX) throw new PatternError(`it is deeper than ${DEPTH_MAX}`);
  const members = Object.entries(pattern).map(([name, member]): Fit => {
    if (name === "$or" && Array.isArray(member) && member.length > 1 && member.every(isObject)) {
      const choices = member.map((choice) => objectOf(choice, path, depth + 1));
      return (part, isAbsent) => choices.some((fits) => fits(part, isAbsent));
    }
    if (Array.isArray(member)) return leafOf(name, member, [...path, name]);
    if (!isObject(member)) throw new PatternError(`${name} is neither a list nor an object`);
    const fits = objectOf(member, [...path, name], depth + 1);
    return (part, isAbsent) => {
      const objects = valuesAt(part, name).filter(isObject);
      return objects.length === 0 ? fits({}, isAbsent) : objects.some((object) => fits(object, isAbsent));
    };
  });
  return (part, isAbsent) => members.every((fits) => fits(part, isAbsent));
}

/** One of the values that an event has there is enough. */
function leafOf(name: string, choices: readonly unknown[], path: Path): Fit {
  if (choices.length === 0) throw new PatternError(`${name} has no values`);
  const tests = choices.filter((choice) => !isAbsence(choice)).map(testOf);
  const mayBeAbsent = tests.length < choices.length;
  return (part, isAbsent) => {
    const values = valuesAt(part, name);
    return tests.some((fits) => values.some(fits)) || (mayBeAbsent && isAbsent(path));
  };
}

function isAbsence(choice: unknown): boolean {
  return isObject(choice) && choice["exists"] === false && Object.keys(choice).length === 1;
}

/** Whether an event has no value at a path, in no object of any list; each path is looked for once. */
function absenceIn(event: unknown): (path: Path) => boolean {
  const known = new Map<Path, boolean>();
  return (path) => {
    const found = known.get(path) ?? !hasValue(event, path);
    known.set(path, found);
    return found;
  };
}

function hasValue(event: unknown, path: Path): boolean {
  let values = [event];
  for (const name of path) values = values.flatMap((value) => valuesAt(value, name));
  return values.some(isPlain);
}

/** What an object has under a name: of a list, and of lists in it, the members, as EventBridge sees them. */
function valuesAt(part: unknown, name: string): unknown[] {
  const values: unknown[] = [];
  const left = isObject(part) && Object.hasOwn(part, name) ? [part[name]] : [];
  // Not by recursion: lists may be as deep as a message is long.
  while (left.length > 0) {
    const value = left.pop();
    if (!Array.isArray(value)) values.push(value);
    else for (const member of value) left.push(member);
  }
  return values;
}

type Test = (value: unknown) => boolean;

function testOf(leaf: unknown): Test {
  if (isPlain(leaf)) return (value) => value === leaf;
  if (!isObject(leaf)) throw new PatternError("a list in a list");
  const [[name = "", operand] = [], ...others] = Object.entries(leaf);
  if (others.length > 0) throw new PatternError("a filter has one member");
  switch (name) {
    case "exists":
      if (operand !== true) throw new PatternError("exists is true or false");
      return isPlain;
    case "numeric":
      return numeric(operand);
    case "cidr":
      return cidr(operand);
    case "anything-but":
      return anythingBut(operand);
    default:
      return textTest(name, operand);
  }
}

function textTest(name: string, operand: unknown): Test {
  if (
    (name === "prefix" || name === "suffix") &&
    isObject(operand) &&
    typeof operand["equals-ignore-case"] === "string"
  ) {
    const part = operand["equals-ignore-case"].toLowerCase();
    return (value) => typeof value === "string" && textTest(name, part)(value.toLowerCase());
  }
  if (typeof operand !== "string") throw new PatternError(`${name} wants text`);
  switch (name) {
    case "prefix":
      return (value) => typeof value === "string" && value.startsWith(operand);
    case "suffix":
      return (value) => typeof value === "string" && value.endsWith(operand);
    case "equals-ignore-case": {
      const text = operand.toLowerCase();
      return (value) => typeof value === "string" && value.toLowerCase() === text;
    }
    case "wildcard": {
      const parts = wildcardParts(operand);
      return (value) => typeof value === "string" && fitsWildcard(value, parts);
    }
    default:
      throw new PatternError(`${name} is no filter`);
  }
}

function anythingBut(operand: unknown): Test {
  // Absent values fit nothing, not even this.
  if (isObject(operand)) {
    const [[name = "", choices] = [], ...others] = Object.entries(operand);
    if (others.length > 0) throw new PatternError("a filter has one member");
    const tests = (Array.isArray(choices) ? choices : [choices]).map((choice) => textTest(name, choice));
    return (value) => isPlain(value) && !tests.some((fits) => fits(value));
  }
  const values = Array.isArray(operand) ? operand : [operand];
  if (values.length === 0 || !values.every(isPlain)) throw new PatternError("anything-but wants values");
  return (value) => isPlain(value) && !values.includes(value);
}

const COMPARISONS: Readonly<Record<string, (value: number, bound: number) => boolean>> = {
  "=": (value, bound) => value === bound,
  "<": (value, bound) => value < bound,
  "<=": (value, bound) => value <= bound,
  ">": (value, bound) => value > bound,
  ">=": (value, bound) => value >= bound,
};

function numeric(operand: unknown): Test {
  if (!Array.isArray(operand) || (operand.length !== 2 && operand.length !== 4)) {
    throw new PatternError("numeric wants one or two comparisons");
  }
  const tests: ((value: number) => boolean)[] = [];
  for (let i = 0; i < operand.length; i += 2) {
    const [sign, bound] = [operand[i], operand[i + 1]] as [unknown, unknown];
    const compare = typeof sign === "string" && Object.hasOwn(COMPARISONS, sign) ? COMPARISONS[sign] : undefined;
    if (compare === undefined || typeof bound !== "number") throw new PatternError("numeric wants signs and numbers");
    tests.push((value) => compare(value, bound));
  }
  return (value) => typeof value === "number" && tests.every((fits) => fits(value));
}

function cidr(operand: unknown): Test {
  const [address = "", bits = ""] = typeof operand === "string" ? operand.split("/") : [];
  const family = isIP(address);
  const prefix = /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  if (family === 0 || !(prefix <= (family === 4 ? 32 : 128))) throw new PatternError("cidr wants a network");
  const list = new BlockList();
  list.addSubnet(address, prefix, family === 4 ? "ipv4" : "ipv6");
  return (value) =>
    typeof value === "string" && isIP(value) === family && list.check(value, family === 4 ? "ipv4" : "ipv6");
}

/** Literal parts between the stars; `\\*` and `\\\\` are the characters themselves. */
function wildcardParts(text: string): string[] {
  const parts = [""];
  for (let i = 0; i < text.length; i++) {
    const character = text[i] as string;
    if (character === "*") {
      if (text[i - 1] === "*" && parts.at(-1) === "") throw new PatternError("two stars follow each other");
      parts.push("");
    } else {
      if (character === "\\") i++;
      const literal = character === "\\" ? text[i] : character;
      if (literal === undefined || (character === "\\" && !"*\\".includes(literal)))
        throw new PatternError("a lone backslash");
      parts[parts.length - 1] += literal;
    }
  }
  return parts;
}

/** In time that grows with the text alone: no backtracking. */
function fitsWildcard(text: string, parts: readonly string[]): boolean {
  const [first = "", ...rest] = parts;
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

function isPlain(value: unknown): value is string | number | boolean | null {
  return value === null || ["string", "number", "boolean"].includes(typeof value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
