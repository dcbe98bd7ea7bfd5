import type { ContainerId, FunctionKey, InvocationId } from "../model/ids.ts";
import { logMessage, plainLog } from "../protocol/log-message.ts";
import type { ServerLink } from "./server-link.ts";

/** Text of one frame; a longer piece is cut. */
const LOG_FRAME_BYTES_MAX = 256 * 1024;

const NEWLINE = 0x0a;
const LINE_END = Buffer.from("\n");

/** Something whose reading can be stopped, so that whoever writes to it has to wait. */
type Source = { pause(): void; resume(): void };

/**
 * What one container writes, on its way to the server: collected and sent once per turn, or
 * before the result it belongs to. When the link is clogged the source is not read any further.
 */
export class FunctionLog {
  readonly #link: Pick<ServerLink, "send" | "beforeFlush" | "isClogged" | "onceDrained">;
  readonly #containerId: ContainerId;
  #functionKey: FunctionKey | undefined;
  #invocationId: InvocationId | undefined;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #endsLine = true;
  #last: Buffer | undefined;

  constructor(link: Pick<ServerLink, "send" | "beforeFlush" | "isClogged" | "onceDrained">, containerId: ContainerId) {
    this.#link = link;
    this.#containerId = containerId;
  }

  /** Text of which each line is an event of the log. */
  write(text: Buffer, source?: Source): void {
    this.#append(plainLog(text), source);
  }

  /** Text that is one event of the log, whatever lines it has. */
  writeMessage(text: Buffer, source?: Source): void {
    this.#append(logMessage(text), source);
  }

  /** The platform's own: it begins a line, whatever the function wrote before. */
  writeLine(line: Buffer): void {
    this.write(this.#endsLine ? line : Buffer.concat([LINE_END, line]));
  }

  /** The same, behind all else that belongs to the present execution. */
  writeLastLine(line: Buffer): void {
    this.#last = line;
  }

  #append(text: Buffer, source: Source | undefined): void {
    if (text.length === 0) return;
    // What others write may come between two frames, and would part a message.
    if (this.#bytes + text.length > LOG_FRAME_BYTES_MAX) this.flush();
    if (this.#bytes === 0) this.#link.beforeFlush(() => this.flush());
    this.#chunks.push(text);
    this.#bytes += text.length;
    this.#endsLine = text[text.length - 1] === NEWLINE;
    if (this.#bytes >= LOG_FRAME_BYTES_MAX) this.flush();
    if (source !== undefined && this.#link.isClogged) {
      source.pause();
      this.#link.onceDrained(() => source.resume());
    }
  }

  /** What is written from now on belongs to this execution; undefined: to none. */
  attribute(functionKey: FunctionKey | undefined, invocationId: InvocationId | undefined): void {
    if (this.#last !== undefined && invocationId !== this.#invocationId) {
      this.writeLine(this.#last);
      this.#last = undefined;
    }
    if (this.#bytes > 0) this.flush();
    this.#functionKey = functionKey;
    this.#invocationId = invocationId;
  }

  flush(): void {
    if (this.#bytes === 0) return;
    const text = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks, this.#bytes);
    this.#chunks = [];
    this.#bytes = 0;
    for (let start = 0; start < text.length; start += LOG_FRAME_BYTES_MAX) {
      this.#link.send(
        {
          kind: "log",
          containerId: this.#containerId,
          functionKey: this.#functionKey,
          invocationId: this.#invocationId,
        },
        text.subarray(start, start + LOG_FRAME_BYTES_MAX),
      );
    }
  }
}
