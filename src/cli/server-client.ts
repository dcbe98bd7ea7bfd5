import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { CliError } from "./cli-error.ts";
import type { Connection } from "./connection.ts";
import { remedyOf } from "./remedy.ts";
import { signedHeaders } from "./signature.ts";

/** Lambda's longest timeout, and time to wait for capacity: nothing answers later than this. */
const ANSWER_MS_MAX = 1_000_000;
/** A peer that is gone without a word is noticed some minutes after so long a silence. */
const KEEP_ALIVE_MS = 60_000;
/** The largest answer of the API is a function's, of 6 MiB and 100 bytes; lists are smaller. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

export type ServerRequest = {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Percent-encoded, with its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** The answer goes on until one of both sides ends it, with pauses of any length. */
  readonly isEndless?: boolean;
};

/**
 * Speaks HTTP to a Hearth server, signed where there is a key. Answers of 400 and above are thrown
 * as CliError whose code is the public exception name.
 */
export class ServerClient {
  readonly connection: Connection;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** The answer as JSON. */
  async json<T>(request: Omit<ServerRequest, "body"> & { readonly body?: object }): Promise<T> {
    const { body, ...rest } = request;
    const headers = { ...rest.headers, "content-type": "application/json" };
    const bytes = body === undefined ? {} : { headers, body: Buffer.from(JSON.stringify(body)) };
    const answer = await this.open({ ...rest, ...bytes });
    const text = (await readAll(answer)).toString();
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  /** The answer as it arrives; to be read by the caller. */
  async open(request: ServerRequest): Promise<IncomingMessage> {
    const answer = await this.#send(request);
    if ((answer.statusCode ?? 0) < 400) return answer;
    throw refusal(answer, (await readAll(answer)).toString(), request.path);
  }

  #send(request: ServerRequest): Promise<IncomingMessage> {
    const { url, credentials, region } = this.connection;
    const body = request.body ?? Buffer.alloc(0);
    const unsigned = { ...request.headers, "content-length": String(body.length) };
    const headers =
      credentials === undefined
        ? unsigned
        : signedHeaders({ ...request, host: url.host, headers: unsigned, body }, credentials, region, Date.now());
    const send = url.protocol === "https:" ? requestHttps : requestHttp;
    return new Promise((resolve, reject) => {
      const outgoing = send(new URL(request.path, url), {
        method: request.method,
        headers,
        timeout: ANSWER_MS_MAX,
      });
      outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer within ${ANSWER_MS_MAX / 1000} s`)));
      outgoing.on("error", (error) => reject(this.#unreachable(error)));
      outgoing.on("response", (answer) => {
        if (request.isEndless === true) outgoing.setTimeout(0).setSocketKeepAlive(true, KEEP_ALIVE_MS);
        resolve(answer);
      });
      outgoing.end(body);
    });
  }

  #unreachable(error: NodeJS.ErrnoException): CliError {
    const server = this.connection.url.origin;
    if (error.code === "ECONNREFUSED" || error.code === "ENOTFOUND") {
      return new CliError(`no server at ${server}`, {
        code: "NoServer",
        remedy: "start one with `npm start`, or name another with --server URL (HEARTH_SERVER)",
        cause: error,
      });
    }
    // No TLS, no HTTP: from the first byte on, so that nothing of Hearth's was broken off.
    if (error.code === "EPROTO" || error.code === "HPE_INVALID_CONSTANT") {
      return new CliError(`what answers at ${server} is no Hearth, or not in this way: ${error.message.trim()}`, {
        code: "Disconnected",
        remedy: "name the server with --server URL (HEARTH_SERVER): http:// unless something before it does TLS",
        cause: error,
      });
    }
    return new CliError(`the server at ${server} broke off: ${error.message}`, {
      code: "Disconnected",
      remedy: "see whether it still runs with `hearth status`",
      cause: error,
    });
  }
}

/** @throws CliError when the answer breaks off or has no end. */
export async function readAll(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer) {
      chunks.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      if (bytes > ANSWER_BYTES_MAX) throw new Error(`more than ${ANSWER_BYTES_MAX} bytes`);
    }
  } catch (error) {
    throw new CliError(`the server's answer could not be read: ${(error as Error).message}`, {
      code: "Disconnected",
      cause: error,
    });
  }
  return Buffer.concat(chunks);
}

function refusal(answer: IncomingMessage, text: string, path: string): CliError {
  const header = (name: string) => [answer.headers[name]].flat()[0];
  const code = header("x-amzn-errortype")?.split(":")[0] ?? `HTTP ${answer.statusCode}`;
  const message = messageIn(text) ?? answer.statusMessage ?? "refused";
  const remedy = remedyOf({ code, errorCode: header("x-hearth-error-code"), message, path });
  const detail = header("x-hearth-error-detail");
  return new CliError(detail === undefined ? message : `${message} (${detail})`, {
    code,
    ...(remedy === undefined ? {} : { remedy }),
  });
}

/** Lambda writes `message` in some errors and `Message` in others. */
function messageIn(text: string): string | undefined {
  try {
    const body = JSON.parse(text) as { message?: unknown; Message?: unknown };
    const message = body.message ?? body.Message;
    return typeof message === "string" ? message : undefined;
  } catch {
    return text.trim() === "" ? undefined : text.trim().slice(0, 500);
  }
}
