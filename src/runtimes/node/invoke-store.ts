const REQUEST_ID = Symbol.for("_AWS_LAMBDA_REQUEST_ID");
const X_RAY_TRACE_ID = Symbol.for("_AWS_LAMBDA_X_RAY_TRACE_ID");
const TENANT_ID = Symbol.for("_AWS_LAMBDA_TENANT_ID");
const PROTECTED: ReadonlySet<PropertyKey> = new Set([REQUEST_ID, X_RAY_TRACE_ID, TENANT_ID]);

type Context = Record<PropertyKey, unknown>;

/**
 * What libraries of functions know of the running invocation, under the names of AWS's package
 * `@aws/lambda-invoke-store`, which takes this one when it finds it (the AWS SDK and Powertools ask it).
 */
class InvokeStore {
  #context: Context | undefined;

  /** An invocation begins; what the one before kept here is gone. */
  begin(requestId: string, traceId: string): void {
    this.#context = { [REQUEST_ID]: requestId, [X_RAY_TRACE_ID]: traceId };
  }

  getContext(): Context | undefined {
    return this.#context;
  }

  hasContext(): boolean {
    return this.#context !== undefined;
  }

  get(key: PropertyKey): unknown {
    return this.#context?.[key];
  }

  /** @throws Error for what the runtime alone may say. */
  set(key: PropertyKey, value: unknown): void {
    if (PROTECTED.has(key)) throw new Error(`Cannot modify protected Lambda context field: ${String(key)}`);
    this.#context ??= {};
    this.#context[key] = value;
  }

  run<T>(context: Context, work: () => T): T {
    this.#context = context;
    return work();
  }

  getRequestId(): unknown {
    return this.get(REQUEST_ID) ?? "-";
  }

  getXRayTraceId(): unknown {
    return this.get(X_RAY_TRACE_ID);
  }

  getTenantId(): unknown {
    return this.get(TENANT_ID);
  }
}

/** The one of this process. */
export const invokeStore = new InvokeStore();
