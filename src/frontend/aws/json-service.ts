import type { ServerResponse } from "node:http";
import type { z } from "zod";
import type { AccountId } from "../../model/ids.ts";
import type { RouteRequest } from "../http-server.ts";
import { LambdaError } from "../lambda/lambda-error.ts";

const CONTENT_TYPE = "application/x-amz-json-1.1";

/** One operation: checks its input and answers it. @throws LambdaError. */
export type JsonOperation = (input: unknown, accountId: AccountId) => unknown;

/** What one service of AWS's JSON protocol (1.1) can do, by the names of its operations. */
export type JsonService = {
  /** What `X-Amz-Target` has before the dot. */
  readonly target: string;
  /** The error of an input that does not fit. */
  readonly inputError: string;
  readonly operations: Readonly<Record<string, JsonOperation>>;
};

/** An operation whose input fits a schema. */
export function jsonOperation<T extends z.ZodType>(
  schema: T,
  answer: (input: z.infer<T>, accountId: AccountId) => unknown,
): JsonOperation {
  return (input, accountId) => {
    const parsed = schema.safeParse(input);
    if (parsed.success) return answer(parsed.data, accountId);
    const [issue] = parsed.error.issues;
    throw new InputError(`${issue?.path.join(".") || "The request"}: ${issue?.message}`);
  };
}

/** The input does not fit; the service says under which name. */
class InputError extends Error {}

/** Performs what `X-Amz-Target` names. @throws LambdaError. */
export async function serveJson(service: JsonService, request: RouteRequest): Promise<void> {
  const { req, res, body, principal, requestId } = request;
  const [, name = ""] = String(req.headers["x-amz-target"]).split(".");
  const operation = Object.hasOwn(service.operations, name) ? service.operations[name] : undefined;
  if (operation === undefined)
    throw new LambdaError("UnknownOperationException", 400, `${name} is not supported here.`);
  const answer = Buffer.from(JSON.stringify((await answerTo(service, operation, body, principal.accountId)) ?? {}));
  res.writeHead(200, {
    "Content-Type": CONTENT_TYPE,
    "Content-Length": answer.length,
    "x-amzn-RequestId": requestId,
  });
  res.end(answer);
}

async function answerTo(service: JsonService, operation: JsonOperation, body: Buffer, accountId: AccountId) {
  let input: unknown;
  try {
    input = body.length === 0 ? {} : JSON.parse(body.toString());
  } catch {
    throw new LambdaError("SerializationException", 400, "The request is not JSON.");
  }
  try {
    return await operation(input, accountId);
  } catch (error) {
    if (error instanceof InputError) throw new LambdaError(service.inputError, 400, error.message);
    throw error;
  }
}

/** As this protocol's clients read errors. */
export function beginJsonError(response: ServerResponse, requestId: string, error: LambdaError): Buffer {
  const { type, status, message, headers } = error;
  const body = Buffer.from(JSON.stringify({ __type: type, message }));
  response.writeHead(status, {
    "Content-Type": CONTENT_TYPE,
    "Content-Length": body.length,
    "x-amzn-RequestId": requestId,
    ...headers,
  });
  return body;
}
