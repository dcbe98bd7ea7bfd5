import { agentConfigSchema } from "../protocol/agent-config.ts";
import { Agent } from "./agent.ts";
import { createAgentLog, reasonOf } from "./agent-log.ts";
import { createBackend } from "./backend.ts";

/** What is left after this long is the provider's to clean up. */
const CLOSE_MS_MAX = 10_000;

const CONFIG_VARIABLE = "HEARTH_AGENT_CONFIG";

const config = agentConfigSchema.parse(JSON.parse(process.env[CONFIG_VARIABLE] ?? "null"));
// It holds the instance's token; nothing that the agent starts may inherit it.
delete process.env[CONFIG_VARIABLE];

const log = createAgentLog(config.instanceId);
process.on("uncaughtException", (cause) => {
  log("error", "agent failed", { reason: cause.stack });
  process.exit(1);
});

const backend = await createBackend(config, log);
const agent = new Agent({ config, backend, log, onExitOrdered: (reason) => void close(reason) });
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void close(signal));

let isClosing = false;

async function close(reason: string): Promise<void> {
  if (isClosing) return;
  isClosing = true;
  log("info", "agent ends", { reason });
  setTimeout(() => process.exit(1), CLOSE_MS_MAX).unref();
  try {
    await agent.close(reason);
    process.exit(0);
  } catch (cause) {
    log("error", "instance not cleaned up", { reason: reasonOf(cause) });
    process.exit(1);
  }
}
