/**
 * The managed Node.js runtime: the first process of a container for nodejs22.x and nodejs24.x.
 *
 * It starts `blank`, before anyone knows which function it will serve, and does all work that does
 * not depend on the function. `init` makes it the runtime of one function for good (`loading`, then
 * `ready`); it then runs invocations until the agent closes the channel, or the function ends it.
 */
import { writeSync } from "node:fs";
import { RESPONSE_TOO_LARGE } from "../../model/response-limit.ts";
import type { RuntimeOrder } from "../../protocol/runtime-protocol.ts";
import { installAwsLambda } from "./awslambda.ts";
import { Channel } from "./channel.ts";
import { replaceEnvironment } from "./environment.ts";
import { runWrapper, wrappedInit } from "./exec-wrapper.ts";
import { trustExtraCertificates } from "./extra-certificates.ts";
import { describeError, describeErrorForLog, RuntimeError } from "./function-error.ts";
import { fitGarbageCollection } from "./garbage-collection.ts";
import { loadHandler } from "./handler.ts";
import { Invoker, isTooLarge } from "./invoker.ts";
import { LogOutput } from "./log-output.ts";
import { applyNodeOptions } from "./node-options.ts";
import { traceIdVariable } from "./trace-id.ts";
import { UsageMeter } from "./usage-meter.ts";
import { warmUp } from "./warm-up.ts";

const AGENT_FD = 3;
const STDERR_FD = 2;
/** What AWS's Node.js runtime exits with; seen by callers in `Runtime exited with error: exit status …`. */
const EXIT_UNHANDLED_REJECTION = 128;
const EXIT_UNCAUGHT_EXCEPTION = 129;
const EXIT_INIT_ERROR = 1;
const EXIT_PROTOCOL_VIOLATION = 70;

const exit = process.exit.bind(process);
const { now } = performance;
const nowMs = now.bind(performance);

type Init = Extract<RuntimeOrder, { kind: "init" }>;

type State =
  | { readonly kind: "blank" }
  | { readonly kind: "loading" }
  | { readonly kind: "ready"; readonly invoker: Invoker };

let state: State = { kind: "blank" };

/** This process was started by the function's own wrapper: it knows its function. */
const wrapped = wrappedInit();
const usage = new UsageMeter(process.env["HEARTH_REPORT_USAGE"] === "1");
const channel = new Channel(AGENT_FD, obey, channelEnded);
const log = new LogOutput(channel);

function obey(header: unknown, payload: Buffer): void {
  const order = header as RuntimeOrder | null;
  if (order?.kind === "invoke" && state.kind === "ready") state.invoker.invoke(order, payload);
  else if (order?.kind === "credit" && state.kind === "ready") state.invoker.credit(order.requestId, order.bytes);
  else if (order?.kind === "init" && state.kind === "blank") void initialize(order);
  else throw new Error(`order ${JSON.stringify(order?.kind)} while ${state.kind}`);
}

async function initialize(order: Init): Promise<void> {
  const startMs = nowMs();
  state = { kind: "loading" };
  const wrapper = order.environment["AWS_LAMBDA_EXEC_WRAPPER"];
  if (wrapper && wrapped === undefined) {
    channel.release();
    return runWrapper(wrapper, order, exit);
  }
  try {
    replaceEnvironment(order.environment);
    traceIdVariable.install();
    process.chdir(order.taskRoot);
    log.configure(order.environment);
    // A process of its own had them from its start.
    if (wrapped === undefined) {
      trustExtraCertificates(order.environment["NODE_EXTRA_CA_CERTS"]);
      await applyNodeOptions(order.environment["NODE_OPTIONS"], order.taskRoot);
    }
    const handler = await loadHandler(order.taskRoot, order.handler);
    state = { kind: "ready", invoker: new Invoker(channel, log, usage, handler, order.environment) };
    channel.send(`{"kind":"initDone","initUs":${Math.round((nowMs() - startMs) * 1000)}}`, "");
    fitGarbageCollection(order.memoryMiB);
  } catch (error) {
    die("Uncaught Exception", error, EXIT_INIT_ERROR);
  }
}

/** Says what happened to the log and to whoever waits for an answer, then exits. */
function die(title: string, error: unknown, status: number): never {
  log.logFailure(title, describeErrorForLog(error));
  log.endLine();
  if (state.kind === "loading") channel.send('{"kind":"initError"}', initErrorText(error));
  else if (state.kind === "ready") state.invoker.failFatally(error);
  return exit(status);
}

function initErrorText(error: unknown): string {
  const text = JSON.stringify(describeError(error));
  return isTooLarge(text) ? JSON.stringify(RESPONSE_TOO_LARGE) : text;
}

function channelEnded(violation?: Error): void {
  if (violation === undefined) exit(0);
  writeSync(STDERR_FD, `hearth: the agent broke the runtime protocol: ${violation?.message}\n`);
  exit(EXIT_PROTOCOL_VIOLATION);
}

process.on("uncaughtException", (error) => die("Uncaught Exception", error, EXIT_UNCAUGHT_EXCEPTION));
process.on("unhandledRejection", (reason) => {
  const stack = reason instanceof Error ? reason.stack : String(reason);
  const name = "Runtime.UnhandledPromiseRejection";
  die(
    "Unhandled Promise Rejection",
    new RuntimeError(name, String(reason), `${name}: ${stack}`),
    EXIT_UNHANDLED_REJECTION,
  );
});
process.on("beforeExit", () => {
  if (state.kind === "ready") state.invoker.loopEmptied();
});
process.on("exit", () => log.endLine());

void (wrapped === undefined ? warmUp() : Promise.resolve()).then(() => {
  log.install();
  installAwsLambda();
  if (wrapped === undefined) channel.send('{"kind":"blank"}', "");
  else void initialize(wrapped);
});
