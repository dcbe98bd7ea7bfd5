import { fork } from "node:child_process";
import { join } from "node:path";
import type { LoadOrder, LoadResult } from "./load-order.ts";

const PROGRAM = join(import.meta.dirname, "closed-loop-process.mjs");

/** The load of a machine without wrk: a Node process that writes ready-made requests to plain sockets. */
export function runClosedLoop({ side, body, callers, seconds }: LoadOrder): Promise<LoadResult> {
  const headers = { "content-type": "application/json", ...side.headers(), host: side.url.host };
  const head = Object.entries({ ...headers, "content-length": body.length }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  const request = `POST ${side.url.pathname} HTTP/1.1\r\n${head.join("\r\n")}\r\n\r\n${body}`;
  const child = fork(PROGRAM, { serialization: "advanced" });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the load generator ended with status ${code}`)));
    child.once("message", (result) => resolve(result as LoadResult));
    child.send({ request, host: side.url.hostname, port: Number(side.url.port), callers, seconds });
  });
}
