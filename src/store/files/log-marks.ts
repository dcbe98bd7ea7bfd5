import type { LogEvent } from "../../ports/log-store.ts";
import { GOES_ON } from "../../protocol/log-message.ts";

/**
 * What is between the lines of a log on disk, so that each line has a time and a stream. Lines that begin with RS are
 * marks, and no line of a function does: one that would is written with a US before it, as is one that begins with US.
 *
 * - `RS milliseconds SPACE stream`: what follows was written then, by that stream. Each write begins with one.
 * - `RS milliseconds`: the same stream, later.
 * - `RS <`: the line before this one has not ended; the next text of its stream goes on with it.
 *
 * A line that begins with GS goes on with the event of the line before it, as in what is appended.
 *
 * A log can be read from any line on. What is before the first mark was written by a version without marks.
 */
const RS = "\x1e";
const US = "\x1f";
const RS_BYTE = 0x1e;
const US_BYTE = 0x1f;
const NEWLINE = 0x0a;
const OPEN_LINE = `${RS}<\n`;
const OPEN_LINE_BYTES = Buffer.from(OPEN_LINE);
const UNSAFE_LINE = new RegExp(`(^|\n)(?=[${RS}${US}])`, "g");
const SAFE_LINE = `$1${US}`;

/** Something that a stream wrote at a time. */
export type LogPiece = { readonly stream: string; readonly atMs: number; readonly text: string | Buffer };

/** One write of a log. Neighbouring strings are encoded together: there are two for each invocation. */
export function encodeLog(pieces: readonly LogPiece[]): Buffer {
  const buffers: Buffer[] = [];
  let text = "";
  let stream: string | undefined;
  let atMs = 0;
  for (const piece of pieces) {
    if (piece.text.length === 0) continue;
    if (piece.stream !== stream) text += `${RS}${piece.atMs} ${piece.stream}\n`;
    else if (piece.atMs !== atMs) text += `${RS}${piece.atMs}\n`;
    ({ stream, atMs } = piece);
    if (typeof piece.text === "string") text += safeText(piece.text);
    else {
      if (text !== "") buffers.push(Buffer.from(text));
      text = "";
      buffers.push(safeBytes(piece.text));
    }
    if (!endsLine(piece.text)) text += `\n${OPEN_LINE}`;
  }
  if (text !== "") buffers.push(Buffer.from(text));
  return buffers.length === 1 ? (buffers[0] as Buffer) : Buffer.concat(buffers);
}

function endsLine(text: string | Buffer): boolean {
  return typeof text === "string" ? text.endsWith("\n") : text[text.length - 1] === NEWLINE;
}

function safeText(text: string): string {
  return text.includes(RS) || text.includes(US) ? text.replace(UNSAFE_LINE, SAFE_LINE) : text;
}

function safeBytes(bytes: Buffer): Buffer {
  if (!bytes.includes(RS_BYTE) && !bytes.includes(US_BYTE)) return bytes;
  return Buffer.from(bytes.toString("latin1").replace(UNSAFE_LINE, SAFE_LINE), "latin1");
}

/** What functions wrote, without marks. @param bytes whole lines. */
export function logText(bytes: Buffer): Buffer {
  const lines: Buffer[] = [];
  for (const line of linesOf(bytes)) {
    if (line[0] !== RS_BYTE) lines.push(line.subarray(textStart(line)));
    else if (line.equals(OPEN_LINE_BYTES)) {
      const open = lines.pop();
      if (open !== undefined) lines.push(open.subarray(0, -1));
    }
  }
  return Buffer.concat(lines);
}

/** Where the text of a line that is no mark begins. */
function textStart(line: Buffer): number {
  return line[0] === US_BYTE || line[0] === GOES_ON ? 1 : 0;
}

/** With their ends; the last may lack it. */
function* linesOf(bytes: Buffer): Generator<Buffer> {
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline === -1 ? bytes.length : newline + 1;
    yield bytes.subarray(start, end);
    start = end;
  }
}

/** The first place in `bytes` where a stream and a time are said, after a line's end; undefined: there is none. */
export function findMark(bytes: Buffer): { readonly offset: number; readonly atMs: number } | undefined {
  const lineEnd = `\n${RS}`;
  for (let at = bytes.indexOf(lineEnd); at !== -1; at = bytes.indexOf(lineEnd, at + 1)) {
    const atMs = /^(\d+) /.exec(bytes.toString("latin1", at + 2, at + 24))?.[1];
    if (atMs !== undefined) return { offset: at + 1, atMs: Number(atMs) };
  }
  return undefined;
}

/** CloudWatch's largest event; lines that go on beyond it are another. */
const EVENT_UNITS_MAX = 256 * 1024;

/** Makes events of the lines of a log, given in any pieces, in order. */
export class LogReader {
  readonly #onEvent: (event: LogEvent) => void;
  #rest: Buffer = Buffer.alloc(0);
  #stream: string | undefined;
  #atMs = 0;
  #ordinal = 0;
  /** The last event, until it is known whether its line has ended, and whether another goes on with it. */
  #last: LogEvent | undefined;
  /** Events whose lines have not ended, by stream. */
  readonly #open = new Map<string, LogEvent>();

  constructor(onEvent: (event: LogEvent) => void) {
    this.#onEvent = onEvent;
  }

  read(bytes: Buffer): void {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const end = all.lastIndexOf(NEWLINE) + 1;
    this.#rest = all.subarray(end);
    for (const line of linesOf(all.subarray(0, end))) this.#line(line);
  }

  /** There is no more. Lines that were begun are events too. */
  end(): void {
    this.#tellLast();
    for (const event of this.#open.values()) this.#onEvent(event);
    this.#open.clear();
  }

  #line(line: Buffer): void {
    if (line[0] === RS_BYTE) return this.#mark(line.toString("latin1", 1, line.length - 1));
    // Of a version without marks: nobody knows when, or who wrote it.
    if (this.#stream === undefined) return;
    const text = line.toString("utf8", textStart(line), line.length - 1);
    const last = this.#last;
    if (line[0] === GOES_ON && last?.stream === this.#stream && last.text.length + text.length < EVENT_UNITS_MAX) {
      this.#last = { ...last, text: `${last.text}\n${text}` };
      return;
    }
    this.#tellLast();
    const begun = this.#open.get(this.#stream)?.text ?? "";
    this.#open.delete(this.#stream);
    // Of a line in pieces the last one's time, so that events are in order.
    this.#last = { stream: this.#stream, atMs: this.#atMs, ordinal: this.#ordinal++, text: begun + text };
  }

  #mark(mark: string): void {
    if (mark === "<") {
      if (this.#last !== undefined) this.#open.set(this.#last.stream, this.#last);
      this.#last = undefined;
      return;
    }
    const [, digits, stream] = /^(\d+)(?: (.+))?$/.exec(mark) ?? [];
    if (digits === undefined) return;
    if (Number(digits) !== this.#atMs) this.#ordinal = 0;
    this.#atMs = Number(digits);
    if (stream !== undefined) this.#stream = stream;
  }

  #tellLast(): void {
    if (this.#last !== undefined) this.#onEvent(this.#last);
    this.#last = undefined;
  }
}
