import type { InvocationId } from "../../model/ids.ts";
import type { Invocation } from "../../model/invocation.ts";

/** One that is not time-sensitive and waits for a better time. */
export type Held = {
  readonly invocation: Invocation;
  readonly sinceMs: number;
  /** When it must begin at the latest. */
  readonly startByMs: number;
};

/** Right after its arrival an invocation is released only at times that are better than all but this share of the last day. */
const RANK_FIRST = 0.1;

/**
 * The rank of a time (0: the best of the last day, 1: the worst) at which a held invocation is released. It rises with the
 * square of the time that has passed of what there is: patient at first, content with anything at its latest start.
 */
export function acceptedRank({ sinceMs, startByMs }: Held, nowMs: number): number {
  const progress = startByMs <= sinceMs ? 1 : Math.min(1, (nowMs - sinceMs) / (startByMs - sinceMs));
  return RANK_FIRST + (1 - RANK_FIRST) * progress ** 2;
}

/** Invocations that are held back (A11), the earliest latest start first. It orders; when a time is good is said from outside. */
export class Deferral {
  /** In order of their latest start; most come with later ones than those before. */
  readonly #held: Held[] = [];
  readonly #ids = new Set<InvocationId>();

  get length(): number {
    return this.#held.length;
  }

  /** The next latest start; undefined: none is held. */
  get nextStartMs(): number | undefined {
    return this.#held[0]?.startByMs;
  }

  has(id: InvocationId): boolean {
    return this.#ids.has(id);
  }

  entries(): readonly Held[] {
    return this.#held;
  }

  hold(held: Held): void {
    let at = this.#held.length;
    while (at > 0 && (this.#held[at - 1]?.startByMs ?? 0) > held.startByMs) at--;
    this.#held.splice(at, 0, held);
    this.#ids.add(held.invocation.id);
  }

  remove(id: InvocationId): Held | undefined {
    if (!this.#ids.delete(id)) return undefined;
    const at = this.#held.findIndex((held) => held.invocation.id === id);
    return this.#held.splice(at, 1)[0];
  }

  /** Takes those that are to be released now. @param isDue asked once for each. */
  release(isDue: (held: Held) => boolean): Held[] {
    const released: Held[] = [];
    let kept = 0;
    for (const held of this.#held) {
      if (isDue(held)) released.push(held);
      else this.#held[kept++] = held;
    }
    this.#held.length = kept;
    for (const { invocation } of released) this.#ids.delete(invocation.id);
    return released;
  }
}
