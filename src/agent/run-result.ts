import type { Outcome } from "../model/invocation.ts";
import type { ServerMessage } from "../protocol/agent-protocol.ts";

export type RunOrder = Extract<ServerMessage, { kind: "run" }>;

/** How an execution ended, without what is in the order already; absence as in the protocol. */
export type RunResult = {
  readonly outcome: Outcome;
  readonly containerUsable: boolean;
  readonly wallUs: number;
  readonly cpuUs: number | undefined;
  readonly memoryPeakBytes: number | undefined;
  readonly initUs: number | undefined;
  readonly exit: string | undefined;
};

/** The result of a run that no container could take. */
export function agentFault(): RunResult {
  return {
    outcome: "agentFault",
    containerUsable: false,
    wallUs: 0,
    cpuUs: undefined,
    memoryPeakBytes: undefined,
    initUs: undefined,
    exit: undefined,
  };
}
