import type { AgentConfig } from "../protocol/agent-config.ts";
import type { AgentLog } from "./agent-log.ts";
import type { ContainerBackend } from "./container-backend.ts";
import { createProcessBackend } from "./process-backend.ts";

/** The backend that the configuration names; the sandbox's code is loaded only where it is used. */
export async function createBackend(config: AgentConfig, log: AgentLog): Promise<ContainerBackend> {
  if (config.backend.kind === "process") return createProcessBackend(config);
  const { createSandboxBackend } = await import("./sandbox/sandbox-backend.ts");
  return createSandboxBackend(config, log);
}
