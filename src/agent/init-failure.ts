import type { Outcome } from "../model/invocation.ts";
import type { ContainerState } from "./container-state.ts";
import { microsecondsSince, spentUs } from "./elapsed.ts";
import type { ExtensionHost } from "./extensions/extension-host.ts";
import { phaseEnd } from "./phase-end.ts";

type Init = Extract<ContainerState, { name: "prewarming" | "initialising" | "repeating" }>;

/** Tells the function's log, and those who observe it, that an init did not come to its end. */
export function tellInitFailed(
  init: Init,
  extensions: ExtensionHost | undefined,
  outcome: Outcome,
  payload: Buffer,
): void {
  const beganMs = init.name === "repeating" ? (init.run.beganMs as number) : init.beganMs;
  const measuredUs = microsecondsSince(beganMs);
  // A repeated one has what is left of the function's own time.
  const tookUs = init.name === "repeating" ? measuredUs : spentUs(measuredUs, outcome, init.initMsMax);
  extensions?.initFailed(tookUs, phaseEnd(outcome, payload));
}
