import { reasonOf } from "../agent-log.ts";
import type { ContainerHandle } from "../container-backend.ts";
import type { RequestHandler } from "../container-endpoint.ts";
import { createRuntimeApi, type RuntimeApi } from "../runtime-api.ts";
import { exportLines } from "../shell-quoting.ts";
import type { InitOrder, InvokeOrder, RuntimeDriver, RuntimeEvents } from "./runtime-driver.ts";

const EMPTY = Buffer.alloc(0);
/** What a function gets that was invoked without a payload. */
const NO_PAYLOAD = Buffer.from("{}");

/**
 * Drives a custom runtime: a shell script waits in the blank container and becomes the function's
 * `bootstrap` at init, which then speaks the Lambda Runtime API over HTTP with this agent.
 */
export class CustomDriver implements RuntimeDriver {
  runtimeApi: string | undefined;
  /** Logs come through pipes, answers through HTTP. */
  readonly hasOutputBehindAnswers = true;
  readonly #handle: ContainerHandle;
  readonly #events: RuntimeEvents;
  readonly #onOther: RequestHandler;
  #api: RuntimeApi | undefined;
  #isClosed = false;

  /** @param onOther takes the requests that are for another interface of the container. */
  constructor(handle: ContainerHandle, events: RuntimeEvents, onOther: RequestHandler) {
    this.#handle = handle;
    this.#events = events;
    this.#onOther = onOther;
    // The script says one line, when it waits. Afterwards the function may write what it likes: it is
    // read, because only a stream that is read tells of its end, and ignored.
    const isWaiting = new Promise<void>((resolve) => handle.channel.on("data", () => resolve()));
    void this.#listen(isWaiting);
  }

  init(order: InitOrder): void {
    this.#handle.channel.write(`${exportLines(order.environment)}run\n`);
  }

  invoke(order: InvokeOrder, payload: Buffer): void {
    const event = payload.length === 0 ? NO_PAYLOAD : payload;
    if (!isJson(event)) {
      this.#events.onAnswer(order.requestId, "invalidPayload", EMPTY, false, undefined);
      return;
    }
    const { clientContext, ...rest } = order;
    this.#api?.offer({ ...rest, ...(clientContext === undefined ? {} : { clientContext }), payload: event });
  }

  whenAsked(then: () => void): void {
    this.#api?.whenAsked(then);
  }

  credit(requestId: string, bytes: number): void {
    this.#api?.credit(requestId, bytes);
  }

  close(): void {
    this.#isClosed = true;
    void this.#api?.close();
  }

  async #listen(isWaiting: Promise<void>): Promise<void> {
    const { onAnswer, onChunk, onInitDone, onInitError, onBlank, onViolation } = this.#events;
    try {
      const api = await createRuntimeApi({
        hostUid: this.#handle.hostUid,
        onReady: () => this.#isClosed || onInitDone(undefined),
        onChunk: (requestId, bytes, contentType) => this.#isClosed || onChunk(requestId, bytes, contentType),
        onResponse: (requestId, body) => this.#isClosed || onAnswer(requestId, "ok", body, false, undefined),
        onError: (requestId, body) => this.#isClosed || onAnswer(requestId, "functionError", body, false, undefined),
        onInitError: (body) => this.#isClosed || onInitError(body),
        onOther: this.#onOther,
      });
      if (this.#isClosed) return void api.close();
      this.#api = api;
      this.runtimeApi = `127.0.0.1:${api.port}`;
      await isWaiting;
      if (!this.#isClosed) onBlank();
    } catch (cause) {
      if (!this.#isClosed) onViolation(`Runtime API: ${reasonOf(cause)}`);
    }
  }
}

function isJson(bytes: Buffer): boolean {
  try {
    JSON.parse(bytes.toString("utf8"));
    return true;
  } catch {
    return false;
  }
}
