import type { Command } from "../model/event.ts";

/** The event that is being handled, for all parts of the core: its time, and the commands that it has led to so far. */
export class Turn {
  readonly #idPrefix: string;
  #seq = 0;
  #wallOffsetMs = 0;
  nowMs = 0;
  commands: Command[] = [];

  constructor(idPrefix: string) {
    this.#idPrefix = idPrefix;
  }

  begin(nowMs: number): void {
    this.nowMs = nowMs;
    this.commands = [];
  }

  setWallClock(offsetMs: number): void {
    this.#wallOffsetMs = offsetMs;
  }

  /** Milliseconds since the epoch as the host believes; for time windows, which follow the calendar. */
  get wallMs(): number {
    return this.nowMs + this.#wallOffsetMs;
  }

  order(command: Command): void {
    this.commands.push(command);
  }

  newId(kind: "i" | "c" | "l"): string {
    return `${kind}-${this.#idPrefix}${(this.#seq++).toString(36)}`;
  }
}
