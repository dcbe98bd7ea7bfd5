import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { EventStreamCodec } from "@smithy/core/event-streams";

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes as Uint8Array).toString("utf8"),
  (text) => Buffer.from(text, "utf8"),
);

export type StreamEvent = { readonly type: string; readonly body: Buffer; readonly atMs: number };
export type Complete = { readonly ErrorCode?: string; readonly ErrorDetails?: string; readonly LogResult?: string };

/** One InvokeWithResponseStream, frame by frame: the test decides when it reads on. */
export class StreamedCall {
  readonly response: IncomingMessage;
  readonly #chunks: AsyncIterator<Buffer>;
  #bytes = Buffer.alloc(0);

  private constructor(response: IncomingMessage) {
    this.response = response;
    this.#chunks = response[Symbol.asyncIterator]();
  }

  static async begin(url: string, name: string, payload: unknown = {}, headers = {}): Promise<StreamedCall> {
    const path = `/2021-11-15/functions/${name}/response-streaming-invocations`;
    const outgoing = request(url + path, { method: "POST", headers, agent: false });
    outgoing.end(JSON.stringify(payload));
    const [response] = (await once(outgoing, "response")) as [IncomingMessage];
    return new StreamedCall(response);
  }

  /** The next event; undefined: there is none any more. */
  async next(): Promise<StreamEvent | undefined> {
    for (;;) {
      const frameBytes = this.#bytes.length < 4 ? Number.POSITIVE_INFINITY : this.#bytes.readUInt32BE(0);
      if (this.#bytes.length >= frameBytes) {
        const { headers, body } = codec.decode(this.#bytes.subarray(0, frameBytes));
        this.#bytes = this.#bytes.subarray(frameBytes);
        return { type: String(headers[":event-type"]?.value), body: Buffer.from(body), atMs: Date.now() };
      }
      const chunk = await this.#chunks.next();
      if (chunk.done === true) return undefined;
      this.#bytes = Buffer.concat([this.#bytes, chunk.value]);
    }
  }

  /** Reads to the end. @returns how much came, its beginning and the last event. */
  async rest(): Promise<{ readonly bytes: number; readonly text: string; readonly complete: Complete }> {
    let bytes = 0;
    let text = "";
    for (;;) {
      const event = await this.next();
      if (event === undefined) throw new Error("the stream ended without InvokeComplete");
      if (event.type === "InvokeComplete") return { bytes, text, complete: JSON.parse(event.body.toString()) };
      bytes += event.body.length;
      if (text.length < 10_000) text += event.body.toString();
    }
  }

  hangUp(): void {
    this.response.destroy();
  }
}
