import type { Event } from "../model/event.ts";
import { Timeline } from "./timeline.ts";

/** Something that is due at a time. Persistent objects are scheduled again and again, so that a call costs no allocation. */
export type Happening = { happen(): void };

/** What the parts of a made-up world share: the time, what happens next, and the way to the server. */
export class Stage {
  readonly timeline = new Timeline<Happening>();
  nowMs = 0;
  /** Ends of servers so far; what was scheduled by or for an earlier one is void. */
  serverRun = 0;
  isServerUp = true;
  /** False once all calls were made: the world then is kind, so that everything must end well. */
  hasFaults = true;
  /** Tells the server, and so the core; set by the simulation. Only while the server is up. */
  tell: (event: Event) => void = () => {};
  readonly #grainMs: number;

  constructor(grainMs: number) {
    this.#grainMs = grainMs;
  }

  after(delayMs: number, happening: Happening): void {
    this.timeline.at(Math.ceil((this.nowMs + delayMs) / this.#grainMs) * this.#grainMs, happening);
  }

  later(delayMs: number, happen: () => void): void {
    this.after(delayMs, { happen });
  }
}
