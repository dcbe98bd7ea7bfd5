import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { SYSTEM_PATH } from "../../host/command.ts";
import type { AgentConfig } from "../../protocol/agent-config.ts";

const READY_TIMEOUT_MS = 10_000;

/** All namespaces but the network's, which is made one step earlier so that it can be furnished. */
const NAMESPACES = ["--mount", "--pid", "--ipc", "--uts", "--mount-proc", "--propagation", "private"];

/**
 * Says that it stands in its network namespace, waits for leave to go on, and becomes the agent.
 * Meanwhile the caller moves it into its control group, before it has children that would stay behind.
 */
const GATE = 'echo ready && read -r go && exec "$@" </dev/null >&2';

export type InstanceProcess = {
  readonly nodePath: string;
  readonly agentBundlePath: string;
  readonly config: AgentConfig;
  /** What the agent writes before it can log to its server, and when it crashes. */
  readonly logPath: string;
  /** Called while the process waits in its network namespace. */
  readonly prepare: (pid: number) => Promise<void>;
  /** Called when the process has ended after a successful start. */
  readonly onExit: (reason: string) => void;
};

/**
 * Starts an agent as the first process of its own namespaces. It outlives this process; killing
 * it kills all in its pid namespace.
 *
 * @throws Error naming what failed; a process may be left in the group that `prepare` put it into.
 */
export async function startInstance(instance: InstanceProcess): Promise<void> {
  const logFd = openSync(instance.logPath, "a", 0o600);
  const agent = [instance.nodePath, instance.agentBundlePath];
  const inner = ["unshare", ...NAMESPACES, "--fork", "--kill-child", "--", ...agent];
  const child = spawn("unshare", ["--net", "--", "/bin/sh", "-c", GATE, "hearth-agent", ...inner], {
    detached: true,
    stdio: ["pipe", "pipe", logFd],
    env: { PATH: SYSTEM_PATH, HEARTH_AGENT_CONFIG: JSON.stringify(instance.config) },
  });
  closeSync(logFd);
  const early = once(child, "exit").then(([status]): never => {
    throw new Error(`the instance's process ended with status ${status}; its log: ${instance.logPath}`);
  });
  early.catch(() => {}); // Later it ends as it should.
  const { stdin, stdout } = child;
  // With no descriptors left Node makes no pipes, and says why in its next turn.
  if (!stdin || !stdout) return early;
  stdin.on("error", () => {}); // It is gone; the missing answer says so.
  try {
    await Promise.race([once(stdout, "data", { signal: AbortSignal.timeout(READY_TIMEOUT_MS) }), early]);
    await instance.prepare(child.pid as number);
    if (child.exitCode !== null || child.signalCode !== null) await early;
    stdin.end("go\n");
    child.once("exit", (status, signal) => {
      instance.onExit(`its agent's process ended: ${signal ?? `status ${status}`}; its log: ${instance.logPath}`);
    });
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  } finally {
    stdout.destroy();
    child.unref();
  }
}
