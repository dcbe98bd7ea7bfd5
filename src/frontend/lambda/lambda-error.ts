import type { ServerResponse } from "node:http";
import { ERROR_CODES, type ErrorCode, HearthError } from "../../model/error-code.ts";
import { throttleReasonOf } from "../../model/throttle-reason.ts";

/** An answer of the Lambda API that is an error: AWS's exception name, its status and its message. */
export class LambdaError extends Error {
  readonly type: string;
  readonly status: number;
  /** Members of the body beside the message. */
  readonly members: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    type: string,
    status: number,
    message: string,
    members: Readonly<Record<string, string>> = {},
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.name = "LambdaError";
    this.type = type;
    this.status = status;
    this.members = members;
    this.headers = headers;
  }
}

const USER = { Type: "User" };

export function invalidParameter(message: string): LambdaError {
  return new LambdaError("InvalidParameterValueException", 400, message, USER);
}

export function notFound(message: string): LambdaError {
  return new LambdaError("ResourceNotFoundException", 404, message, USER);
}

export function conflict(message: string): LambdaError {
  return new LambdaError("ResourceConflictException", 409, message, USER);
}

/** @param operation that tells the latest revision. */
export function preconditionFailed(operation: string): LambdaError {
  return new LambdaError(
    "PreconditionFailedException",
    412,
    `The Revision Id provided does not match the latest Revision Id. Call the ${operation} API to retrieve the latest Revision Id`,
    USER,
  );
}

export function invalidRequestContent(message: string): LambdaError {
  return new LambdaError("InvalidRequestContentException", 400, message, USER);
}

export function tooLarge(message: string): LambdaError {
  return new LambdaError("RequestEntityTooLargeException", 413, message);
}

export function serialization(message: string): LambdaError {
  return new LambdaError("SerializationException", 400, message);
}

export function unknownOperation(method: string, path: string): LambdaError {
  return new LambdaError("UnknownOperationException", 404, `Unknown operation: ${method} ${path}`);
}

/** How long a throttled client should wait at least; AWS's clients back off by themselves. */
const RETRY_AFTER_S = "1";

/** Headers of Hearth's own, for the bodies are Lambda's to the letter: a code more precise than the exceptions, and what is wrong where. */
const CODE_HEADER = "x-hearth-error-code";
const DETAIL_HEADER = "x-hearth-error-detail";
const DETAIL_LENGTH_MAX = 1000;

/** A code of Hearth as Lambda's clients know it. @param detail instead of the code's own sentence. */
export function lambdaErrorOf(code: ErrorCode, detail?: string): LambdaError {
  const { public: type, status, fault, says } = ERROR_CODES[code];
  const headers = { [CODE_HEADER]: code };
  if (status === 429) {
    const reason = throttleReasonOf(code);
    const message = reason === undefined ? says : "Rate Exceeded.";
    const members = reason === undefined ? USER : { Reason: reason, ...USER };
    return new LambdaError(type, status, message, members, { ...headers, "Retry-After": RETRY_AFTER_S });
  }
  const members = { Type: fault === "caller" ? "User" : "Service" };
  return new LambdaError(type, status, detail ?? says, members, headers);
}

/** undefined: it is nothing that a caller should be told of. */
export function asLambdaError(error: unknown): LambdaError | undefined {
  if (error instanceof LambdaError) return error;
  if (!(error instanceof HearthError)) return undefined;
  const { type, status, message, members, headers } = lambdaErrorOf(error.code);
  return new LambdaError(type, status, message, members, { ...headers, ...detailHeader(error) });
}

/** What a caller sent is told apart to him; a failure of the server's is not his to read. */
function detailHeader({ code, detail }: HearthError): Readonly<Record<string, string>> {
  if (detail === undefined || ERROR_CODES[code].fault !== "caller") return {};
  // A header is plain ASCII in one line; a name in an archive is anything.
  const plain = detail.toWellFormed().replace(/[^ -~]/gu, encodeURIComponent);
  return { [DETAIL_HEADER]: plain.slice(0, DETAIL_LENGTH_MAX) };
}

/** Answers with an error. */
export function sendError(response: ServerResponse, requestId: string, error: LambdaError): void {
  response.end(beginError(response, requestId, error));
}

/**
 * Writes the head of an error's answer. The message is there under both names: Lambda's exceptions
 * differ in which one they use, and clients read only theirs.
 * @returns the body, still to be written.
 */
export function beginError(response: ServerResponse, requestId: string, error: LambdaError): Buffer {
  const { type, status, message, members, headers } = error;
  const body = Buffer.from(JSON.stringify({ ...members, message, Message: message }));
  response.writeHead(status, {
    "Content-Type": "application/json",
    "Content-Length": body.length,
    "x-amzn-RequestId": requestId,
    "x-amzn-ErrorType": type,
    ...headers,
  });
  return body;
}
