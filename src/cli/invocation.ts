import { readFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import { usageError } from "./cli-error.ts";
import { at } from "./lambda-client.ts";
import { readAll, type ServerClient } from "./server-client.ts";

export type InvocationAnswer = {
  readonly statusCode: number;
  readonly requestId: string | undefined;
  readonly executedVersion: string | undefined;
  /** `Unhandled`: the payload is the function's error object. */
  readonly functionError: string | undefined;
  readonly payload: Buffer;
  /** The last 4 KiB of the execution's log, when asked for. */
  readonly log: string | undefined;
};

/** Calls a function and waits, or hands the call to the queue. */
export async function invokeFunction(
  server: ServerClient,
  name: string,
  payload: Buffer,
  options: { isAsync: boolean; withLog: boolean; deadline?: string | undefined },
): Promise<InvocationAnswer> {
  const answer = await server.open({
    method: "POST",
    path: `${at(name)}/invocations`,
    headers: {
      "content-type": "application/json",
      "x-amz-invocation-type": options.isAsync ? "Event" : "RequestResponse",
      "x-amz-log-type": options.withLog ? "Tail" : "None",
      ...(options.deadline === undefined ? {} : { "x-hearth-deadline": options.deadline }),
    },
    body: payload,
  });
  const header = (headerName: string) => answer.headers[headerName]?.toString();
  const log = header("x-amz-log-result");
  return {
    statusCode: answer.statusCode ?? 0,
    requestId: header("x-amzn-requestid"),
    executedVersion: header("x-amz-executed-version"),
    functionError: header("x-amz-function-error"),
    payload: await readAll(answer),
    log: log === undefined ? undefined : Buffer.from(log, "base64").toString(),
  };
}

/**
 * The bytes that `--payload` names: JSON itself, `@FILE`, or `-` for standard input.
 *
 * @throws CliError when there is no such file or it is not JSON.
 */
export async function readPayload(text: string, stdin: Readable): Promise<Buffer> {
  const bytes = await payloadBytes(text, stdin);
  try {
    if (bytes.length > 0) JSON.parse(bytes.toString());
  } catch (error) {
    const remedy = 'quote it for the shell, like --payload \'{"name":"Ada"}\', or give @FILE';
    throw usageError(`--payload is not JSON: ${(error as Error).message}`, remedy);
  }
  return bytes;
}

async function payloadBytes(text: string, stdin: Readable): Promise<Buffer> {
  if (text === "-") return Buffer.concat(await stdin.toArray());
  if (!text.startsWith("@")) return Buffer.from(text);
  try {
    return await readFile(text.slice(1));
  } catch (error) {
    throw usageError(`--payload ${text}: ${(error as Error).message}`, "name a file that can be read");
  }
}
