import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { basename, dirname } from "node:path";
import { SYSTEM_PATH } from "../../host/command.ts";
import { GATEWAY_PORT } from "./guest-network.ts";

const READY_TIMEOUT_MS = 10_000;
/** A guest has a handful of connections to its server; each is one process of socat. */
const CONNECTIONS_MAX = 16;
const LOOPBACK = "127.0.0.1";

/** Says that it stands in its network namespace, and waits for leave to go on, see the sandbox's `instance-process.ts`. */
const GATE = 'echo ready && read -r go && exec "$@" </dev/null >&2';
/**
 * In a process namespace of its own, so that the way to the server ends with QEMU, which takes this shell's place as its first
 * process.
 */
const WAY_AND_MACHINE = 'ip link set lo up && { socat "$1" "$2" & } && shift 2 && exec "$@"';

export type MachineProcess = {
  readonly command: readonly string[];
  /** Of the host: connections to the guest's gateway end there. */
  readonly gatewayPath: string;
  /** What QEMU writes of itself. */
  readonly logPath: string;
  /** Called while the process waits in its network namespace. */
  readonly prepare: (pid: number) => Promise<void>;
  /** Called when the process has ended after a successful start. */
  readonly onExit: (reason: string) => void;
};

/**
 * Starts QEMU in network and process namespaces of its own. It outlives this process; killing the one whose id is
 * returned ends all in it.
 *
 * @throws Error naming what failed; a process may be left in the group that `prepare` put it into.
 */
export async function startMachine(machine: MachineProcess): Promise<number> {
  const { command, gatewayPath, logPath, prepare, onExit } = machine;
  const logFd = openSync(logPath, "a", 0o600);
  const listen = `TCP-LISTEN:${GATEWAY_PORT},bind=${LOOPBACK},reuseaddr,fork,max-children=${CONNECTIONS_MAX}`;
  const script = ["/bin/sh", "-c", WAY_AND_MACHINE, "hearth-machine", listen, `UNIX-CONNECT:${basename(gatewayPath)}`];
  const inner = ["unshare", "--pid", "--fork", "--kill-child", "--", ...script, ...command];
  const child = spawn("unshare", ["--net", "--", "/bin/sh", "-c", GATE, "hearth-machine", ...inner], {
    // So that the socket can be named to socat without what its own language takes for separators.
    cwd: dirname(gatewayPath),
    detached: true,
    stdio: ["pipe", "pipe", logFd],
    env: { PATH: SYSTEM_PATH },
  });
  closeSync(logFd);
  const early = once(child, "exit").then(([status]): never => {
    throw new Error(`the machine's process ended with status ${status}; its log: ${logPath}`);
  });
  early.catch(() => {}); // Later it ends as it should.
  const { stdin, stdout } = child;
  // With no descriptors left Node makes no pipes, and says why in its next turn.
  if (!stdin || !stdout) return early;
  stdin.on("error", () => {}); // It is gone; the missing answer says so.
  try {
    await Promise.race([once(stdout, "data", { signal: AbortSignal.timeout(READY_TIMEOUT_MS) }), early]);
    const pid = child.pid as number;
    await prepare(pid);
    if (child.exitCode !== null || child.signalCode !== null) await early;
    child.once("exit", (status, signal) => onExit(`its machine ended: ${signal ?? `status ${status}`}`));
    stdin.end("go\n");
    return pid;
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  } finally {
    stdout.destroy();
    child.unref();
  }
}
