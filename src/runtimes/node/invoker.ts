import { RESPONSE_BYTES_MAX } from "../../model/response-limit.ts";
import { type Streaming, streamingOf } from "./awslambda.ts";
import type { Outlet } from "./channel.ts";
import { describeError, describeErrorForLog, RuntimeError } from "./function-error.ts";
import { allowsCallbacks, type Handler } from "./handler.ts";
import { type Callback, ContextMaker, type InvocationContext, type InvokeOrder } from "./invocation-context.ts";
import { invokeStore } from "./invoke-store.ts";
import type { LogOutput } from "./log-output.ts";
import { ChunkOutlet, CollectingOutlet, type ResponseOutlet } from "./response-outlet.ts";
import { ResponseStream } from "./response-stream.ts";
import { traceIdVariable } from "./trace-id.ts";
import type { UsageMeter } from "./usage-meter.ts";

const { setImmediate } = globalThis;

/**
 * Runs the invocations of one function, one at a time.
 *
 * An invocation is `#running` from its order to its answer; whatever its handler says afterwards is
 * ignored. While it runs, the channel does not keep the process alive: so Node itself tells
 * (`beforeExit`) when nothing is left that could still bring an answer, or when a callback handler's
 * event loop is empty. `#whenEmpty` is what to answer then.
 */
export class Invoker {
  readonly #channel: Outlet;
  readonly #log: LogOutput;
  readonly #usage: UsageMeter;
  readonly #handler: Handler;
  readonly #streaming: Streaming | undefined;
  readonly #contexts: ContextMaker;
  /** Of the running invocation, if its handler streams. */
  #outlet: ResponseOutlet | undefined;
  #running: InvokeOrder | undefined;
  #whenEmpty: (() => void) | undefined;

  constructor(
    channel: Outlet,
    log: LogOutput,
    usage: UsageMeter,
    handler: Handler,
    environment: Readonly<Record<string, string>>,
  ) {
    this.#channel = channel;
    this.#log = log;
    this.#usage = usage;
    this.#handler = handler;
    this.#streaming = streamingOf(handler);
    this.#contexts = new ContextMaker(environment);
  }

  /** @throws Error when another invocation is still running. */
  invoke(order: InvokeOrder, payload: Buffer): void {
    if (this.#running !== undefined) throw new Error("invoke while another invocation runs");
    let event: unknown;
    try {
      event = payload.length === 0 ? {} : JSON.parse(payload.toString());
    } catch {
      this.#channel.send(`{"kind":"invalidPayload","requestId":${JSON.stringify(order.requestId)}}`, "");
      return;
    }
    this.#begin(order);
    try {
      this.#call(order, event);
    } catch (error) {
      this.#fail(order, error);
    }
  }

  /** So many bytes of what this invocation streams were taken. */
  credit(requestId: string, bytes: number): void {
    if (this.#running?.requestId === requestId) this.#outlet?.credit(bytes);
  }

  /** Node's event loop is empty. */
  loopEmptied(): void {
    this.#whenEmpty?.();
  }

  /** Answers the running invocation with an error after which the process exits. */
  failFatally(error: unknown): void {
    if (this.#running !== undefined) this.#answerError(this.#running, error, true);
  }

  #begin(order: InvokeOrder): void {
    this.#running = order;
    this.#log.requestId = order.requestId;
    traceIdVariable.value = order.traceId;
    invokeStore.begin(order.requestId, order.traceId);
    this.#usage.begin();
    this.#channel.unref();
  }

  #call(order: InvokeOrder, event: unknown): void {
    const context = this.#contexts.make(order);
    if (this.#streaming !== undefined) {
      this.#callStreaming(order, event, context, this.#streaming);
      return;
    }
    if (allowsCallbacks) {
      this.#callWithCallback(order, event, context);
      return;
    }
    const returned = this.#handler(event, context);
    if (isThenable(returned)) this.#await(order, returned);
    else this.#succeed(order, returned);
  }

  #callWithCallback(order: InvokeOrder, event: unknown, context: InvocationContext): void {
    // A handler that neither returns a promise nor calls back is done with null when the loop is empty.
    this.#whenEmpty = () => this.#succeed(order, null);
    const done: Callback = (error, result) => {
      if (error === undefined || error === null) this.#succeed(order, result);
      else this.#fail(order, error);
    };
    const callback: Callback = (error, result) => {
      if (error !== undefined && error !== null) {
        this.#fail(order, error);
        return;
      }
      if (this.#running !== order) return;
      const answer = () => this.#succeed(order, result);
      this.#whenEmpty = answer;
      if (!context.callbackWaitsForEmptyEventLoop) setImmediate(answer);
    };
    context.callbackWaitsForEmptyEventLoop = true;
    context.done = done;
    context.fail = (error) => this.#fail(order, error);
    context.succeed = (result) => this.#succeed(order, result);
    const returned = this.#handler(event, context, callback);
    if (isThenable(returned)) this.#await(order, returned);
  }

  #callStreaming(order: InvokeOrder, event: unknown, context: InvocationContext, { highWaterMark }: Streaming): void {
    const tooLarge = () => {
      if (this.#running === order) this.#answer(order, '"responseTooLarge"', "", "");
      stream.destroy(new Error("The response is larger than a function may stream."));
    };
    const outlet = order.stream
      ? new ChunkOutlet(this.#channel, order.requestId, tooLarge)
      : new CollectingOutlet(tooLarge);
    const stream = new ResponseStream(outlet, highWaterMark);
    // Whoever writes is told; as with AWS's stream, nobody has to listen.
    stream.on("error", () => {});
    this.#outlet = outlet;
    const returned = (this.#handler as unknown as StreamingHandler)(event, stream, context);
    if (!isThenable(returned)) throw new Error("Streaming does not support non-async handlers.");
    this.#whenEmpty = () => this.#failUnexpectedly(order);
    returned.then(
      (result) => this.#finishStream(order, stream, outlet, result),
      (error) => this.#fail(order, error),
    );
  }

  /** The handler is done; its stream may not be. */
  #finishStream(order: InvokeOrder, stream: ResponseStream, outlet: ResponseOutlet, result: unknown): void {
    if (this.#running !== order) return;
    if (result !== undefined) this.#log.log("WARN", ["Streaming handlers ignore return values."]);
    const unfinished = () => this.#fail(order, new Error("Response stream is not finished."));
    const finished = () => {
      if (this.#running === order) this.#answer(order, '"result"', "", outlet.rest);
    };
    this.#whenEmpty = unfinished;
    if (stream.writableFinished) finished();
    else if (stream.destroyed) unfinished();
    else stream.once("finish", finished).once("close", unfinished);
  }

  #failUnexpectedly(order: InvokeOrder): void {
    const message = "Lambda runtime client detected an unexpected Node.js exit code.";
    this.#fail(order, new RuntimeError("Runtime.NodejsExit", message));
  }

  #await(order: InvokeOrder, promise: PromiseLike<unknown>): void {
    if (this.#running !== order) return;
    this.#whenEmpty = () => this.#failUnexpectedly(order);
    promise.then(
      (result) => this.#succeed(order, result),
      (error) => this.#fail(order, error),
    );
  }

  #succeed(order: InvokeOrder, result: unknown): void {
    if (this.#running !== order) return;
    let text: string;
    try {
      text = JSON.stringify(result) ?? "null";
    } catch {
      this.#fail(order, unserializable());
      return;
    }
    if (isTooLarge(text)) this.#answer(order, '"responseTooLarge"', "", "");
    else this.#answer(order, '"result"', "", text);
  }

  #fail(order: InvokeOrder, error: unknown): void {
    if (this.#running !== order) return;
    this.#log.logFailure("Invoke Error", describeErrorForLog(error));
    this.#answerError(order, error, false);
  }

  #answerError(order: InvokeOrder, error: unknown, fatal: boolean): void {
    const text = JSON.stringify(describeError(error));
    if (isTooLarge(text)) this.#answer(order, '"responseTooLarge"', "", "");
    else this.#answer(order, '"error"', `,"fatal":${fatal}`, text);
  }

  #answer(order: InvokeOrder, kind: string, members: string, payload: string | Buffer): void {
    this.#running = undefined;
    this.#whenEmpty = undefined;
    this.#outlet?.close();
    this.#outlet = undefined;
    this.#log.endLine();
    const { cpuUs, memoryBytes } = this.#usage.read();
    const header = `{"kind":${kind},"requestId":${JSON.stringify(order.requestId)},"cpuUs":${cpuUs},"memoryBytes":${memoryBytes}${members}}`;
    if (typeof payload === "string") this.#channel.send(header, payload);
    else this.#channel.sendBytes(header, payload);
    this.#channel.ref();
  }
}

type StreamingHandler = (event: unknown, stream: ResponseStream, context: InvocationContext) => unknown;

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === "function";
}

/** The names are those of AWS's runtimes for Node.js up to 22 and from 24 on. */
function unserializable(): Error {
  const message = "Unable to stringify response body";
  return allowsCallbacks ? new Error(message) : new RuntimeError("Runtime.JSONStringifyError", message);
}

/** Whether it is larger than a function may answer. */
export function isTooLarge(text: string): boolean {
  // A unit of a string takes at most three bytes: most responses need no counting.
  return text.length * 3 > RESPONSE_BYTES_MAX && Buffer.byteLength(text) > RESPONSE_BYTES_MAX;
}
