import { readFileSync } from "node:fs";

/** Given to a server to be inspected: any free port, which its standard error then names. */
export const INSPECTABLE = { NODE_OPTIONS: "--inspect=127.0.0.1:0" };

const MEBIBYTE = 1024 * 1024;

/**
 * Memory that a process really holds on to, in MiB: its heap and its buffers after all garbage was
 * collected. What the system says of a process breathes by tens of MiB with the collector's moods.
 *
 * @param logPath standard error of a process that was started with INSPECTABLE.
 */
export async function heldMiB(logPath: string): Promise<number> {
  // The launcher replaces itself: the last one named is the server's.
  const address = [...readFileSync(logPath, "utf8").matchAll(/Debugger listening on (ws:\S+)/g)].at(-1)?.[1];
  if (address === undefined) throw new Error(`no inspector in ${logPath}`);
  const socket = new WebSocket(address);
  try {
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve, { once: true });
      socket.addEventListener("error", () => reject(new Error(`no answer at ${address}`)), { once: true });
    });
    // What the first collection finalises is free in the second.
    await call(socket, "HeapProfiler.collectGarbage");
    await call(socket, "HeapProfiler.collectGarbage");
    const { result } = (await call(socket, "Runtime.evaluate", {
      expression: "(({ heapUsed, external }) => heapUsed + external)(process.memoryUsage())",
    })) as { result: { value: number } };
    return result.value / MEBIBYTE;
  } finally {
    socket.close();
  }
}

/** One at a time, so that the next message is the answer. */
function call(socket: WebSocket, method: string, params: object = {}): Promise<unknown> {
  return new Promise((resolve) => {
    const onMessage = ({ data }: MessageEvent) => {
      const message = JSON.parse(data as string) as { id?: number; result?: unknown };
      if (message.id === undefined) return; // An event of the inspector.
      socket.removeEventListener("message", onMessage);
      resolve(message.result);
    };
    socket.addEventListener("message", onMessage);
    socket.send(JSON.stringify({ id: 1, method, params }));
  });
}
