import { type Outcome, UNMEASURED, type Usage } from "../model/invocation.ts";
import type { ServerMessage } from "../protocol/agent-protocol.ts";
import type { ContainerUsage } from "./container-backend.ts";
import type { OwnUsage } from "./drivers/runtime-driver.ts";
import { microsecondsSince, spentUs } from "./elapsed.ts";

export type RunOrder = Extract<ServerMessage, { kind: "run" }>;

/** How an execution ended, without what is in the order already; absence as in the protocol. */
export type RunResult = Usage & {
  readonly outcome: Outcome;
  readonly containerUsable: boolean;
  readonly exit: string | undefined;
};

/** The result of a run that no container could take. */
export function agentFault(): RunResult {
  return { ...UNMEASURED, outcome: "agentFault", containerUsable: false, wallUs: 0, exit: undefined };
}

/**
 * The result of an execution that ends now.
 *
 * @param usage what was measured of it. undefined: it could not be, or there was nothing to measure.
 * @param own what the runtime says, where nothing was measured.
 */
export function runResult(
  { beganMs, initUs }: { readonly beganMs: number | undefined; readonly initUs: number | undefined },
  outcome: Outcome,
  timeoutMs: number,
  containerUsable: boolean,
  exit: string | undefined,
  usage: ContainerUsage | undefined,
  own: OwnUsage,
): RunResult {
  return {
    ...(usage ?? UNMEASURED),
    outcome,
    containerUsable,
    wallUs: spentUs(beganMs === undefined ? 0 : microsecondsSince(beganMs), outcome, timeoutMs),
    cpuUs: usage?.cpuUs ?? own?.cpuUs,
    memoryPeakBytes: usage?.memoryPeakBytes ?? own?.memoryBytes,
    initUs,
    exit,
  };
}
