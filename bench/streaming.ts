import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { parseArgs } from "node:util";
import { memoryOf } from "./process-usage.ts";
import { quantile, rounded } from "./quantile.ts";
import { describeTarget, type Target, writeResult } from "./report.ts";
import { HearthServer } from "./sides/hearth.ts";
import { inWorkspace } from "./workspace.ts";

/**
 * Streamed responses, seen by a caller of InvokeWithResponseStream: how long after the handler wrote it the first byte
 * is here, how fast the largest response comes, and what it adds to the server's memory.
 */
const { values: options } = parseArgs({ options: { quick: { type: "boolean", default: false } } });
const CALLS = options.quick ? 20 : 500;
/** The compilers of caller, server, agent and runtime are done by then. */
const WARM_UP_CALLS = options.quick ? 20 : 500;
const LARGE_MIB = options.quick ? 20 : 200;
/** Far below the response, and above what garbage collection leaves standing for a moment. */
const MEMORY_MIB_MAX = 64;
/** Between two looks at the server's memory, which take some tenths of a millisecond. */
const LOOK_BYTES = 4 * 2 ** 20;

/** The handler says when it wrote, by the machine's monotonic clock: the time of day is set and slewed while processes live. */
const nowMs = () => Number(process.hrtime.bigint()) / 1e6;
const CODE = `
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
const now = () => Number(process.hrtime.bigint()) / 1e6;
const mebibyte = Buffer.alloc(1024 * 1024, "x");
export const handler = awslambda.streamifyResponse(async (event, stream) => {
  if (event.mebibytes) {
    function* pieces() { for (let i = 0; i < event.mebibytes; i++) yield mebibyte; }
    return void (await pipeline(Readable.from(pieces(), { objectMode: false }), stream));
  }
  stream.write("wrote=" + now() + ";");
  await new Promise((resolve) => setTimeout(resolve, 5));
  stream.end();
});`;

const agent = new Agent({ keepAlive: true });

await inWorkspace(async (folder) => {
  const server = await HearthServer.start(folder("streaming"));
  try {
    await server.deploy({ name: "streaming", memoryMiB: 1769, code: CODE });
    const url = new URL("/2021-11-15/functions/streaming/response-streaming-invocations", server.url);
    const delaysMs: number[] = [];
    for (let at = -WARM_UP_CALLS; at < CALLS; at++) {
      const delayMs = await firstByteDelay(url);
      if (at >= 0) delaysMs.push(delayMs);
    }
    await largeResponse(url, server.pid);
    report(delaysMs, await largeResponse(url, server.pid));
  } finally {
    agent.destroy();
    await server.stop();
  }
});

async function call(url: URL, event: object): Promise<IncomingMessage> {
  const outgoing = request(url, { method: "POST", agent });
  outgoing.end(JSON.stringify(event));
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
  return response;
}

async function firstByteDelay(url: URL): Promise<number> {
  let delayMs: number | undefined;
  for await (const chunk of await call(url, {})) {
    const wroteMs = /wrote=([\d.]+);/.exec((chunk as Buffer).toString("latin1"))?.[1];
    if (wroteMs !== undefined) delayMs ??= nowMs() - Number(wroteMs);
  }
  if (delayMs === undefined) throw new Error("a response without its first piece");
  return delayMs;
}

type Large = { readonly mibPerSecond: number; readonly serverMiBMore: number };

/** The first one makes the buffers that the server keeps; measured is the second. */
async function largeResponse(url: URL, pid: number): Promise<Large> {
  const beforeMiB = memoryOf([pid]).rssMiB;
  const startMs = performance.now();
  let bytes = 0;
  let lookBytes = LOOK_BYTES;
  let mostMiB = beforeMiB;
  for await (const chunk of await call(url, { mebibytes: LARGE_MIB })) {
    bytes += (chunk as Buffer).length;
    if (bytes < lookBytes) continue;
    lookBytes += LOOK_BYTES;
    mostMiB = Math.max(mostMiB, memoryOf([pid]).rssMiB);
  }
  const seconds = (performance.now() - startMs) / 1000;
  return { mibPerSecond: rounded(bytes / 2 ** 20 / seconds), serverMiBMore: rounded(mostMiB - beforeMiB) };
}

function report(delaysMs: readonly number[], large: Large): void {
  const firstByteMs = { p50: rounded(quantile(delaysMs, 0.5)), p99: rounded(quantile(delaysMs, 0.99)) };
  const targets: Target[] = [
    {
      id: "streaming.firstByte",
      says: "from the handler's write to the caller, p99",
      bound: "atMost",
      target: 3,
      measured: firstByteMs.p99,
      unit: "ms",
    },
    {
      id: "streaming.memory",
      says: "what a response of 200 MiB adds to the server's memory",
      bound: "atMost",
      target: MEMORY_MIB_MAX,
      measured: large.serverMiBMore,
      unit: "MiB",
    },
  ];
  console.log(`first byte after the handler wrote it: p50 ${firstByteMs.p50} ms, p99 ${firstByteMs.p99} ms`);
  console.log(`${LARGE_MIB} MiB came at ${large.mibPerSecond} MiB/s; the server grew by ${large.serverMiBMore} MiB`);
  if (options.quick) return;
  const { targets: met } = writeResult("streaming", {
    figures: { calls: CALLS, firstByteMs, largeMiB: LARGE_MIB, ...large },
    targets,
  });
  for (const target of met) console.log(describeTarget(target));
}
