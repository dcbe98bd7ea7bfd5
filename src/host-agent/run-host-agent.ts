import type { Log } from "../ports/log.ts";
import type { HostAgentConfig } from "../protocol/host-agent-config.ts";
import { type Installation, startHostAgent } from "./compose.ts";
import type { HostAgentEnd } from "./host-agent.ts";

export type { HostAgentEnd } from "./host-agent.ts";

/** How long instances have to finish after SIGTERM; a second signal cuts it short. */
const GRACE_MS = 10_000;

/**
 * Runs a host agent until SIGTERM or SIGINT, or until it has nothing to do any more; its instances are gone then.
 * @returns why it ended by itself; undefined: it was told to.
 * @throws what `startHostAgent` throws.
 */
export async function runHostAgent(
  config: HostAgentConfig,
  installation: Installation,
  log: Log,
): Promise<HostAgentEnd | undefined> {
  const signalled = Promise.withResolvers<undefined>();
  const hurry = new AbortController();
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals) => {
    signals++;
    if (signals > 2) return; // There is nothing faster.
    log.info({ signal }, signals > 1 ? "ending at once" : "ending; instances may finish what they do");
    if (signals > 1) hurry.abort();
    signalled.resolve(undefined);
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  const agent = await startHostAgent(config, installation, log);
  const end = await Promise.race([agent.ended, signalled.promise]);
  if (end !== undefined) log.info(end, "the host agent ends");
  await agent.stop(end === undefined ? GRACE_MS : 0, hurry.signal);
  return end;
}
