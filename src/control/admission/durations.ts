import type { FunctionKey } from "../../model/ids.ts";

/** Functions that are remembered; the one that was not seen for longest is forgotten. */
const FUNCTIONS_MAX = 10_000;
/** What remains of the longest execution after each further one: a rare long one is forgotten after some fifty. */
const DECAY = 0.98;

/** How long executions of a function may take: a decayed maximum of those that were seen. */
export class Durations {
  readonly #unknownMs: number;
  readonly #longestMs = new Map<FunctionKey, number>();

  constructor(unknownMs: number) {
    this.#unknownMs = unknownMs;
  }

  observe(functionKey: FunctionKey, wallMs: number): void {
    const longestMs = Math.max(wallMs, (this.#longestMs.get(functionKey) ?? 0) * DECAY);
    this.#longestMs.delete(functionKey);
    this.#longestMs.set(functionKey, longestMs);
    if (this.#longestMs.size <= FUNCTIONS_MAX) return;
    for (const oldest of this.#longestMs.keys()) {
      this.#longestMs.delete(oldest);
      return;
    }
  }

  estimateMs(functionKey: FunctionKey): number {
    return this.#longestMs.get(functionKey) ?? this.#unknownMs;
  }
}
