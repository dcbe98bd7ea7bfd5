import type { InvokeAnswer, ResponseSink } from "../../ports/invoker.ts";
import type { UrlReply } from "./url-reply.ts";
import { isObject, responseHead } from "./url-response.ts";

/** Of a response that begins with its head: `HttpResponseStream` writes it. */
const INTEGRATION_CONTENT_TYPE = "application/vnd.awslambda.http-integration-response";
/** What ends the head. */
const SEPARATOR = Buffer.alloc(8);
/** Of the head, as JSON; a longer one is none. */
const HEAD_BYTES_MAX = 64 * 1024;

/**
 * The answer of a URL whose function writes it piece by piece.
 *
 * - waiting: the function has written nothing; its whole answer may still come instead.
 * - head: it has begun with status and headers as JSON, which end with eight zero bytes.
 * - body: the head is out; what comes is passed on.
 * - refused: the head was none. The caller has its answer; what still comes is thrown away.
 */
export class UrlStream implements ResponseSink {
  readonly #reply: UrlReply;
  readonly #answerWhole: (answer: InvokeAnswer) => void;
  #state: "waiting" | "head" | "body" | "refused" = "waiting";
  #head = Buffer.alloc(0);

  /** @param answerWhole answers with what a function returned that did not write, or with why it did not. */
  constructor(reply: UrlReply, answerWhole: (answer: InvokeAnswer) => void) {
    this.#reply = reply;
    this.#answerWhole = answerWhole;
  }

  begin(contentType: string): void {
    if (contentType === INTEGRATION_CONTENT_TYPE) this.#state = "head";
    else this.#beginBody(200, new Map([["content-type", contentType]]), []);
  }

  chunk(bytes: Buffer, taken: () => void): void {
    switch (this.#state) {
      case "body":
        return this.#reply.write(bytes, taken);
      case "head":
        return this.#readHead(bytes, taken);
      case "waiting":
      case "refused":
        return taken();
      default:
        throw this.#state satisfies never;
    }
  }

  /** The last that happens, unless the caller hung up. A body that breaks off is cut off, so that nobody takes it for whole. */
  end(answer: InvokeAnswer): void {
    const isWell = answer.kind === "finished" && answer.outcome === "ok";
    if (this.#state === "waiting") this.#answerWhole(answer);
    else if (this.#state === "head") this.#refuse();
    else if (this.#state === "body" && isWell) this.#reply.end();
    else if (this.#state === "body") this.#reply.cutOff();
  }

  #readHead(bytes: Buffer, taken: () => void): void {
    // The separator may be cut apart by two pieces.
    const searchFrom = Math.max(0, this.#head.length - SEPARATOR.length + 1);
    this.#head = Buffer.concat([this.#head, bytes]);
    const end = this.#head.indexOf(SEPARATOR, searchFrom);
    if (end > HEAD_BYTES_MAX || (end === -1 && this.#head.length > HEAD_BYTES_MAX + SEPARATOR.length)) {
      this.#refuse();
      return taken();
    }
    if (end === -1) return taken();
    const head = headOf(this.#head.subarray(0, end));
    const rest = this.#head.subarray(end + SEPARATOR.length);
    this.#head = SEPARATOR.subarray(0, 0);
    if (head === undefined) {
      this.#refuse();
      return taken();
    }
    this.#beginBody(head.status, head.headers, head.cookies);
    if (rest.length === 0) taken();
    else this.#reply.write(rest, taken);
  }

  #beginBody(status: number, headers: ReadonlyMap<string, string>, cookies: readonly string[]): void {
    this.#state = "body";
    this.#reply.begin(status, headers, cookies);
    this.#reply.flush();
  }

  #refuse(): void {
    this.#state = "refused";
    this.#head = SEPARATOR.subarray(0, 0);
    this.#reply.sendBadGateway();
  }
}

/** undefined: it is none that HTTP can carry. */
function headOf(json: Buffer): ReturnType<typeof responseHead> {
  try {
    const head: unknown = JSON.parse(json.toString());
    return isObject(head) ? responseHead({ statusCode: 200, ...head }) : undefined;
  } catch {
    return undefined;
  }
}
