import type { Settings } from "../settings.ts";
import type { Turn } from "../turn.ts";
import { TokenBucket } from "./token-bucket.ts";

/** How many new containers a function may take in a time: a token bucket per function, which is forgotten when it is full again. */
export class ScalingRate {
  readonly #settings: Settings;
  readonly #turn: Turn;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor({ settings, turn }: { readonly settings: Settings; readonly turn: Turn }) {
    this.#settings = settings;
    this.#turn = turn;
  }

  get isBounded(): boolean {
    return Number.isFinite(this.#settings.scalingContainers);
  }

  /** @returns whether the function may have one more; it is counted then. */
  take(functionId: string): boolean {
    const { scalingContainers, scalingMs } = this.#settings;
    const { nowMs } = this.#turn;
    let bucket = this.#buckets.get(functionId);
    if (bucket === undefined) {
      bucket = new TokenBucket(scalingContainers, scalingMs, nowMs);
      this.#buckets.set(functionId, bucket);
    }
    return bucket.take(scalingContainers, nowMs);
  }

  forgetUnused(): void {
    for (const [functionId, bucket] of this.#buckets) {
      if (bucket.isUnused(this.#turn.nowMs)) this.#buckets.delete(functionId);
    }
  }
}
