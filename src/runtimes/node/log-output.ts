import { StringDecoder } from "node:string_decoder";
import { format as formatText } from "node:util";
import type { Outlet } from "./channel.ts";

const LINES_HEADER = '{"kind":"log"}';
const MESSAGE_HEADER = '{"kind":"logMessage"}';
/** Longer texts leave in several frames; 80 Ki units are at most 240 KiB, Lambda's largest log event is 256 KiB. */
const FRAME_UNITS_MAX = 80 * 1024;
/** A line without an end is cut here. */
const PARTIAL_LINE_UNITS_MAX = 64 * 1024;
const NEWLINE = 0x0a;

const PristineDate = Date;
const { nextTick } = process;

const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"] as const;
type Level = (typeof LEVELS)[number];

const CONSOLE_METHODS = {
  trace: "TRACE",
  debug: "DEBUG",
  log: "INFO",
  info: "INFO",
  warn: "WARN",
  error: "ERROR",
  fatal: "FATAL",
} as const satisfies Record<string, Level>;

/**
 * Everything the function writes through Node, in order, as log frames. What goes through the console is one event of the
 * log for each call, whatever lines it has; what is written to the streams is one for each line, as on Lambda. Text format:
 * `TIME \t request id \t LEVEL \t message`; JSON format: one object per line, filtered by level.
 */
export class LogOutput {
  readonly #channel: Outlet;
  #requestId: string | undefined;
  #isJson = false;
  /** Position in LEVELS below which lines are dropped; Lambda filters in JSON format only. */
  #levelMin = 0;
  /** What stdout.write or stderr.write left without a line end. */
  #partialLine = "";

  constructor(channel: Outlet) {
    this.#channel = channel;
  }

  /** Puts itself in the place of the global console's methods, `stdout.write` and `stderr.write`. */
  install(): void {
    for (const [method, level] of Object.entries(CONSOLE_METHODS)) {
      (console as unknown as Record<string, unknown>)[method] = (...values: unknown[]) => this.log(level, values);
    }
    captureWrites(process.stdout, this);
    captureWrites(process.stderr, this);
  }

  /** Reads Lambda's logging settings from the function's environment. */
  configure(environment: Readonly<Record<string, string>>): void {
    this.#isJson = environment["AWS_LAMBDA_LOG_FORMAT"]?.toUpperCase() === "JSON";
    const level = LEVELS.indexOf(environment["AWS_LAMBDA_LOG_LEVEL"]?.toUpperCase() as Level);
    this.#levelMin = this.#isJson ? Math.max(0, level) : 0;
  }

  set requestId(requestId: string | undefined) {
    this.#requestId = requestId;
  }

  log(level: Level, values: unknown[]): void {
    if (LEVELS.indexOf(level) < this.#levelMin) return;
    this.endLine();
    const time = new PristineDate().toISOString();
    this.#append(
      MESSAGE_HEADER,
      this.#isJson
        ? `${formatJson(time, level, this.#requestId, values)}\n`
        : `${time}\t${this.#requestId}\t${level}\t${formatText(...values)}\n`,
    );
  }

  /** A failure of the function, in the form that people search their logs for. */
  logFailure(title: string, described: object): void {
    if (this.#isJson) this.log("ERROR", [described]);
    else this.log("ERROR", [`${title} \t${JSON.stringify(described)}`]);
  }

  write(text: string): void {
    const whole = this.#partialLine + text;
    const end = whole.lastIndexOf("\n") + 1;
    if (end > 0) this.#append(LINES_HEADER, whole.slice(0, end));
    this.#partialLine = whole.slice(end);
    if (this.#partialLine.length > PARTIAL_LINE_UNITS_MAX) this.endLine();
  }

  /** Ends a line that was begun by `write`. */
  endLine(): void {
    if (this.#partialLine === "") return;
    const line = this.#partialLine;
    this.#partialLine = "";
    this.#append(LINES_HEADER, `${line}\n`);
  }

  #append(header: string, text: string): void {
    for (let start = 0; start < text.length; ) {
      let end = Math.min(text.length, start + FRAME_UNITS_MAX);
      if (end < text.length && isLowSurrogate(text.charCodeAt(end))) end--;
      // A piece of a message that ended with a line would end the message.
      if (end < text.length && text.charCodeAt(end - 1) === NEWLINE) end--;
      this.#channel.send(header, start === 0 && end === text.length ? text : text.slice(start, end));
      start = end;
    }
  }
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

function captureWrites(stream: NodeJS.WriteStream, output: LogOutput): void {
  const decoder = new StringDecoder("utf8");
  type Done = (error?: Error | null) => void;
  stream.write = (chunk: string | Uint8Array, encodingOrDone?: BufferEncoding | Done, done?: Done): boolean => {
    if (typeof chunk === "string") output.write(chunk);
    else output.write(decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)));
    const callback = typeof encodingOrDone === "function" ? encodingOrDone : done;
    if (callback !== undefined) nextTick(callback);
    return true;
  };
}

function formatJson(timestamp: string, level: Level, requestId: string | undefined, values: unknown[]): string {
  const line: Record<string, unknown> = { timestamp, level, requestId };
  if (values.length === 1) {
    line["message"] = values[0];
    try {
      return JSON.stringify(line, (_key, value) => (value instanceof Error ? errorFields(value) : value));
    } catch {
      // Circular, or holds a BigInt: the text below says what it can.
    }
  }
  line["message"] = formatText(...values);
  const error = values.find((value) => value instanceof Error);
  // Without its cause, which may be what cannot be said as JSON; the text has it.
  return JSON.stringify(error === undefined ? line : { ...line, ...errorFields(error), cause: undefined });
}

function errorFields(error: Error): object {
  return {
    errorType: error.constructor?.name ?? "UnknownError",
    errorMessage: error.message,
    stackTrace: typeof error.stack === "string" ? error.stack.split("\n") : [],
    ...(error.cause === undefined ? {} : { cause: error.cause }),
  };
}
