import model from "./lambda-constraints.json" with { type: "json" };
import {
  DOUBLE_MEMBERS,
  RECORDED_ENUMS,
  RECORDED_SHAPES,
  type Shape,
  VALUES_THAT_MAY_BE_NULL,
} from "./recorded-constraints.ts";
import { Violations } from "./violation.ts";

/** An operation of the service model whose input has members. */
export type ConstrainedOperation = keyof typeof model.operations;

const shapes = model.shapes as Readonly<Record<string, Shape>>;

/**
 * What the service model finds wrong with an operation's input, in the words of AWS's front door.
 *
 * @param input by the names of its members, from wherever in the request they come; undefined and null are absent.
 * @param except members that are checked by other rules.
 */
export function inputViolations(
  operation: ConstrainedOperation,
  input: Readonly<Record<string, unknown>>,
  except: readonly string[] = [],
): Violations {
  const violations = new Violations();
  const { input: name } = model.operations[operation] as { readonly input?: string };
  if (name === undefined) return violations;
  const shape = shapeOf(name);
  const members = Object.entries(shape.members ?? {}).filter(([member]) => !except.includes(member));
  checkStructure({ ...shape, members: Object.fromEntries(members) }, input, "", violations);
  return violations;
}

/** @throws LambdaError ValidationException. */
export function checkInput(...given: Parameters<typeof inputViolations>): void {
  inputViolations(...given).check();
}

/** The constraints of a shape, as recordings of AWS's answers correct the model. */
export function shapeOf(name: string): Shape {
  const shape = shapes[name];
  if (shape === undefined) throw new Error(`the service model has no shape ${name}`);
  const recorded = { ...shape, ...RECORDED_ENUMS[name], ...RECORDED_SHAPES[name] };
  if (recorded.pattern === undefined) return recorded;
  // Regions of the European sovereign cloud, which the answers know and the model does not.
  return { ...recorded, pattern: recorded.pattern.replace(/(?<!\(eusc-\)\?)\[a-z\]\{2\}\(\(-gov\)/, "(eusc-)?$&") };
}

function checkStructure(
  { members = {}, required = [] }: Shape,
  value: Readonly<Record<string, unknown>>,
  path: string,
  violations: Violations,
): void {
  for (const [name, { shape }] of Object.entries(members)) {
    const member = value[name];
    const at = path === "" ? lowerCamel(name) : `${path}.${lowerCamel(name)}`;
    if (member !== undefined && member !== null) checkValue(shape, member, at, violations);
    else if (required.includes(name)) violations.required(member, at);
  }
}

function checkValue(name: string, value: unknown, path: string, violations: Violations): void {
  const shape = shapeOf(name);
  switch (shape.type) {
    case "structure":
      return checkStructure(shape, value as Record<string, unknown>, path, violations);
    case "list": {
      const list = value as readonly unknown[];
      violations.length(list, path, shape.min ?? 0, shape.max ?? Number.POSITIVE_INFINITY);
      if (list.every((each) => brokenBy(shape.member, each).length === 0)) return;
      return violations.add(list, path, `Member must satisfy constraint: [${constraintsOf(shape.member)}]`);
    }
    case "map": {
      const map = value as Readonly<Record<string, unknown>>;
      const shown = DOUBLE_MEMBERS.has(name) ? doublesOf(map) : map;
      if (Object.keys(map).some((key) => brokenBy(shape.key, key).length > 0)) {
        violations.add(shown, path, `Map keys must satisfy constraint: [${keyConstraintsOf(shape.key)}]`);
      }
      if (Object.values(map).some((each) => brokenBy(shape.value, each).length > 0)) {
        violations.add(shown, path, `Map value must satisfy constraint: [${constraintsOf(shape.value)}]`);
      }
      return;
    }
    default:
      for (const constraint of brokenBy(name, value)) violations.add(value, path, constraint);
  }
}

/** The constraints of a plain value that this one breaks. */
function brokenBy(name: string | undefined, value: unknown): string[] {
  return constraintTexts(name)
    .filter(([, holds]) => !holds(value))
    .map(([text]) => text);
}

/** All that elements and map values must satisfy. */
function constraintsOf(name: string | undefined): string {
  const texts = constraintTexts(name).map(([text]) => text);
  return (VALUES_THAT_MAY_BE_NULL.has(name ?? "") ? texts : [...texts, "Member must not be null"]).join(", ");
}

function keyConstraintsOf(name: string | undefined): string {
  return constraintTexts(name)
    .map(([text]) => text)
    .join(", ");
}

type Constraint = readonly [text: string, holds: (value: unknown) => boolean];

/** In the order in which AWS lists them. */
function constraintTexts(name: string | undefined): Constraint[] {
  if (name === undefined) return [];
  const { type, min, max, pattern, enum: allowed } = shapeOf(name);
  const constraints: Constraint[] = [];
  const isText = type === "string";
  if (type === "boolean" || type === "blob") return constraints;
  const measure = (value: unknown) => (isText ? [...String(value)].length : Number(value));
  const figure = (bound: number) => (type === "double" ? bound.toFixed(1) : String(bound));
  const what = isText ? "length" : "value";
  if (max !== undefined) {
    const text = `Member must have ${what} less than or equal to ${figure(max)}`;
    constraints.push([text, (value) => measure(value) <= max]);
  }
  if (min !== undefined) {
    const text = `Member must have ${what} greater than or equal to ${figure(min)}`;
    constraints.push([text, (value) => measure(value) >= min]);
  }
  if (pattern !== undefined) {
    const whole = new RegExp(`^(?:${pattern})$`);
    const text = `Member must satisfy regular expression pattern: ${pattern}`;
    constraints.push([text, (value) => whole.test(String(value))]);
  }
  if (allowed !== undefined) {
    const text = `Member must satisfy enum value set: [${allowed.join(", ")}]`;
    constraints.push([text, (value) => allowed.includes(String(value))]);
  }
  return constraints;
}

/** AWS shows floating-point numbers with a point in them. */
function doublesOf(map: Readonly<Record<string, unknown>>): Record<string, string> {
  const shown = (value: unknown) => (Number.isInteger(value) ? `${value}.0` : String(value));
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, shown(value)]));
}

function lowerCamel(name: string): string {
  // KMSKeyArn is kmsKeyArn, S3Bucket s3Bucket, UUID uuid.
  return name.replace(/^[A-Z]+(?=[A-Z][a-z])|^[A-Z]+$|^[A-Z]/, (start) => start.toLowerCase());
}
