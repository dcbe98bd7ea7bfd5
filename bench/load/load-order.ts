import type { Side } from "../sides/side.ts";

export type LoadOrder = {
  readonly side: Side;
  readonly body: Buffer;
  /** Each keeps one connection and calls again as soon as it is answered. */
  readonly callers: number;
  readonly seconds: number;
};

export type LoadResult = {
  readonly requests: number;
  readonly requestsPerSecond: number;
  /** Answers other than 2xx, and connections that broke. */
  readonly errors: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
};
