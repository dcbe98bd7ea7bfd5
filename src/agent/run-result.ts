import { type Outcome, UNMEASURED, type Usage } from "../model/invocation.ts";
import type { ServerMessage } from "../protocol/agent-protocol.ts";

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
