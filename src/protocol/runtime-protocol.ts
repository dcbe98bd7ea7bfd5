/**
 * Messages between the agent and the managed runtime inside a container, over file descriptor 3.
 * The container's side runs the function's own code, so the agent trusts nothing it says: every
 * message is checked by `parseRuntimeMessage`, and one that does not fit ends the container.
 * Custom runtimes (`provided.*`) speak the Lambda Runtime API over HTTP instead.
 */
export type RuntimeOrder =
  | {
      readonly kind: "init";
      /** The whole environment of the function, as Lambda sets it. */
      readonly environment: Readonly<Record<string, string>>;
      readonly handler: string;
      /** Folder of the code, as the container sees it. */
      readonly taskRoot: string;
      /** What the container is limited to: garbage collection is fitted to it. The environment tells what was requested. */
      readonly memoryMiB: number;
    }
  /** The payload of the frame is the invocation's, not parsed so far. */
  | {
      readonly kind: "invoke";
      readonly requestId: string;
      readonly deadlineMs: number;
      readonly invokedArn: string;
      readonly traceId: string;
      readonly clientContext?: string;
      readonly retries: number;
      /** A response that the function streams is sent in `chunk`s. Absent: it is collected, and sent as a `result`. */
      readonly stream?: boolean;
    }
  /** So many bytes of what this invocation streams were taken: as many more may be sent. */
  | { readonly kind: "credit"; readonly requestId: string; readonly bytes: number };

/** What a managed runtime tells its agent. */
export type RuntimeMessage =
  /** The runtime has started and waits for `init`. */
  | { readonly kind: "blank" }
  | { readonly kind: "initDone"; readonly initUs: number }
  /** Payload: the error object. The process exits afterwards. */
  | { readonly kind: "initError" }
  /** Payload: the response. */
  | { readonly kind: "result"; readonly requestId: string; readonly cpuUs: number; readonly memoryBytes: number }
  /** Payload: the next piece of a streamed response; the first names its content type and may be empty. A `result` or an `error` ends it. */
  | { readonly kind: "chunk"; readonly requestId: string; readonly contentType?: string }
  /** Payload: the error object. `fatal`: the process exits afterwards. */
  | {
      readonly kind: "error";
      readonly requestId: string;
      readonly fatal: boolean;
      readonly cpuUs: number;
      readonly memoryBytes: number;
    }
  | { readonly kind: "invalidPayload"; readonly requestId: string }
  | {
      readonly kind: "responseTooLarge";
      readonly requestId: string;
      readonly cpuUs: number;
      readonly memoryBytes: number;
    }
  /** Payload: text for the log, each line of which is an event; its last line may lack its end. */
  | { readonly kind: "log" }
  /** Payload: text that is one event of the log, whatever lines it has. A long one comes in pieces, which end within a line. */
  | { readonly kind: "logMessage" };

/** @throws Error when the header is not a message of this protocol. */
export function parseRuntimeMessage(header: unknown): RuntimeMessage {
  const message = header as Partial<Record<string, unknown>> | null;
  const isNumber = (name: string) => isFigure(message?.[name]);
  const isAnswer = () => typeof message?.["requestId"] === "string" && isNumber("cpuUs") && isNumber("memoryBytes");
  switch (message?.["kind"]) {
    case "blank":
    case "initError":
    case "log":
    case "logMessage":
      return message as RuntimeMessage;
    case "initDone":
      if (isNumber("initUs")) return message as RuntimeMessage;
      break;
    case "result":
    case "responseTooLarge":
      if (isAnswer()) return message as RuntimeMessage;
      break;
    case "error":
      if (isAnswer() && typeof message["fatal"] === "boolean") return message as RuntimeMessage;
      break;
    case "invalidPayload":
      if (typeof message["requestId"] === "string") return message as RuntimeMessage;
      break;
    case "chunk":
      if (typeof message["requestId"] === "string" && isContentType(message["contentType"])) {
        return message as RuntimeMessage;
      }
      break;
  }
  throw new Error("not a message of the runtime protocol");
}

/** It becomes a header's value; the pieces after the first have none. */
function isContentType(value: unknown): boolean {
  return value === undefined || (typeof value === "string" && CONTENT_TYPE.test(value));
}

const CONTENT_TYPE = /^[\x20-\x7e]{0,1024}$/;

/** Of times and sizes, as agent and server take them from each other. */
function isFigure(value: unknown): boolean {
  return typeof value === "number" && value >= 0 && value <= Number.MAX_SAFE_INTEGER;
}
