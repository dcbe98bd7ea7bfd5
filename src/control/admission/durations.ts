import type { FunctionKey } from "../../model/ids.ts";

/** Functions that are remembered; the one that was first seen longest ago is forgotten. */
const FUNCTIONS_MAX = 10_000;
/** What remains of the longest execution after each further one: a rare long one is forgotten after some fifty. */
const DECAY = 0.98;

/** How long executions of a function may take: a decayed maximum of those that were seen. */
export class Durations {
  readonly #unknownMs: number;
  readonly #longest = new Map<FunctionKey, { ms: number }>();

  constructor(unknownMs: number) {
    this.#unknownMs = unknownMs;
  }

  observe(functionKey: FunctionKey, wallMs: number): void {
    const longest = this.#longest.get(functionKey);
    if (longest !== undefined) {
      longest.ms = Math.max(wallMs, longest.ms * DECAY);
      return;
    }
    this.#longest.set(functionKey, { ms: wallMs });
    if (this.#longest.size <= FUNCTIONS_MAX) return;
    for (const oldest of this.#longest.keys()) {
      this.#longest.delete(oldest);
      return;
    }
  }

  estimateMs(functionKey: FunctionKey): number {
    return this.#longest.get(functionKey)?.ms ?? this.#unknownMs;
  }
}
