import type { IncomingMessage, ServerResponse } from "node:http";
import { RESPONSE_BYTES_MAX, RESPONSE_TOO_LARGE } from "../model/response-limit.ts";
import { accept, refuse, refuseUnknown } from "./api-answer.ts";
import { ContainerEndpoint, type RequestHandler } from "./container-endpoint.ts";
import { ReceivedStream } from "./received-stream.ts";

export const RUNTIME_PREFIX = "/2018-06-01/runtime/";
const INVOCATION_ANSWER = /^\/2018-06-01\/runtime\/invocation\/([^/]+)\/(response|error)$/;

export type OfferedInvocation = {
  readonly requestId: string;
  readonly deadlineMs: number;
  readonly invokedArn: string;
  readonly traceId: string;
  readonly clientContext?: string;
  /** Executions of this invocation begun before this one; told in `Hearth-Runtime-Retries` when more than 0. */
  readonly retries: number;
  /** Whether a streamed response is told by `onChunk`; else it is collected. */
  readonly stream?: boolean | undefined;
  readonly payload: Buffer;
};

export type RuntimeApiOptions = {
  /** Host uid of the container's processes: only they may connect. undefined: any local process may. */
  readonly hostUid: number | undefined;
  /** Called once, when the bootstrap asks for its first invocation. */
  readonly onReady: () => void;
  /** The next piece of a streamed response; `onResponse` with an empty body or `onError` ends it. */
  readonly onChunk: (requestId: string, bytes: Buffer, contentType: string | undefined) => void;
  readonly onResponse: (requestId: string, body: Buffer) => void;
  /** `errorType`: what the runtime said in its header. */
  readonly onError: (requestId: string, body: Buffer, errorType: string | undefined) => void;
  readonly onInitError: (body: Buffer) => void;
  /** A request for another interface of the same container: extensions, telemetry. */
  readonly onOther: RequestHandler;
};

/** The Lambda Runtime API for one container with a custom runtime, on loopback. */
export type RuntimeApi = {
  readonly port: number;
  /**
   * Gives the bootstrap an invocation: at once if it waits for one, else when it asks next.
   * @throws Error when one is already offered or running.
   */
  offer(invocation: OfferedInvocation): void;
  /** Calls back when the bootstrap asks for its next invocation, at once if it does already. */
  whenAsked(then: () => void): void;
  /** So many bytes of the streamed response were taken. */
  credit(requestId: string, bytes: number): void;
  close(): Promise<void>;
};

/** @throws Error when no port can be opened. */
export async function createRuntimeApi(options: RuntimeApiOptions): Promise<RuntimeApi> {
  const session = new RuntimeSession(options);
  const endpoint = await ContainerEndpoint.open();
  endpoint.serve(options.hostUid, (request, response) => {
    if (request.url?.startsWith(RUNTIME_PREFIX)) session.handle(request, response);
    else options.onOther(request, response);
  });
  return {
    port: endpoint.port,
    offer: (invocation) => session.offer(invocation),
    whenAsked: (then) => session.whenAsked(then),
    credit: (requestId, bytes) => session.credit(requestId, bytes),
    close: () => endpoint.close(),
  };
}

/**
 * What the bootstrap is doing, as its requests tell:
 *
 * - `starting`: it has not asked for an invocation yet; the only state in which init may fail.
 * - `waiting`: its `next` is open. An offer moves it to `running`, a lost connection to `between`;
 *   another `next` takes the place of the first.
 * - `running`: it has an invocation and owes the answer. Its answer moves it to `between`.
 * - `between`: it answered and has not asked again.
 *
 * An offer that comes while `starting` or `between`, or whose `next` has just lost its connection, is kept until `next`.
 */
type State =
  | { readonly kind: "starting" | "between" }
  | { readonly kind: "waiting"; readonly response: ServerResponse }
  | { readonly kind: "running"; readonly requestId: string; readonly stream: boolean };

class RuntimeSession {
  readonly #options: RuntimeApiOptions;
  #state: State = { kind: "starting" };
  #offered: OfferedInvocation | undefined;
  #isReceiving = false;
  #onAsked: (() => void) | undefined;
  /** The response that is being streamed. */
  #streamed: ReceivedStream | undefined;

  constructor(options: RuntimeApiOptions) {
    this.#options = options;
  }

  credit(requestId: string, bytes: number): void {
    if (this.#state.kind === "running" && this.#state.requestId === requestId) this.#streamed?.credit(bytes);
  }

  whenAsked(then: () => void): void {
    if (this.#state.kind === "waiting") then();
    else this.#onAsked = then;
  }

  offer(invocation: OfferedInvocation): void {
    if (this.#offered !== undefined || this.#state.kind === "running") {
      throw new Error("an invocation is already offered or running");
    }
    // Of a connection that was lost, `close` is told later than the socket knows.
    const response = this.#state.kind === "waiting" ? this.#state.response : undefined;
    if (response?.socket?.destroyed === false) this.#deliver(response, invocation);
    else this.#offered = invocation;
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    const { method, url = "" } = request;
    const [, requestId, kind] = (method === "POST" && INVOCATION_ANSWER.exec(url)) || [];
    if (requestId !== undefined) {
      this.#answer(request, response, requestId, kind === "error");
    } else if (method === "POST" && url === `${RUNTIME_PREFIX}init/error`) {
      this.#initError(request, response);
    } else {
      request.resume();
      if (method === "GET" && url === `${RUNTIME_PREFIX}invocation/next`) this.#next(response);
      else refuseUnknown(request, response);
    }
  }

  #next(response: ServerResponse): void {
    const state = this.#state;
    if (state.kind === "running") {
      refuseTransition(response, state.kind, "next");
      return;
    }
    // A bootstrap that hung up and asks again may be heard before the hanging up is.
    if (state.kind === "waiting") refuseTransition(state.response, state.kind, "another next");
    this.#state = { kind: "waiting", response };
    response.on("close", () => {
      if (this.#state.kind === "waiting" && this.#state.response === response) this.#state = { kind: "between" };
    });
    if (state.kind === "starting") this.#options.onReady();
    const onAsked = this.#onAsked;
    this.#onAsked = undefined;
    onAsked?.();
    const invocation = this.#offered;
    if (invocation === undefined || this.#state.kind !== "waiting") return;
    this.#offered = undefined;
    this.#deliver(response, invocation);
  }

  #deliver(response: ServerResponse, invocation: OfferedInvocation): void {
    this.#state = { kind: "running", requestId: invocation.requestId, stream: invocation.stream === true };
    const { clientContext, retries } = invocation;
    response.writeHead(200, {
      "Content-Type": "application/json",
      "Content-Length": invocation.payload.length,
      "Lambda-Runtime-Aws-Request-Id": invocation.requestId,
      "Lambda-Runtime-Deadline-Ms": invocation.deadlineMs,
      "Lambda-Runtime-Invoked-Function-Arn": invocation.invokedArn,
      "Lambda-Runtime-Trace-Id": headerText(invocation.traceId),
      ...(clientContext === undefined ? {} : { "Lambda-Runtime-Client-Context": headerText(clientContext) }),
      ...(retries > 0 ? { "Hearth-Runtime-Retries": retries } : {}),
    });
    response.end(invocation.payload);
  }

  #answer(request: IncomingMessage, response: ServerResponse, requestId: string, isError: boolean): void {
    const mode = isError ? undefined : request.headers["lambda-runtime-function-response-mode"];
    if (mode === "streaming") return this.#stream(request, response, requestId);
    this.#readBody(request, response, (body) => {
      const state = this.#state;
      if (state.kind !== "running") {
        refuseTransition(response, state.kind, isError ? "error" : "response");
      } else if (state.requestId !== requestId) {
        refuseRequestId(response);
      } else {
        this.#state = { kind: "between" };
        if (mode !== undefined) {
          refuse(response, 400, "InvalidFunctionResponseMode", "Invalid function response mode");
          this.#options.onError(requestId, INVALID_MODE_BODY, INVALID_MODE.errorType);
        } else if (body === undefined) {
          refuseTooLarge(response);
          this.#options.onError(requestId, TOO_LARGE_BODY, RESPONSE_TOO_LARGE.errorType);
        } else {
          accept(response);
          if (isError) this.#options.onError(requestId, body, errorTypeOf(request));
          else this.#options.onResponse(requestId, body);
        }
      }
    });
  }

  /** Whether the response is in order is asked at its beginning: its pieces cannot be taken back. */
  #stream(request: IncomingMessage, response: ServerResponse, requestId: string): void {
    const state = this.#state;
    if (this.#isReceiving || state.kind !== "running" || state.requestId !== requestId) {
      request.resume();
      if (this.#isReceiving) refuseTransition(response, "answering", "a second answer");
      else if (state.kind !== "running") refuseTransition(response, state.kind, "response");
      else refuseRequestId(response);
      return;
    }
    const { onChunk, onResponse, onError } = this.#options;
    const ended = () => {
      this.#state = { kind: "between" };
      this.#streamed = undefined;
    };
    this.#isReceiving = true;
    request.on("close", () => {
      this.#isReceiving = false;
    });
    this.#streamed = new ReceivedStream(request, state.stream, {
      onChunk: (bytes, contentType) => onChunk(requestId, bytes, contentType),
      onEnd: (body) => {
        ended();
        accept(response);
        onResponse(requestId, body);
      },
      onError: (body, errorType) => {
        ended();
        accept(response);
        onError(requestId, body, errorType);
      },
      onTooLarge: (body, errorType) => {
        ended();
        refuseTooLarge(response);
        onError(requestId, body, errorType);
      },
      onTruncated: () => {
        ended();
        onError(requestId, TRUNCATED_BODY, TRUNCATED.errorType);
      },
    });
  }

  #initError(request: IncomingMessage, response: ServerResponse): void {
    this.#readBody(request, response, (body) => {
      if (this.#state.kind !== "starting") {
        refuseTransition(response, this.#state.kind, "init/error");
      } else if (body === undefined) {
        refuseTooLarge(response);
      } else {
        accept(response);
        this.#options.onInitError(body);
      }
    });
  }

  /**
   * Takes one body at a time, so that a container cannot make the agent hold many. Calls `onBody`
   * with undefined when it is too large; what is over the limit is read and dropped. A body that breaks off is forgotten:
   * the runtime may send it again.
   */
  #readBody(request: IncomingMessage, response: ServerResponse, onBody: (body: Buffer | undefined) => void): void {
    if (this.#isReceiving) {
      request.resume();
      refuseTransition(response, "answering", "a second answer");
      return;
    }
    this.#isReceiving = true;
    let chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= RESPONSE_BYTES_MAX) chunks.push(chunk);
      else chunks = [];
    });
    request.on("end", () => onBody(bytes <= RESPONSE_BYTES_MAX ? Buffer.concat(chunks) : undefined));
    request.on("close", () => {
      this.#isReceiving = false;
    });
  }
}

const TOO_LARGE_BODY = Buffer.from(JSON.stringify(RESPONSE_TOO_LARGE));
/** What Lambda's callers get when a runtime hangs up in the middle of what it streams, or asks for a mode that there is not. */
const TRUNCATED = { errorType: "Runtime.TruncatedResponse", errorMessage: "HTTP request detected as truncated" };
const TRUNCATED_BODY = Buffer.from(JSON.stringify(TRUNCATED));
const INVALID_MODE = {
  errorType: "Runtime.InvalidResponseModeHeader",
  errorMessage: "Invalid function response mode",
};
const INVALID_MODE_BODY = Buffer.from(JSON.stringify(INVALID_MODE));

function errorTypeOf(request: IncomingMessage): string | undefined {
  const errorType = request.headers["lambda-runtime-function-error-type"];
  return typeof errorType === "string" ? errorType : undefined;
}

/** Headers carry one line of ASCII; JSON stays the same JSON when written so. */
function headerText(text: string): string {
  return text
    .replace(/\p{Cc}/gu, " ")
    .replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function refuseTooLarge(response: ServerResponse): void {
  refuse(
    response,
    413,
    "RequestEntityTooLarge",
    `Exceeded maximum allowed payload size (${RESPONSE_BYTES_MAX} bytes).`,
  );
}

function refuseRequestId(response: ServerResponse): void {
  refuse(response, 400, "InvalidRequestID", "Invalid request ID");
}

function refuseTransition(response: ServerResponse, from: string, operation: string): void {
  refuse(response, 403, "InvalidStateTransition", `State transition is not allowed: ${operation} while ${from}`);
}
