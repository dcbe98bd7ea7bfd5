import type { Lease } from "../model/invocation.ts";
import type { Assignment, ServerMessage } from "../protocol/agent-protocol.ts";
import type { PendingInvocation } from "./pending-invocation.ts";

/** The order for an agent to run an invocation. @param assignment on a cold start. @param tellBegun whether the agent shall say when init is over. */
export function runMessageOf(
  { id: leaseId, containerId }: Lease,
  { request, retries, mode, trace }: PendingInvocation,
  assignment: Assignment | undefined,
  tellBegun: boolean,
): Extract<ServerMessage, { kind: "run" }> {
  const { id: invocationId, invokedArn, clientContext, traceId, sink } = request;
  return {
    kind: "run",
    containerId,
    leaseId,
    invocationId,
    invokedArn,
    retries,
    clientContext,
    traceId: trace === undefined ? traceId : trace.traceId,
    assignment,
    keepResult: mode === "asynchronous",
    stream: sink === undefined ? undefined : true,
    tellBegun: tellBegun ? true : undefined,
  };
}
