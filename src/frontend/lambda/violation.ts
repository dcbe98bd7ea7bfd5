import { LambdaError } from "./lambda-error.ts";

/** Collects what is wrong with a request's members, in the words of AWS's front door, all in one error. */
export class Violations {
  readonly #found: string[] = [];

  /** @param member path of the member in lower camel case, `vpcConfig.subnetIds`. */
  add(value: unknown, member: string, constraint: string): void {
    const shown = value === undefined || value === null ? "null" : `'${show(value)}'`;
    this.#found.push(`Value ${shown} at '${member}' failed to satisfy constraint: ${constraint}`);
  }

  required(value: unknown, member: string): void {
    if (value === undefined || value === null) this.add(value, member, "Member must not be null");
  }

  length(value: string | readonly unknown[] | undefined, member: string, min: number, max: number): void {
    if (value === undefined) return;
    if (value.length < min) this.add(value, member, `Member must have length greater than or equal to ${min}`);
    if (value.length > max) this.add(value, member, `Member must have length less than or equal to ${max}`);
  }

  range(value: number | undefined, member: string, min: number, max: number): void {
    if (value === undefined) return;
    if (value < min) this.add(value, member, `Member must have value greater than or equal to ${min}`);
    if (value > max) this.add(value, member, `Member must have value less than or equal to ${max}`);
  }

  oneOf(value: string | undefined, member: string, allowed: readonly string[]): void {
    if (value === undefined || allowed.includes(value)) return;
    this.add(value, member, `Member must satisfy enum value set: [${allowed.join(", ")}]`);
  }

  /** The value is known not to match. */
  pattern(value: string, member: string, pattern: string): void {
    this.add(value, member, `Member must satisfy regular expression pattern: ${pattern}`);
  }

  matches(value: string | undefined, member: string, pattern: string): void {
    if (value !== undefined && !new RegExp(`^(?:${pattern})$`).test(value)) this.pattern(value, member, pattern);
  }

  /** @throws LambdaError ValidationException naming all that was added. */
  check(): void {
    const count = this.#found.length;
    if (count === 0) return;
    const errors = count === 1 ? "1 validation error" : `${count} validation errors`;
    throw new LambdaError("ValidationException", 400, `${errors} detected: ${this.#found.join("; ")}`);
  }
}

/** Lists and maps as AWS prints them. */
function show(value: unknown): string {
  if (Array.isArray(value)) return `[${value.join(", ")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  return `{${Object.entries(value)
    .map(([key, member]) => `${key}=${member}`)
    .join(", ")}}`;
}
