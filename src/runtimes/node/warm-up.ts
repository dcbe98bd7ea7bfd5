import { basename, dirname } from "node:path";
import { pathToFileURL } from "node:url";
import type { Outlet } from "./channel.ts";
import { replaceEnvironment } from "./environment.ts";
import { describeErrorForLog } from "./function-error.ts";
import { collectGarbage } from "./garbage-collection.ts";
import { loadHandler } from "./handler.ts";
import type { InvokeOrder } from "./invocation-context.ts";
import { Invoker } from "./invoker.ts";
import { LogOutput } from "./log-output.ts";
import { applyNodeOptions } from "./node-options.ts";
import { UsageMeter } from "./usage-meter.ts";

/** Enough for V8 to have compiled the path of an invocation and seen its types. */
const REHEARSALS = 20;

const LOADING_REHEARSALS = 3;

/**
 * Parts of Node that most functions need, the AWS SDK for one. Loading them takes 10 ms and, in each
 * blank process, 4 MB of memory.
 */
const PARTS_OF_NODE = ["crypto", "https", "zlib", "fs/promises", "stream/promises", "child_process"];

/** Lambda's time zone; see `replaceEnvironment` for why it is set early. */
const LAMBDA_TIME_ZONE = ":UTC";

const nowhere: Outlet = { send() {}, sendBytes() {}, ref() {}, unref() {} };

/**
 * Does early what would otherwise be done for the first time while a caller waits for a cold
 * start: both module loaders, the time zone, the standard streams, parts of Node, the path of an invocation.
 */
export async function warmUp(): Promise<void> {
  process.env["TZ"] = LAMBDA_TIME_ZONE;
  replaceEnvironment({ ...process.env } as Record<string, string>);
  void process.stdout;
  void process.stderr;
  for (const part of PARTS_OF_NODE) require(`node:${part}`);
  await rehearseLoading();
  const log = new LogOutput(nowhere);
  log.configure({});
  log.log("INFO", ["rehearsal %s", { of: new Error("rehearsal") }]);
  log.logFailure("rehearsal", describeErrorForLog(new Error("rehearsal")));
  await rehearse(log);
  collectGarbage();
}

/** Loads this file again and again as if it were a function's module; only its first line runs, see bundle.ts. */
async function rehearseLoading(): Promise<void> {
  for (let i = 0; i < LOADING_REHEARSALS; i++) {
    delete require.cache[__filename];
    await loadHandler(dirname(__filename), `${basename(__filename, ".cjs")}.absent`).catch(() => {});
    await import(`data:text/javascript,import ${JSON.stringify(pathToFileURL(__filename).href)};export const i = ${i}`);
  }
  await applyNodeOptions("", "/");
}

async function rehearse(log: LogOutput): Promise<void> {
  const order: InvokeOrder = { kind: "invoke", requestId: "", deadlineMs: 0, invokedArn: "", traceId: "", retries: 0 };
  const payload = Buffer.from('{"rehearsal":[1,"two"]}');
  const invoker = new Invoker(nowhere, log, new UsageMeter(false), async (event) => event, {});
  for (let i = 0; i < REHEARSALS; i++) {
    invoker.invoke({ ...order, traceId: String(i) }, payload);
    await null;
    await null;
  }
}
