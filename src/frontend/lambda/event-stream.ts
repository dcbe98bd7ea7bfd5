import { crc32 } from "node:zlib";

/** AWS's framing of streams of events in HTTP bodies (Smithy specification, "Amazon Event Stream Specification"). */
export const EVENT_STREAM_CONTENT_TYPE = "application/vnd.amazon.eventstream";

/** Two lengths and their checksum come before the headers, one of everything behind the payload. */
const PRELUDE_BYTES = 12;
const CHECKSUM_BYTES = 4;
const HEADER_TYPE_STRING = 7;

/** Makes frames of one type of event; what is the same in all of them is made once. */
export class EventFrames {
  readonly #headers: Buffer;

  constructor(eventType: string, contentType: string) {
    const headers = { ":event-type": eventType, ":content-type": contentType, ":message-type": "event" };
    this.#headers = Buffer.concat(Object.entries(headers).map(([name, value]) => headerOf(name, value)));
  }

  frame(payload: Buffer): Buffer {
    const headers = this.#headers;
    const frame = Buffer.allocUnsafe(PRELUDE_BYTES + headers.length + payload.length + CHECKSUM_BYTES);
    frame.writeUInt32BE(frame.length, 0);
    frame.writeUInt32BE(headers.length, 4);
    frame.writeUInt32BE(crc32(frame.subarray(0, 8)), 8);
    headers.copy(frame, PRELUDE_BYTES);
    payload.copy(frame, PRELUDE_BYTES + headers.length);
    const end = frame.length - CHECKSUM_BYTES;
    frame.writeUInt32BE(crc32(frame.subarray(0, end)), end);
    return frame;
  }
}

/** Names and values are short ASCII. */
function headerOf(name: string, value: string): Buffer {
  const header = Buffer.alloc(1 + name.length + 3 + value.length);
  header.writeUInt8(name.length, 0);
  header.write(name, 1, "latin1");
  header.writeUInt8(HEADER_TYPE_STRING, 1 + name.length);
  header.writeUInt16BE(value.length, 2 + name.length);
  header.write(value, 4 + name.length, "latin1");
  return header;
}
