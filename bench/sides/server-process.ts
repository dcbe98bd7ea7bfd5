import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { connect } from "node:net";

const READY_MS_MAX = 60_000;
const READY_POLL_MS = 50;
/** A server that is told to end is killed after this long. */
const STOP_MS_MAX = 30_000;

export type ServerOrder = {
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** How one sees that it serves: what its standard output says then, or that it takes connections on a port. */
  readonly ready: RegExp | number;
  /** Where its standard error goes. */
  readonly logPath: string;
};

export type ServerProcess = {
  readonly pid: number;
  /** First group of `ready`; empty for a port. */
  readonly said: string;
  /** SIGTERM, and SIGKILL if that is not enough. Idempotent. */
  stop(): Promise<void>;
};

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
// An interrupted benchmark ends its servers as it would at its own end.
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    void Promise.all([...running].map(stop)).then(() => process.exit(1));
  });
}

/** Starts a server and waits until it serves. @throws Error that names its log when it does not. */
export async function startServer({ command, cwd, env, ready, logPath }: ServerOrder): Promise<ServerProcess> {
  const [program, ...args] = command;
  const log = openSync(logPath, "a");
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", typeof ready === "number" ? log : "pipe", log],
  });
  closeSync(log);
  running.add(child);
  const ended = new Promise<never>((_, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      running.delete(child);
      reject(new Error(`${command.join(" ")} ended (${signal ?? code}); its log: ${logPath}`));
    });
  });
  ended.catch(() => {});
  const said = await Promise.race([
    ended,
    typeof ready === "number" ? takesConnections(ready) : outputOf(child, ready),
  ]);
  return { pid: child.pid as number, said, stop: () => stop(child) };
}

/** What comes after the match is read and dropped: a full pipe would hold the server up. */
function outputOf(child: ChildProcess, ready: RegExp): Promise<string> {
  let text = "";
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not ready within ${READY_MS_MAX} ms: ${text}`)), READY_MS_MAX);
    const onText = (more: string) => {
      text += more;
      const match = ready.exec(text);
      if (match === null) return;
      clearTimeout(timer);
      child.stdout?.off("data", onText).resume();
      resolve(match[1] ?? "");
    };
    child.stdout?.setEncoding("utf8").on("data", onText);
  });
}

async function takesConnections(port: number): Promise<string> {
  for (let waitedMs = 0; waitedMs < READY_MS_MAX; waitedMs += READY_POLL_MS) {
    if (await isOpen(port)) return "";
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
  }
  throw new Error(`nothing listens on port ${port} after ${READY_MS_MAX} ms`);
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
  await ended;
  clearTimeout(timer);
}
