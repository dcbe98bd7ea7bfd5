import type { Outcome } from "../model/invocation.ts";
import type { ContainerState } from "./container-state.ts";
import { microsecondsSince, spentUs } from "./elapsed.ts";
import type { ExtensionHost } from "./extensions/extension-host.ts";
import type { FunctionLog } from "./function-log.ts";
import { initReport } from "./init-report.ts";
import { phaseEnd } from "./phase-end.ts";

type Init = Extract<ContainerState, { name: "prewarming" | "initialising" | "repeating" }>;

/**
 * Tells those who observe it that an init did not come to its end. The function's log has it too, unless the report of
 * the execution that the init was part of tells of it.
 */
export function tellInitFailed(
  init: Init,
  extensions: ExtensionHost | undefined,
  log: FunctionLog,
  initMsMax: number,
  outcome: Outcome,
  payload: Buffer,
): void {
  const beganMs = init.name === "repeating" ? (init.run.beganMs as number) : init.beganMs;
  const measuredUs = microsecondsSince(beganMs);
  extensions?.initFailed(measuredUs, phaseEnd(outcome, payload));
  if (init.name === "repeating") return;
  const report = initReport(spentUs(measuredUs, outcome, initMsMax), outcome, payload);
  if (report !== undefined) log.write(Buffer.from(report));
}
