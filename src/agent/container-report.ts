import type { ContainerId } from "../model/ids.ts";
import type { ContainerReport } from "../model/instance.ts";
import type { RuntimeName } from "../model/runtime.ts";
import type { Assignment } from "../protocol/agent-protocol.ts";
import type { RunOrder } from "./run-result.ts";

/**
 * What a server that adopts a container is told.
 * @param assignment undefined: it is blank.
 * @param isInitializedAhead of a call.
 * @param order undefined: none waits for it.
 */
export function containerReport(
  { id: containerId, runtime }: { readonly id: ContainerId; readonly runtime: RuntimeName },
  assignment: Assignment | undefined,
  isInitializedAhead: boolean,
  order: RunOrder | undefined,
): ContainerReport {
  if (assignment === undefined) return { state: "blank", containerId, runtime };
  const { functionKey, memoryMiB, reservedMiB, needMiB, cpuMilli, logGroup, logStream } = assignment;
  const size = { memoryMiB, reservedMiB, needMiB, cpuMilli };
  const held = { containerId, runtime, functionKey, ...size, logGroup, logStream, isInitializedAhead };
  if (order === undefined) return { state: "idle", ...held };
  return { state: "running", ...held, leaseId: order.leaseId, invocationId: order.invocationId };
}
