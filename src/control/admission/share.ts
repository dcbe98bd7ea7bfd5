import { TokenBucket } from "./token-bucket.ts";

const SECOND_MS = 1_000;

/** Executions at a time that several function versions share: a function's own, or those of an account that no function reserves. */
export class Share {
  /** What a function reserves, if the share is its own; undefined: it is an account's. */
  readonly reserved: number | undefined;
  /** What of it is not provisioned. */
  limit: number;
  /** Executions beyond what is provisioned, with those that wait for fixed capacity; and those of them that have begun. */
  counted = 0;
  running = 0;
  #requests: TokenBucket | undefined;

  constructor(reserved: number | undefined, limit: number) {
    this.reserved = reserved;
    this.limit = limit;
  }

  /** How many more may begin beyond what is provisioned. */
  get places(): number {
    return Math.max(0, this.limit - this.running);
  }

  /** @returns whether one more call may come in this second; it is counted then. */
  takeRequest(perSecondMax: number, nowMs: number): boolean {
    this.#requests ??= new TokenBucket(perSecondMax, SECOND_MS, nowMs);
    return this.#requests.take(perSecondMax, nowMs);
  }
}
