import { invalidParameter } from "./log-errors.ts";

/** Whether a value fits. */
type Condition = (value: unknown) => boolean;

const TOKEN =
  /\s*(?:(\$(?:\.[A-Za-z0-9_@-]+|\["[^"]*"\]|\[\d+\])*)|(&&|\|\||!=|<=|>=|[()=<>])|("(?:[^"\\]|\\.)*")|([^\s()&|=<>!"]+))/y;

type Token = { readonly kind: "selector" | "sign" | "text" | "word"; readonly text: string };

/**
 * CloudWatch's patterns for JSON: `{ ($.level = "ERROR") && ($.took > 100) }`. Compares strings (with `*`), numbers and
 * booleans; `IS NULL`, `IS TRUE`, `IS FALSE`, `NOT EXISTS`, `&&` before `||`, parentheses.
 *
 * @throws LambdaError InvalidParameterException: malformed.
 */
export function jsonCondition(pattern: string): Condition {
  if (!pattern.endsWith("}")) throw malformed();
  const parser = new Parser(tokensOf(pattern.slice(1, -1).trim()));
  return parser.whole();
}

function malformed() {
  return invalidParameter("Invalid filter pattern");
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at;
    const [, selector, sign, quoted, word] = TOKEN.exec(text) ?? [undefined];
    if (TOKEN.lastIndex === 0) throw malformed();
    if (selector !== undefined) tokens.push({ kind: "selector", text: selector });
    else if (sign !== undefined) tokens.push({ kind: "sign", text: sign });
    else if (quoted !== undefined) tokens.push({ kind: "text", text: quoted.slice(1, -1).replace(/\\(.)/g, "$1") });
    else tokens.push({ kind: "word", text: word ?? "" });
  }
  return tokens;
}

/** Nesting beyond this is no pattern that anybody wrote. */
const DEPTH_MAX = 50;

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  whole(): Condition {
    const condition = this.#either();
    if (this.#at < this.#tokens.length) throw malformed();
    return condition;
  }

  #either(): Condition {
    const all = [this.#both()];
    while (this.#takes("||")) all.push(this.#both());
    return (value) => all.some((each) => each(value));
  }

  #both(): Condition {
    const all = [this.#one()];
    while (this.#takes("&&")) all.push(this.#one());
    return (value) => all.every((each) => each(value));
  }

  #one(): Condition {
    if (!this.#takes("(")) return this.#comparison();
    this.#depth++;
    if (this.#depth > DEPTH_MAX) throw malformed();
    const inner = this.#either();
    if (!this.#takes(")")) throw malformed();
    this.#depth--;
    return inner;
  }

  #comparison(): Condition {
    const selector = this.#next();
    if (selector.kind !== "selector") throw malformed();
    const select = selectorOf(selector.text);
    const sign = this.#next();
    if (sign.kind === "word") return stateOf(select, `${sign.text} ${this.#next().text}`.toUpperCase());
    if (sign.kind !== "sign") throw malformed();
    return comparisonOf(select, sign.text, this.#next());
  }

  #next(): Token {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw malformed();
    return token;
  }

  #takes(sign: string): boolean {
    const token = this.#tokens[this.#at];
    const isIt = token?.kind === "sign" && token.text === sign;
    if (isIt) this.#at++;
    return isIt;
  }
}

function selectorOf(text: string): (value: unknown) => unknown {
  const steps = [...text.matchAll(/\.([A-Za-z0-9_@-]+)|\["([^"]*)"\]|\[(\d+)\]/g)].map(
    ([, name, quoted, index]) => name ?? quoted ?? index ?? "",
  );
  return (value) => {
    let at: unknown = value;
    for (const step of steps) {
      if (typeof at !== "object" || at === null || !Object.hasOwn(at, step)) return undefined;
      at = (at as Record<string, unknown>)[step];
    }
    return at;
  };
}

function stateOf(select: (value: unknown) => unknown, state: string): Condition {
  switch (state) {
    case "IS NULL":
      return (value) => select(value) === null;
    case "IS TRUE":
      return (value) => select(value) === true;
    case "IS FALSE":
      return (value) => select(value) === false;
    case "NOT EXISTS":
      return (value) => select(value) === undefined;
    default:
      throw malformed();
  }
}

function comparisonOf(select: (value: unknown) => unknown, sign: string, wanted: Token): Condition {
  const number = wanted.kind === "word" ? Number(wanted.text) : Number.NaN;
  if (sign === "=" || sign === "!=") {
    if (wanted.kind !== "word" && wanted.kind !== "text") throw malformed();
    const isEqual = Number.isNaN(number) ? wildcard(wanted.text) : (found: unknown) => found === number;
    return sign === "="
      ? (value) => isEqual(select(value))
      : (value) => select(value) !== undefined && !isEqual(select(value));
  }
  if (Number.isNaN(number)) throw malformed();
  const compare = ORDER[sign];
  if (compare === undefined) throw malformed();
  return (value) => {
    const found = select(value);
    return typeof found === "number" && compare(found, number);
  };
}

const ORDER: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};

/** Text of which `*` may stand for any part. */
function wildcard(text: string): Condition {
  const [first = "", ...rest] = text.split("*");
  const last = rest.pop();
  return (found) => {
    const whole = typeof found === "boolean" ? String(found) : found;
    if (typeof whole !== "string") return false;
    if (last === undefined) return whole === first;
    if (!whole.startsWith(first) || !whole.endsWith(last)) return false;
    let at = first.length;
    for (const part of rest) {
      const found = whole.indexOf(part, at);
      if (found === -1) return false;
      at = found + part.length;
    }
    return at <= whole.length - last.length;
  };
}
