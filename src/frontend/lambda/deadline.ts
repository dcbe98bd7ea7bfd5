import { DEADLINE_TAG, DEADLINE_TAG_RULE, DELAY_MS_MAX, deadlineAfterMsOf } from "../../model/deadline.ts";
import { parseDurationMs } from "../../model/duration.ts";
import { invalidParameter, type LambdaError } from "./lambda-error.ts";

const HEADER = "X-Hearth-Deadline";
const REMEDY = "Write a time such as 2026-11-22T06:00:00Z, a delay such as +2h or 7200 (seconds), or none.";
/** With its zone, so that it means the same everywhere. */
const ISO_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/;

/**
 * When an invocation must be done, in ms since the epoch: as its caller's header says, else as its function's tag does.
 * undefined: it is due at once.
 *
 * @param header value of `X-Hearth-Deadline`.
 * @throws LambdaError InvalidParameterValueException naming the header.
 */
export function deadlineOf(
  header: string | string[] | undefined,
  functionDelayMs: number | undefined,
  nowMs: number,
): number | undefined {
  if (header === undefined) return functionDelayMs === undefined ? undefined : nowMs + functionDelayMs;
  const text = String(header).trim();
  if (text === "none") return undefined;
  const atMs = ISO_TIME.test(text) ? Date.parse(text) : nowMs + delayMsOf(text);
  if (Number.isNaN(atMs)) throw refusal(text, `is no time and no delay. ${REMEDY}`);
  if (atMs < nowMs) throw refusal(text, "is in the past. Give a later time, or none to run at once.");
  if (atMs > nowMs + DELAY_MS_MAX) throw refusal(text, "is too far away. Give a time within the next 7 days.");
  return atMs;
}

/** NaN: it is none. */
function delayMsOf(text: string): number {
  if (/^\+?\d{1,9}$/.test(text)) return Number(text) * 1000;
  return parseDurationMs(text.startsWith("+") ? text.slice(1) : text) ?? Number.NaN;
}

function refusal(text: string, why: string): LambdaError {
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return invalidParameter(`${HEADER}: "${shown}" ${why}`);
}

/** @throws LambdaError InvalidParameterValueException naming the tag, if the function's deadline is among them and is none. */
export function checkDeadlineTag(tags: Readonly<Record<string, string>>): void {
  const value = tags[DEADLINE_TAG];
  if (value === undefined || deadlineAfterMsOf(tags) !== undefined) return;
  const shown = value.length > 60 ? `${value.slice(0, 60)}…` : value;
  throw invalidParameter(`Tag ${DEADLINE_TAG}: "${shown}" ${DEADLINE_TAG_RULE}`);
}
