import { Agent, request } from "node:http";
import { buffer } from "node:stream/consumers";

/** Connections are kept, as SDKs keep them: a cold start is not the caller's handshake. */
const agent = new Agent({ keepAlive: true, maxSockets: 1000 });
const BODY = Buffer.from('{"name":"world"}');

/** What a caller sees of one call, and what its REPORT line says of it. */
export type FirstCall = {
  readonly status: number;
  readonly isOk: boolean;
  readonly wallMs: number;
  /** Evaluation of the function's module; undefined when the start was not cold. */
  readonly initMs: number | undefined;
  readonly durationMs: number | undefined;
};

/** Calls a function once, with the tail of its log. */
export async function firstCall(url: URL): Promise<FirstCall> {
  const startMs = performance.now();
  const answer = await post(url);
  const wallMs = performance.now() - startMs;
  const log = Buffer.from(answer.logResult, "base64").toString();
  const figure = (label: string) => {
    const text = new RegExp(`${label}: ([0-9.]+) ms`).exec(log)?.[1];
    return text === undefined ? undefined : Number(text);
  };
  const isOk = answer.status === 200 && !answer.isFunctionError && isEvent(answer.body);
  return { status: answer.status, isOk, wallMs, initMs: figure("\tInit Duration"), durationMs: figure("\tDuration") };
}

/** Languages differ in the spaces that they put into JSON. */
function isEvent(body: Buffer): boolean {
  return JSON.stringify(JSON.parse(body.toString())) === BODY.toString();
}

type Answer = { status: number; isFunctionError: boolean; logResult: string; body: Buffer };

function post(url: URL): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { "content-length": BODY.length, "x-amz-log-type": "Tail" };
    const outgoing = request(url, { method: "POST", agent, headers }, (incoming) => {
      buffer(incoming).then(
        (body) =>
          resolve({
            status: incoming.statusCode ?? 0,
            isFunctionError: incoming.headers["x-amz-function-error"] !== undefined,
            logResult: String(incoming.headers["x-amz-log-result"] ?? ""),
            body,
          }),
        reject,
      );
    });
    outgoing.on("error", reject);
    outgoing.end(BODY);
  });
}

/** Lets the process end. */
export function closeConnections(): void {
  agent.destroy();
}
