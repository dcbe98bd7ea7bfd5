import { execFile } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import { refuseUnknown } from "../../src/agent/api-answer.ts";
import { createRuntimeApi, type OfferedInvocation, type RuntimeApi } from "../../src/agent/runtime-api.ts";
import { UIDS_PER_CONTAINER } from "../../src/host/oci/oci-config.ts";
import { RESPONSE_BYTES_MAX } from "../../src/model/response-limit.ts";
import { skipUnless } from "../skip.ts";

const opened: RuntimeApi[] = [];
afterEach(async () => {
  for (const api of opened.splice(0)) await api.close();
});

type Happening = readonly [what: string, requestId?: string | undefined, body?: string, errorType?: string | undefined];

async function open(hostUid?: number) {
  const happenings: Happening[] = [];
  const api = await createRuntimeApi({
    hostUid,
    onReady: () => happenings.push(["ready"]),
    onChunk: (requestId, bytes, contentType) => happenings.push(["chunk", requestId, bytes.toString(), contentType]),
    onResponse: (requestId, body) => happenings.push(["response", requestId, body.toString()]),
    onError: (requestId, body, errorType) => happenings.push(["error", requestId, body.toString(), errorType]),
    onInitError: (body) => happenings.push(["initError", undefined, body.toString()]),
    onOther: refuseUnknown,
  });
  opened.push(api);
  const url = `http://127.0.0.1:${api.port}/2018-06-01/runtime`;
  const next = () => fetch(`${url}/invocation/next`);
  const post = async (path: string, body: string | Buffer, headers: Record<string, string> = {}) => {
    const response = await fetch(`${url}/${path}`, { method: "POST", body, headers });
    return { status: response.status, body: (await response.json()) as { errorType?: string } };
  };
  return { api, happenings, url, next, post };
}

function invocation(members: Partial<OfferedInvocation> = {}): OfferedInvocation {
  return {
    requestId: "id-1",
    deadlineMs: 1_700_000_000_123,
    invokedArn: "arn:aws:lambda:us-east-1:000000000000:function:f:live",
    traceId: "Root=1-2-3",
    retries: 0,
    payload: Buffer.from('{"a":"ü"}'),
    ...members,
  };
}

describe("the Lambda Runtime API", () => {
  test("hands out invocations and takes their answers", async () => {
    const { api, happenings, next, post } = await open();
    const waiting = next();
    await expect.poll(() => happenings).toEqual([["ready"]]);
    api.offer(invocation({ clientContext: '{"c":"ü\u{1f600}"}' }));
    const first = await waiting;
    expect(first.status).toBe(200);
    expect(Object.fromEntries(first.headers)).toMatchObject({
      "content-type": "application/json",
      "lambda-runtime-aws-request-id": "id-1",
      "lambda-runtime-deadline-ms": "1700000000123",
      "lambda-runtime-invoked-function-arn": "arn:aws:lambda:us-east-1:000000000000:function:f:live",
      "lambda-runtime-trace-id": "Root=1-2-3",
    });
    expect(first.headers.has("hearth-runtime-retries")).toBe(false);
    expect(JSON.parse(first.headers.get("lambda-runtime-client-context") ?? "")).toEqual({ c: "ü\u{1f600}" });
    expect(await first.text()).toBe('{"a":"ü"}');
    expect(await post("invocation/id-1/response", '"é"')).toEqual({ status: 202, body: { status: "OK" } });

    api.offer(invocation({ requestId: "id-2", retries: 2 }));
    const second = await next();
    expect(second.headers.get("hearth-runtime-retries")).toBe("2");
    expect(second.headers.has("lambda-runtime-client-context")).toBe(false);
    const headers = {
      "Lambda-Runtime-Function-Error-Type": "Mine.Own",
      "Lambda-Runtime-Function-XRay-Error-Cause": "x".repeat(1024 * 1024),
    };
    expect(await post("invocation/id-2/error", '{"errorType":"E"}', headers)).toMatchObject({ status: 202 });
    expect(happenings.slice(1)).toEqual([
      ["response", "id-1", '"é"'],
      ["error", "id-2", '{"errorType":"E"}', "Mine.Own"],
    ]);
  });

  test("refuses what is out of order", async () => {
    const { api, happenings, next, post } = await open();
    const invalid = { status: 403, body: { errorType: "InvalidStateTransition" } };
    expect(await post("invocation/id-1/response", "1")).toMatchObject(invalid);
    api.offer(invocation());
    expect(() => api.offer(invocation())).toThrow("already offered");
    await next();
    expect((await next()).status).toBe(403);
    expect(() => api.offer(invocation())).toThrow("already offered or running");
    expect(await post("invocation/other/response", "1")).toMatchObject({
      status: 400,
      body: { errorType: "InvalidRequestID" },
    });
    expect(await post("init/error", "{}")).toMatchObject(invalid);
    expect(await post("invocation/id-1/response", "1")).toMatchObject({ status: 202 });
    expect(await post("invocation/id-1/response", "2")).toMatchObject(invalid);
    expect(await post("invocation/id-1/error", "2")).toMatchObject(invalid);
    expect(await post("elsewhere", "2")).toMatchObject({ status: 404 });
    expect(happenings).toEqual([["ready"], ["response", "id-1", "1"]]);
  });

  test("takes an init error before the first next", async () => {
    const { happenings, post } = await open();
    expect(await post("init/error", '{"errorType":"Init"}')).toEqual({ status: 202, body: { status: "OK" } });
    expect(happenings).toEqual([["initError", undefined, '{"errorType":"Init"}']]);
  });

  test("takes 6,291,556 bytes and answers the caller for a function that sends more", async () => {
    const { api, happenings, next, post } = await open();
    api.offer(invocation());
    await next();
    expect(await post("invocation/id-1/response", Buffer.alloc(RESPONSE_BYTES_MAX, "x"))).toMatchObject({
      status: 202,
    });
    expect(happenings[1]?.[2]).toHaveLength(RESPONSE_BYTES_MAX);
    api.offer(invocation({ requestId: "id-2" }));
    await next();
    expect(await post("invocation/id-2/response", Buffer.alloc(RESPONSE_BYTES_MAX + 1, "x"))).toMatchObject({
      status: 413,
      body: { errorType: "RequestEntityTooLarge" },
    });
    expect(happenings[2]).toEqual([
      "error",
      "id-2",
      '{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}',
      "Function.ResponseSizeTooLarge",
    ]);
    api.offer(invocation({ requestId: "id-3" }));
    expect((await next()).status).toBe(200);
  });

  test("takes one answer at a time, and forgets one that breaks off", async () => {
    const { api, happenings, url, next, post } = await open();
    api.offer(invocation());
    await next();
    const slow = request(`${url}/invocation/id-1/response`, { method: "POST" });
    slow.on("error", () => {});
    slow.write("[1,");
    await expect.poll(async () => (await post("invocation/id-1/response", "2")).status).toBe(403);
    slow.destroy();
    await expect.poll(async () => (await post("invocation/id-1/response", "3")).status).toBe(202);
    expect(happenings).toEqual([["ready"], ["response", "id-1", "3"]]);
  });

  test("a bootstrap that hung up may ask again; the newest question is answered", async () => {
    const { api, happenings, url, next } = await open();
    const hangUp = new AbortController();
    const lost = fetch(`${url}/invocation/next`, { signal: hangUp.signal });
    await expect.poll(() => happenings).toEqual([["ready"]]);
    hangUp.abort();
    await expect(lost).rejects.toThrow();
    const [older, newest] = [next(), next()];
    const refused = await Promise.race([older, newest]);
    expect(refused.status).toBe(403);
    api.offer(invocation());
    const statuses = (await Promise.all([older, newest])).map(({ status }) => status);
    expect(statuses.sort()).toEqual([200, 403]);
    expect(happenings).toEqual([["ready"]]);
  });

  test("survives bytes that are no HTTP", async () => {
    const { api, next } = await open();
    const socket = connect(api.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.resume();
    socket.end("\u0000\u0001 not http\r\n\r\n");
    await once(socket, "close");
    api.offer(invocation());
    expect((await next()).status).toBe(200);
  });

  test("keeps an invocation for the next question when the one that waits has just been cut off", async () => {
    const { api, happenings, next } = await open();
    const sockets: Socket[] = [];
    const onRequest = (message: unknown) => sockets.push((message as { socket: Socket }).socket);
    subscribe("http.server.request.start", onRequest);
    const lost = next().catch(() => "cut off");
    await expect.poll(() => happenings).toEqual([["ready"]]);
    unsubscribe("http.server.request.start", onRequest);
    sockets[0]?.destroy();
    api.offer(invocation());
    expect(await lost).toBe("cut off");
    expect(await (await next()).text()).toBe('{"a":"ü"}');
  });

  test("is for the container's own user only", skipUnless(process.getuid?.() === 0, "needs root"), async () => {
    const { api, url } = await open(200_000);
    api.offer(invocation());
    const curl = (uid: number) =>
      promisify(execFile)("curl", ["-s", "-m", "5", `${url}/invocation/next`], { uid }).then(
        ({ stdout }) => stdout,
        (error: { code: number }) => error.code,
      );
    const refused = [52, 55, 56];
    // The containers beside it have the 1,024 uids below and above.
    for (const uid of [0, 199_999, 200_001, 200_000 + UIDS_PER_CONTAINER]) expect(refused).toContain(await curl(uid));
    expect(await curl(200_000)).toBe('{"a":"ü"}');
  });
});

const STREAMING = { "Lambda-Runtime-Function-Response-Mode": "streaming", "Content-Type": "text/csv" };

/** A response that is written piece by piece, as a runtime that streams does it. */
function streamedPost(url: string, requestId: string, headers: Record<string, string | string[]> = STREAMING) {
  const outgoing = request(`${url}/invocation/${requestId}/response`, { method: "POST", headers });
  outgoing.on("error", () => {});
  const answered = new Promise<{ status: number | undefined; body: { errorType?: string } }>((resolve) => {
    outgoing.on("response", async (response) => {
      const chunks = await response.toArray();
      resolve({ status: response.statusCode, body: JSON.parse(Buffer.concat(chunks).toString()) });
    });
  });
  return { outgoing, answered };
}

describe("a streamed response", () => {
  async function running(stream = true) {
    const opened = await open();
    opened.api.offer(invocation({ stream }));
    await (await opened.next()).text();
    opened.happenings.splice(0);
    return opened;
  }

  test("is told piece by piece, with its content type first", async () => {
    const { happenings, url } = await running();
    const { outgoing, answered } = streamedPost(url, "id-1");
    outgoing.write("one");
    await expect
      .poll(() => happenings)
      .toEqual([
        ["chunk", "id-1", "", "text/csv"],
        ["chunk", "id-1", "one", undefined],
      ]);
    outgoing.end("two");
    expect(await answered).toEqual({ status: 202, body: { status: "OK" } });
    expect(happenings.slice(2)).toEqual([
      ["chunk", "id-1", "two", undefined],
      ["response", "id-1", ""],
    ]);
  });

  test("is collected for a caller who wants it whole", async () => {
    const { happenings, url } = await running(false);
    const { outgoing, answered } = streamedPost(url, "id-1");
    outgoing.write("one");
    outgoing.end("two");
    expect((await answered).status).toBe(202);
    expect(happenings).toEqual([["response", "id-1", "onetwo"]]);
  });

  test("fails with what its trailers say", async () => {
    for (const stream of [true, false]) {
      const { happenings, url } = await running(stream);
      const { outgoing, answered } = streamedPost(url, "id-1", {
        ...STREAMING,
        Trailer: ["Lambda-Runtime-Function-Error-Type", "Lambda-Runtime-Function-Error-Body"],
      });
      outgoing.write("one");
      const body = Buffer.from('{"errorType":"Own","errorMessage":"broke"}').toString("base64");
      outgoing.addTrailers({ "Lambda-Runtime-Function-Error-Type": "Own", "Lambda-Runtime-Function-Error-Body": body });
      outgoing.end();
      expect((await answered).status).toBe(202);
      expect(happenings.at(-1)).toEqual(["error", "id-1", '{"errorType":"Own","errorMessage":"broke"}', "Own"]);
    }
  });

  test("is cut off by a runtime that hangs up", async () => {
    const { happenings, url } = await running();
    const { outgoing } = streamedPost(url, "id-1");
    outgoing.write("one");
    await expect.poll(() => happenings.length).toBe(2);
    outgoing.destroy();
    await expect
      .poll(() => happenings.at(-1))
      .toMatchObject(["error", "id-1", expect.any(String), "Runtime.TruncatedResponse"]);
  });

  test("that only stops in the middle is told so", async () => {
    const { api, happenings } = await running();
    const socket = connect({ port: api.port, host: "127.0.0.1", allowHalfOpen: true });
    const head =
      "POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n";
    socket.end(`${head}Lambda-Runtime-Function-Response-Mode: streaming\r\n\r\n3\r\none\r\n`);
    const answer = Buffer.concat(await socket.toArray()).toString();
    expect(answer).toMatch(/^HTTP\/1\.1 400 .*"errorType":"TruncatedHTTPRequest"/s);
    await expect.poll(() => happenings.at(-1)?.[3]).toBe("Runtime.TruncatedResponse");
  });

  test("in a mode that there is not is refused, and fails the invocation", async () => {
    const { happenings, post } = await running();
    const answer = await post("invocation/id-1/response", "x", {
      "Lambda-Runtime-Function-Response-Mode": "trickling",
    });
    expect([answer.status, answer.body.errorType]).toEqual([400, "InvalidFunctionResponseMode"]);
    expect(happenings.at(-1)).toMatchObject(["error", "id-1", expect.any(String), "Runtime.InvalidResponseModeHeader"]);
  });

  test("is read as fast as it is taken", async () => {
    const { api, happenings, url } = await running();
    const { outgoing, answered } = streamedPost(url, "id-1");
    const taken = () => happenings.reduce((bytes, [, , body = ""]) => bytes + body.length, 0);
    let sentBytes = 0;
    const send = () => {
      while (sentBytes < 8 * 1024 * 1024 && outgoing.write(Buffer.alloc(64 * 1024, "x"))) sentBytes += 64 * 1024;
      if (sentBytes >= 8 * 1024 * 1024) outgoing.end();
    };
    outgoing.on("drain", () => {
      sentBytes += 64 * 1024;
      send();
    });
    send();
    await expect.poll(taken).toBeGreaterThan(192 * 1024);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const withoutCredit = taken();
    expect(withoutCredit).toBeLessThanOrEqual(256 * 1024);
    let credited = 0;
    const credit = setInterval(() => {
      api.credit("id-1", taken() - credited);
      credited = taken();
    }, 1);
    expect((await answered).status).toBe(202);
    clearInterval(credit);
    expect(taken()).toBeGreaterThanOrEqual(8 * 1024 * 1024);
  });

  test("is refused out of order, and only one is taken at a time", async () => {
    const { happenings, url, post } = await running();
    expect((await streamedAnswer(url, "other")).body.errorType).toBe("InvalidRequestID");
    const { outgoing, answered } = streamedPost(url, "id-1");
    outgoing.write("one");
    await expect.poll(() => happenings.length).toBe(2);
    expect((await post("invocation/id-1/response", "two")).body.errorType).toBe("InvalidStateTransition");
    expect((await streamedAnswer(url, "id-1")).body.errorType).toBe("InvalidStateTransition");
    outgoing.end();
    expect((await answered).status).toBe(202);
    expect((await streamedAnswer(url, "id-1")).body.errorType).toBe("InvalidStateTransition");
  });
});

function streamedAnswer(url: string, requestId: string) {
  const { outgoing, answered } = streamedPost(url, requestId);
  outgoing.end("late");
  return answered;
}
