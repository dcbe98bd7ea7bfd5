import { jsonCondition } from "./json-condition.ts";
import { invalidParameter } from "./log-errors.ts";

/** Whether an event's text is one that was asked for. */
export type TextFilter = (text: string) => boolean;

const TERM = /\s*([-?]?)(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))/y;

/**
 * CloudWatch's filter patterns: terms and quoted phrases, all of which the text must have; `-term` which it must not have;
 * `?term ?term` of which it must have one; `{ $.member = value }` for texts that are JSON. Terms are found anywhere, and
 * case counts.
 *
 * @param pattern undefined or empty: every text fits.
 * @throws LambdaError InvalidParameterException: it is malformed, or of a kind that is not understood here (`[columns]`, `%regex%`).
 */
export function filterPattern(pattern = ""): TextFilter {
  const trimmed = pattern.trim();
  if (trimmed.startsWith("{")) return jsonFilter(trimmed);
  if (/^[[%]/.test(trimmed))
    throw invalidParameter("Invalid filter pattern: columns and regular expressions are not supported here.");
  const terms: Record<string, string[]> = { "": [], "-": [], "?": [] };
  for (TERM.lastIndex = 0; TERM.lastIndex < trimmed.length; ) {
    const [, sign = "", quoted, plain = ""] = TERM.exec(trimmed) ?? [undefined];
    if (TERM.lastIndex === 0) throw invalidParameter("Invalid filter pattern");
    terms[sign]?.push(quoted?.replace(/\\(.)/g, "$1") ?? plain);
  }
  const { "": all = [], "-": none = [], "?": some = [] } = terms;
  return (text) =>
    all.every((term) => text.includes(term)) &&
    !none.some((term) => text.includes(term)) &&
    (some.length === 0 || some.some((term) => text.includes(term)));
}

function jsonFilter(pattern: string): TextFilter {
  const fits = jsonCondition(pattern);
  return (text) => {
    if (!text.startsWith("{")) return false;
    try {
      return fits(JSON.parse(text));
    } catch {
      return false;
    }
  };
}
