import type { ResponseSink } from "../ports/invoker.ts";
import { STREAM_CONTENT_TYPE_DEFAULT, StreamWindow } from "../protocol/stream-window.ts";

/** A response on its way from an agent to the caller who takes it piece by piece; credit goes back for what was taken. */
export class StreamedAnswer {
  readonly #sink: ResponseSink;
  readonly #grant: (bytes: number) => void;
  readonly #window = new StreamWindow();
  #hasBegun = false;
  #isAbandoned = false;

  /** @param grant lets the agent send so many bytes more. */
  constructor(sink: ResponseSink, grant: (bytes: number) => void) {
    this.#sink = sink;
    this.#grant = grant;
  }

  /** @returns false: the agent sent more than it may. */
  receive(bytes: Buffer, contentType: string | undefined): boolean {
    if (!this.#window.receive(bytes.length)) return false;
    if (!this.#hasBegun && !this.#isAbandoned) this.#sink.begin(contentType ?? STREAM_CONTENT_TYPE_DEFAULT);
    this.#hasBegun = true;
    if (bytes.length === 0) return true;
    if (this.#isAbandoned) this.#taken(bytes.length);
    else this.#sink.chunk(bytes, () => this.#isAbandoned || this.#taken(bytes.length));
    return true;
  }

  /** The caller hung up: the rest is thrown away as it comes, and the function runs on. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#give(this.#window.takeAll());
  }

  #taken(bytes: number): void {
    this.#give(this.#window.take(bytes));
  }

  #give(credit: number): void {
    if (credit > 0) this.#grant(credit);
  }
}
