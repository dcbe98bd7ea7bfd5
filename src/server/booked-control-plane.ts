import { ControlPlane } from "../control/control-plane.ts";
import type { Settings } from "../control/settings.ts";
import type { Command, Event } from "../model/event.ts";
import type { Bookkeeper } from "./bookkeeper.ts";

/** The control core with a bookkeeper who looks on; its decisions are the same. */
export class BookedControlPlane extends ControlPlane {
  readonly #bookkeeper: Bookkeeper;

  constructor(settings: Settings, bookkeeper: Bookkeeper) {
    super(settings);
    this.#bookkeeper = bookkeeper;
  }

  override handle(event: Event, nowMs: number): readonly Command[] {
    const commands = super.handle(event, nowMs);
    this.#bookkeeper.observe(event, commands, nowMs);
    return commands;
  }
}
