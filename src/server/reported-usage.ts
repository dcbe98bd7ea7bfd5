import type { Usage } from "../model/invocation.ts";
import type { AgentMessage } from "../protocol/agent-protocol.ts";

/** @param wallUs what is believed of the time that the agent tells. */
export function reportedUsage(message: Extract<AgentMessage, { kind: "finished" }>, wallUs: number): Usage {
  const { cpuUs, memoryPeakBytes, initUs, throttledUs, memoryStallUs, cacheBytes, memoryLimitMiB, cpuMilli } = message;
  const limits = { memoryLimitMiB, cpuMilli, rescues: message.rescues ?? 0 };
  return { wallUs, cpuUs, memoryPeakBytes, initUs, throttledUs, memoryStallUs, cacheBytes, ...limits };
}
