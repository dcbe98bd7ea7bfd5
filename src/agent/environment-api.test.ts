import { Agent, request as httpRequest } from "node:http";
import { connect } from "node:net";
import { PassThrough } from "node:stream";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import type { ContainerId } from "../model/ids.ts";
import type { Assignment } from "../protocol/agent-protocol.ts";
import type { ContainerHandle } from "./container-backend.ts";
import { ExtensionHost } from "./extensions/extension-host.ts";
import { FunctionLog } from "./function-log.ts";
import { createRuntimeApi } from "./runtime-api.ts";

/** Requests in all are some twenty times as many. */
const RUNS = 150;
const RUNTIME = "/2018-06-01/runtime";
const EXTENSION = "/2020-01-01/extension";
/** Stands for one that is too long to be shown. */
const LONG_HEADER = "a long header";
const STRANGER = "01234567-89ab-cdef-0123-456789abcdef";

const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** The interfaces of one container, with nobody in it but the test. */
async function open() {
  const link = { send() {}, beforeFlush() {}, isClogged: false, onceDrained() {} };
  const log = new FunctionLog(link, "c-1" as ContainerId);
  const handle = {
    optDir: "/var/empty",
    loopback: "127.0.0.1",
    exited: new Promise(() => {}),
    output: new PassThrough(),
  } as unknown as ContainerHandle;
  const assignment = { functionName: "f", version: "1", handler: "h", accountId: "0", memoryMiB: 128 } as Assignment;
  const host = new ExtensionHost(
    handle,
    { containerId: "c-1", runtime: "provided.al2023", assignment, initializationType: "on-demand", phase: "init" },
    log,
    { onRegistered() {}, onReady() {}, onFailed() {} },
  );
  const api = await createRuntimeApi({
    hostUid: undefined,
    onReady: () => host.runtimeInitialised(),
    onResponse() {},
    onError() {},
    onInitError() {},
    onChunk() {},
    onOther: (request, response) => host.handle(request, response),
  });
  const agent = new Agent({ keepAlive: true });
  const close = async () => {
    agent.destroy();
    host.close();
    await api.close();
  };
  closers.push(close);
  host.begin({});
  return { host, api, agent, close };
}

type Call = {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Whose identifier it carries: one that was given out, a stranger's, or something else. */
  readonly identity: number | string | undefined;
};

const body = fc.oneof(
  fc.constantFrom(
    "",
    "{}",
    '{"events":["INVOKE"]}',
    '{"events":["INVOKE","SHUTDOWN"]}',
    '{"events":["x"]}',
    '{"events":7}',
    '{"configurationKeys":["a"]}',
    '{"schemaVersion":"2022-12-13","types":["platform","function"],"destination":{"protocol":"TCP","port":1}}',
    '{"types":["platform"],"destination":{"protocol":"HTTP","URI":"http://sandbox:1/x"}}',
    "null",
    "[]",
    "x".repeat(100_000),
  ),
  fc.json(),
  fc.string(),
);
const call: fc.Arbitrary<Call> = fc.record({
  method: fc.constantFrom("GET", "POST", "POST", "PUT", "DELETE", "HEAD"),
  path: fc.oneof(
    fc.constantFrom(
      `${EXTENSION}/register`,
      `${EXTENSION}/register`,
      `${EXTENSION}/event/next`,
      `${EXTENSION}/init/error`,
      `${EXTENSION}/exit/error`,
      `${EXTENSION}/nothing`,
      "/2022-07-01/telemetry",
      "/2020-08-15/logs",
      `${RUNTIME}/invocation/next`,
      `${RUNTIME}/invocation/r-1/response`,
      `${RUNTIME}/invocation/r-1/error`,
      `${RUNTIME}/invocation/other/response`,
      `${RUNTIME}/init/error`,
      "/",
      "/__proto__",
      "/constructor",
    ),
    fc.webPath().map((path) => `/${path}`),
  ),
  headers: fc.record(
    {
      "Lambda-Extension-Name": fc.constantFrom("a", "b", "c", "", "x".repeat(2000), "__proto__"),
      "Lambda-Extension-Accept-Feature": fc.constantFrom("accountId", "x,accountId", ","),
      "Lambda-Extension-Function-Error-Type": fc.constantFrom("Extension.X", "", "\t"),
      "Lambda-Runtime-Function-Error-Type": fc.constantFrom("Runtime.X", ""),
    },
    { requiredKeys: [] },
  ),
  body,
  identity: fc.option(fc.oneof(fc.nat(5), fc.constantFrom(STRANGER, "no-uuid", "")), { nil: undefined }),
});
const step = fc.oneof({ weight: 8, arbitrary: call }, { weight: 1, arbitrary: fc.constantFrom("offer", "invoke") });

/** What Lambda's interfaces answer; every one of them with JSON. */
const STATUSES: ReadonlySet<number> = new Set([200, 202, 400, 403, 404, 413]);

describe("the interfaces inside a container", () => {
  test("answer every call in whatever order with one of Lambda's statuses", async () => {
    const property = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const { host, api, agent, close } = await open();
      const identifiers: string[] = [];
      let isOffered = false;
      for (const one of steps) {
        if (one === "offer") {
          if (!isOffered) api.offer({ ...OFFER });
          isOffered = true;
        } else if (one === "invoke") {
          if (host.isReady && !host.isRegistrationOpen) host.invoke(INVOCATION);
        } else {
          const { status, identifier, text } = await send(api.port, agent, one, identifiers);
          if (identifier !== undefined) identifiers.push(identifier);
          if (status === "open") continue;
          expect(STATUSES, `${one.method} ${one.path}`).toContain(status);
          if (status !== 200 && one.method !== "HEAD") expect(JSON.parse(text)).toBeTypeOf("object");
          if (one.path.startsWith(EXTENSION) && identifier !== undefined)
            expect(JSON.parse(text).functionName).toBe("f");
        }
      }
      const { status } = await send(api.port, agent, { ...NOTHING }, []);
      expect(status).toBe(404);
      await close();
    });
    await fc.assert(property, { numRuns: RUNS });
  }, 60_000);

  test("say of a request that broke off that it did", async () => {
    const { api } = await open();
    const request = `POST ${EXTENSION}/register HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"events"`;
    const answer = await exchange(api.port, Buffer.from(request));
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(answer).toContain(
      '{"errorMessage":"HTTP request detected as truncated","errorType":"TruncatedHTTPRequest"}',
    );
  });

  test("survive bytes that are no requests, and requests that break off", async () => {
    const { api, agent } = await open();
    const start = fc.constantFrom(
      `POST ${EXTENSION}/register HTTP/1.1\r\nHost: x\r\n`,
      `GET ${EXTENSION}/event/next HTTP/1.1\r\nHost: x\r\n`,
      `PUT /2022-07-01/telemetry HTTP/1.1\r\nHost: x\r\nLambda-Extension-Identifier: ${STRANGER}\r\n`,
      `POST ${RUNTIME}/invocation/r-1/response HTTP/1.1\r\nHost: x\r\n`,
      `POST ${RUNTIME}/init/error HTTP/1.1\r\nHost: x\r\n`,
      "",
    );
    const middle = fc.constantFrom(
      "Content-Length: 1000\r\n\r\nshort",
      "Content-Length: -1\r\n\r\n",
      "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
      "Transfer-Encoding: chunked\r\n\r\n5\r\nab",
      "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
      "\r\n",
      "Bad Header\r\n\r\n",
      LONG_HEADER,
    );
    const junk = fc.uint8Array({ maxLength: 200 });
    const property = fc.asyncProperty(start, middle, junk, async (first, second, bytes) => {
      const text = first + second.replace(LONG_HEADER, `X: ${"y".repeat(200_000)}\r\n\r\n`);
      const answer = await exchange(api.port, Buffer.concat([Buffer.from(text, "latin1"), Buffer.from(bytes)]));
      if (answer !== "") expect(answer).toMatch(/^HTTP\/1\.1 (202|400|403|404|413|431) /);
    });
    await fc.assert(property, { numRuns: 300 });
    expect((await send(api.port, agent, { ...NOTHING }, [])).status).toBe(404);
  }, 60_000);
});

/** Sends these bytes and no more. @returns what is answered. */
function exchange(port: number, bytes: Buffer): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.on("error", () => {}); // The end that follows is what counts.
  socket.on("data", (data) => {
    answer += data.toString("latin1");
  });
  socket.end(bytes);
  return new Promise((resolve) => socket.on("close", () => resolve(answer)));
}

const NOTHING: Call = { method: "GET", path: "/nothing", headers: {}, body: "", identity: undefined };
const INVOCATION = {
  requestId: "r-1",
  deadlineMs: 1,
  invokedArn: "arn",
  traceId: "",
  clientContext: undefined,
  retries: 0,
  stream: undefined,
};
const OFFER = {
  requestId: "r-1",
  deadlineMs: 1,
  invokedArn: "arn",
  traceId: "",
  retries: 0,
  payload: Buffer.from("{}"),
};

/** @returns `open` when the call is one that waits for an event; it is left waiting. */
function send(
  port: number,
  agent: Agent,
  { method, path, headers, body, identity }: Call,
  identifiers: readonly string[],
) {
  const isWaiting = method === "GET" && path.endsWith("/next");
  const sent = method === "GET" || method === "HEAD" ? "" : body;
  const id = typeof identity === "number" ? identifiers[identity] : identity;
  return new Promise<{ status: number | "open"; identifier?: string | undefined; text: string }>((resolve, reject) => {
    const request = httpRequest({
      port,
      host: "127.0.0.1",
      method,
      path,
      ...(isWaiting ? { agent: false } : { agent }),
      // Said for every method: Node says it by itself only for some.
      headers: {
        ...headers,
        "Content-Length": Buffer.byteLength(sent),
        ...(id === undefined ? {} : { "Lambda-Extension-Identifier": id }),
      },
    });
    const patience = isWaiting ? setTimeout(() => resolve({ status: "open", text: "" }), 5) : undefined;
    request.on("response", (response) => {
      clearTimeout(patience);
      let text = "";
      response.on("data", (data) => {
        text += data;
      });
      response.on("end", () => {
        const identifier = response.headers["lambda-extension-identifier"] as string | undefined;
        resolve({ status: response.statusCode as number, identifier, text });
      });
    });
    request.on("error", (error) => (isWaiting ? resolve({ status: "open", text: "" }) : reject(error)));
    request.end(sent);
  });
}
