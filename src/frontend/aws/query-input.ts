import { LambdaError } from "../lambda/lambda-error.ts";

/** Members of a list in one request; more is nobody's. */
const MEMBERS_MAX = 1000;

/** The parameters of a request of AWS's query protocol: `Tags.member.1.Key=…`. */
export class QueryInput {
  readonly #parameters: URLSearchParams;

  constructor(body: Buffer) {
    this.#parameters = new URLSearchParams(body.toString());
  }

  /** undefined: it is not there. */
  text(name: string): string | undefined {
    return this.#parameters.get(name) ?? undefined;
  }

  /** @throws LambdaError ValidationError: it is not there, or does not match. */
  required(name: string, pattern = /^[\s\S]+$/): string {
    const value = this.text(name);
    if (value === undefined) throw invalid(`${name} is required.`);
    if (!pattern.test(value))
      throw invalid(`The specified value for ${name} is invalid. It must match ${pattern.source}`);
    return value;
  }

  /** @throws LambdaError ValidationError: it is no whole number between the two. */
  number(name: string, min: number, max: number): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = Number(value);
    if (Number.isInteger(number) && number >= min && number <= max) return number;
    throw invalid(`${name} must be a whole number from ${min} to ${max}.`);
  }

  /** Members of a list of texts. */
  texts(name: string): readonly string[] {
    return this.#members(name, "");
  }

  /** Members of a list of tags. */
  tags(name: string): Record<string, string> {
    const values = this.#members(name, ".Value");
    return Object.fromEntries(this.#members(name, ".Key").map((key, i) => [key, values[i] ?? ""]));
  }

  #members(name: string, part: string): string[] {
    const members: string[] = [];
    for (let i = 1; i <= MEMBERS_MAX; i++) {
      const value = this.text(`${name}.member.${i}${part}`);
      if (value === undefined) break;
      members.push(value);
    }
    return members;
  }
}

/** The error of an input that does not fit. */
export function invalid(message: string): LambdaError {
  return new LambdaError("ValidationError", 400, message);
}
