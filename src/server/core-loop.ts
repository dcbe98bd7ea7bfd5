import type { ControlPlane } from "../control/control-plane.ts";
import type { Command, Event } from "../model/event.ts";
import type { Clock } from "../ports/clock.ts";

export type CoreLoopOptions = {
  readonly control: Pick<ControlPlane, "handle" | "wakeAtMs">;
  readonly clock: Clock;
  perform(command: Command): void;
  /** The event and all that followed from it are done. */
  onHandled(event: Event): void;
};

/**
 * Feeds the core, one event after the other: one that occurs while commands are performed waits. Wakes the core with a Tick
 * when it wants to be woken, between `keepTime` and `stop`.
 */
export class CoreLoop {
  readonly #options: CoreLoopOptions;
  readonly #inbox: Event[] = [];
  #isFeeding = false;
  #timer: NodeJS.Timeout | undefined;
  /** Nothing is armed before `keepTime` and after `stop`. */
  #timerAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: CoreLoopOptions) {
    this.#options = options;
  }

  keepTime(): void {
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    this.feed({ kind: "Tick" });
  }

  /** Events are handled all the same; nothing more happens by time alone. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerAtMs = Number.NEGATIVE_INFINITY;
  }

  feed(event: Event): void {
    this.#inbox.push(event);
    if (this.#isFeeding) return;
    this.#isFeeding = true;
    const { control, clock, perform, onHandled } = this.#options;
    try {
      for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) {
        const commands = control.handle(next, clock.monotonicMs());
        for (const command of commands) perform(command);
        onHandled(next);
      }
    } finally {
      this.#isFeeding = false;
    }
    const wakeAtMs = control.wakeAtMs;
    if (wakeAtMs !== undefined && wakeAtMs < this.#timerAtMs) this.#arm(wakeAtMs);
  }

  #arm(atMs: number): void {
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    this.#timer = setTimeout(
      () => {
        this.#timerAtMs = Number.POSITIVE_INFINITY;
        this.feed({ kind: "Tick" });
      },
      Math.max(0, Math.ceil(atMs - this.#options.clock.monotonicMs())),
    );
  }
}
