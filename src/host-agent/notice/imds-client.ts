/** Documents of the metadata service are below 1 KiB; tokens too. */
const BODY_BYTES_MAX = 64 * 1024;
const TOKEN_PATH = "/latest/api/token";
/** The longest that the service grants. */
const TOKEN_TTL_S = 21_600;
const NOT_FOUND = 404;
const UNAUTHORIZED = 401;

export type ImdsDocument = {
  readonly body: string;
  /** The service's clock when it answered; undefined: it did not say. */
  readonly serviceMs: number | undefined;
};

/** Reads an instance's metadata, version 2: a session token for everything. */
export class ImdsClient {
  readonly #baseUrl: string;
  readonly #requestMsMax: number;
  #token: Promise<string> | undefined;

  constructor(baseUrl: string, requestMsMax: number) {
    this.#baseUrl = baseUrl;
    this.#requestMsMax = requestMsMax;
  }

  /** @returns undefined when there is no such document. @throws Error: no answer in time, or not one of the service. */
  async read(path: string, signal: AbortSignal): Promise<ImdsDocument | undefined> {
    let answer = await this.#get(path, signal);
    if (answer.status === UNAUTHORIZED) {
      // The token expired, or the machine moved: the next one is good, or something else is wrong.
      this.#token = undefined;
      answer = await this.#get(path, signal);
    }
    if (answer.status === NOT_FOUND) return undefined;
    if (answer.status !== 200) throw new Error(`the metadata service answers ${path} with status ${answer.status}`);
    const serviceMs = Date.parse(answer.headers.get("date") ?? "");
    return { body: answer.body, serviceMs: Number.isNaN(serviceMs) ? undefined : serviceMs };
  }

  async #get(path: string, signal: AbortSignal) {
    this.#token ??= this.#newToken(signal);
    const token = await this.#token.catch((error: unknown) => {
      this.#token = undefined;
      throw error;
    });
    return this.#ask(path, { headers: { "x-aws-ec2-metadata-token": token } }, signal);
  }

  async #newToken(signal: AbortSignal): Promise<string> {
    const headers = { "x-aws-ec2-metadata-token-ttl-seconds": String(TOKEN_TTL_S) };
    const { status, body } = await this.#ask(TOKEN_PATH, { method: "PUT", headers }, signal);
    if (status !== 200 || !/^[\x21-\x7e]+$/.test(body))
      throw new Error(`the metadata service gives no token: status ${status}`);
    return body;
  }

  /** The time limit covers the body: a service that stops in its middle is one that hangs. */
  async #ask(path: string, init: RequestInit, signal: AbortSignal) {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(this.#requestMsMax)]);
    const response = await fetch(this.#baseUrl + path, { ...init, redirect: "error", signal: limited });
    return { status: response.status, headers: response.headers, body: await boundedText(response) };
  }
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new Error(`the metadata service answers with more than ${BODY_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
