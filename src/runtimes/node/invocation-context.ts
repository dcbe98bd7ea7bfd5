import type { RuntimeOrder } from "../../protocol/runtime-protocol.ts";

const { now } = Date;

export type InvokeOrder = Extract<RuntimeOrder, { kind: "invoke" }>;

export type Callback = (error?: unknown, result?: unknown) => void;

/** The second argument of a handler, as AWS documents it for Node.js. */
export type InvocationContext = {
  callbackWaitsForEmptyEventLoop?: boolean;
  functionVersion: string | undefined;
  functionName: string | undefined;
  memoryLimitInMB: string | undefined;
  logGroupName: string | undefined;
  logStreamName: string | undefined;
  clientContext: unknown;
  identity: undefined;
  invokedFunctionArn: string;
  awsRequestId: string;
  /** Of functions that keep tenants apart, which there are none of. */
  tenantId: undefined;
  xRayTraceId: string;
  getRemainingTimeInMillis(): number;
  done?: Callback;
  fail?(error: unknown): void;
  succeed?(result?: unknown): void;
};

/** Makes contexts for one function. */
export class ContextMaker {
  // Read once: each look into process.env is a call out of JavaScript.
  readonly #functionVersion: string | undefined;
  readonly #functionName: string | undefined;
  readonly #memoryLimitInMB: string | undefined;
  readonly #logGroupName: string | undefined;
  readonly #logStreamName: string | undefined;

  constructor(environment: Readonly<Record<string, string>>) {
    this.#functionVersion = environment["AWS_LAMBDA_FUNCTION_VERSION"];
    this.#functionName = environment["AWS_LAMBDA_FUNCTION_NAME"];
    this.#memoryLimitInMB = environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"];
    this.#logGroupName = environment["AWS_LAMBDA_LOG_GROUP_NAME"];
    this.#logStreamName = environment["AWS_LAMBDA_LOG_STREAM_NAME"];
  }

  /** @throws SyntaxError when the client context is not JSON. */
  make(order: InvokeOrder): InvocationContext {
    const { deadlineMs } = order;
    return {
      functionVersion: this.#functionVersion,
      functionName: this.#functionName,
      memoryLimitInMB: this.#memoryLimitInMB,
      logGroupName: this.#logGroupName,
      logStreamName: this.#logStreamName,
      clientContext: order.clientContext === undefined ? undefined : JSON.parse(order.clientContext),
      identity: undefined,
      invokedFunctionArn: order.invokedArn,
      awsRequestId: order.requestId,
      tenantId: undefined,
      xRayTraceId: order.traceId,
      getRemainingTimeInMillis: () => deadlineMs - now(),
    };
  }
}
