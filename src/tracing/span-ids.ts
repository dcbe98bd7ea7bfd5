import { randomBytes } from "node:crypto";

const POOL_BYTES = 8192;

/** Ids of spans and traces. Drawn in bulk: one draw from the system costs more than all else that begins a span. */
export class SpanIds {
  #pool = Buffer.alloc(0);
  #offset = 0;

  /** 16 hex digits, not all zero. */
  spanId(): string {
    const id = this.#hex(8);
    return /^0+$/.test(id) ? this.spanId() : id;
  }

  /** 32 hex digits, of which X-Ray wants the first 8 to be the time in seconds. */
  traceId(nowMs: number): string {
    const timeHex = Math.floor(nowMs / 1000)
      .toString(16)
      .padStart(8, "0");
    return timeHex + this.#hex(12);
  }

  #hex(bytes: number): string {
    if (this.#offset + bytes > this.#pool.length) {
      this.#pool = randomBytes(POOL_BYTES);
      this.#offset = 0;
    }
    this.#offset += bytes;
    return this.#pool.toString("hex", this.#offset - bytes, this.#offset);
  }
}
