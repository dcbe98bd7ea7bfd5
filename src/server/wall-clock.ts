import type { Clock } from "../ports/clock.ts";

/** Drifts are told when they matter to a window that is given in minutes, and looked for this often. */
const STEP_MS = 500;
const LOOK_MS = 1_000;

/** Tells how far the host's clock, which may be set, is from the core's, which is not. */
export class WallClock {
  readonly #clock: Clock;
  readonly #onSet: (offsetMs: number) => void;
  #toldMs = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param onSet called at the start, and whenever the host's clock was set. */
  constructor(clock: Clock, onSet: (offsetMs: number) => void) {
    this.#clock = clock;
    this.#onSet = onSet;
  }

  /** What the host believes the time to be, less the core's clock. */
  get offsetMs(): number {
    return this.#clock.nowMs() - this.#clock.monotonicMs();
  }

  start(): void {
    this.#look();
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { offsetMs } = this;
    if (Math.abs(offsetMs - this.#toldMs) < STEP_MS) return;
    this.#toldMs = offsetMs;
    this.#onSet(offsetMs);
  }
}
