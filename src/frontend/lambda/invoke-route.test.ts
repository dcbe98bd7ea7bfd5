import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { InvokeCommand } from "@aws-sdk/client-lambda";
import { beforeEach, describe, expect, test, vi } from "vitest";
import type { Outcome } from "../../model/invocation.ts";
import type { InvokeAnswer, InvokeRequest } from "../../ports/invoker.ts";
import {
  arn,
  call,
  cancelled,
  client,
  createSettled,
  failure,
  finished,
  invokePath,
  requests,
  serveLambdaRoutes,
  url,
} from "./lambda-routes-fixture.ts";

/** What the invoker answers: the payload unless a test says otherwise. */
let answerOf: (request: InvokeRequest) => InvokeAnswer | undefined;
beforeEach(() => {
  answerOf = (request) => finished("ok", request.payload);
});
serveLambdaRoutes((request) => answerOf(request));

describe("Invoke", () => {
  const invoke = (input: Partial<ConstructorParameters<typeof InvokeCommand>[0]> = {}) =>
    client.send(new InvokeCommand({ FunctionName: "f", ...input }));

  beforeEach(() => createSettled());

  test("every way to name a function reaches it", async () => {
    const names = ["f", "000000000000:function:f", "function:f", "us-east-1:000000000000:function:f", arn];
    for (const name of names.flatMap((name) => [name, `${name}:$LATEST`])) {
      for (const path of [invokePath(name), invokePath(encodeURIComponent(name)), `${invokePath(name)}/`]) {
        expect((await call("POST", path, "{}")).status, path).toBe(200);
      }
    }
    expect((await call("POST", `${invokePath("f")}?Qualifier=%24LATEST`)).status).toBe(200);
    expect(new Set(requests.map(({ invokedArn }) => invokedArn))).toEqual(new Set([arn, `${arn}:$LATEST`]));
  });

  test("the payload goes in and out byte for byte, with the version and the ids", async () => {
    const payload = Buffer.from('{"ünï": [1, 2 ]}');
    const answer = await call("POST", invokePath("f"), payload, { "X-Amzn-Trace-Id": "Root=1-2-3" });
    expect(Buffer.from(await answer.arrayBuffer()).equals(payload)).toBe(true);
    expect(answer.headers.get("x-amz-executed-version")).toBe("$LATEST");
    expect(answer.headers.get("x-amzn-requestid")).toBe(requests[0]?.id);
    expect(answer.headers.get("x-amzn-trace-id")).toBe("Root=1-2-3");
    expect(answer.headers.has("x-amz-function-error")).toBe(false);
    await call("POST", invokePath("f"));
    expect(requests[1]?.payload).toHaveLength(0);
    expect(requests[1]?.traceId).toMatch(/^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$/);
  });

  test("six megabytes go through, one byte more is refused without being read", { timeout: 20_000 }, async () => {
    const payload = Buffer.alloc(6_291_456, "1");
    expect((await invoke({ Payload: payload })).Payload?.length).toBe(payload.length);
    await expect(invoke({ Payload: Buffer.alloc(6_291_457, "1") })).rejects.toEqual(
      failure(
        "RequestEntityTooLargeException",
        "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
        413,
      ),
    );
    await expect(invoke({ Payload: Buffer.alloc(1_048_577, "1"), InvocationType: "Event" })).rejects.toEqual(
      failure(
        "RequestEntityTooLargeException",
        "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
        413,
      ),
    );
    expect(await sendEndless()).toMatch(/^HTTP\/1.1 413 /);
    expect(requests).toHaveLength(1);
  });

  /** Sends chunks until the server answers. @returns the answer. */
  function sendEndless(): Promise<string> {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    const chunk = Buffer.concat([Buffer.from("100000\r\n"), Buffer.alloc(0x100000, "1"), Buffer.from("\r\n")]);
    const send = () =>
      void socket.write(chunk, (error) => (error || text !== "" ? socket.destroy() : setImmediate(send)));
    let text = "";
    socket.write(`POST ${invokePath("f")} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`, send);
    socket.on("data", (data) => {
      text += data;
    });
    socket.on("error", () => {});
    return new Promise((resolve) => socket.on("close", () => resolve(text)));
  }

  test("a declared size over the limit is answered before any of it is sent", async () => {
    const { port } = new URL(url);
    const socket = connect(Number(port), "127.0.0.1");
    socket.write(
      `POST ${invokePath("f")} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000000\r\nExpect: 100-continue\r\n\r\n`,
    );
    let text = "";
    for await (const chunk of socket) {
      text += chunk;
      if (text.includes("}")) break;
    }
    expect(text).toMatch(/^HTTP\/1.1 413 /);
  });

  test("a function's failure is a 200 with X-Amz-Function-Error and Lambda's body", async () => {
    const thrown = Buffer.from('{"errorType":"Error","errorMessage":"x","trace":[]}');
    const expected = (outcome: Outcome, more: { exit?: string } = {}) => {
      answerOf = () => finished(outcome, outcome.endsWith("Error") ? thrown : Buffer.alloc(0), more);
      return call("POST", invokePath("f"), "{}").then(async (answer) => {
        expect([answer.status, answer.headers.get("x-amz-function-error")]).toEqual([200, "Unhandled"]);
        return (await answer.text()).replace(answer.headers.get("x-amzn-requestid") as string, "U");
      });
    };
    expect(await expected("functionError")).toBe(thrown.toString());
    expect(await expected("initError")).toBe(thrown.toString());
    expect(await expected("timeout")).toBe(
      '{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: U Error: Task timed out after 3.00 seconds"}',
    );
    expect(await expected("exit", { exit: "exit status 1" })).toBe(
      '{"errorType":"Runtime.ExitError","errorMessage":"RequestId: U Error: Runtime exited with error: exit status 1"}',
    );
    expect(await expected("exit")).toBe(
      '{"errorType":"Runtime.ExitError","errorMessage":"RequestId: U Error: Runtime exited without providing a reason"}',
    );
    expect(await expected("outOfMemory", { exit: "signal: killed" })).toBe(
      '{"errorType":"Runtime.OutOfMemory","errorMessage":"RequestId: U Error: Runtime exited with error: signal: killed"}',
    );
    expect(await expected("responseTooLarge")).toBe(
      '{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}',
    );
  });

  test("what is not the function's failure is an error of the API", async () => {
    answerOf = () => finished("invalidPayload", Buffer.alloc(0));
    await expect(invoke({ Payload: Buffer.from("{") })).rejects.toEqual(
      failure(
        "InvalidRequestContentException",
        /^Could not parse request body into json: Could not parse payload into json: /,
      ),
    );
    answerOf = () => finished("agentFault", Buffer.alloc(0));
    await expect(invoke()).rejects.toEqual(failure("ServiceException", /container/, 500));
    answerOf = () => ({ kind: "rejected", code: "CONCURRENCY_LIMIT" });
    await expect(invoke()).rejects.toEqual(failure("TooManyRequestsException", "Rate Exceeded.", 429));
    const throttled = await call("POST", invokePath("f"), "{}");
    expect(throttled.headers.get("retry-after")).toBe("1");
    expect(await throttled.json()).toMatchObject({ Reason: "ConcurrentInvocationLimitExceeded", Type: "User" });
    answerOf = () => ({ kind: "rejected", code: "INSTANCE_LOST" });
    await expect(invoke()).rejects.toEqual(failure("ServiceException", /lost/, 500));
  });

  test("the tail of the log comes only when asked for", async () => {
    answerOf = ({ logTail, payload }) => finished("ok", payload, logTail ? { logTail: Buffer.from("START\n") } : {});
    expect((await invoke({ LogType: "Tail" })).LogResult).toBe(Buffer.from("START\n").toString("base64"));
    expect((await invoke({ LogType: "None" })).LogResult).toBeUndefined();
  });

  test("events are accepted when they are queued, and must be JSON", async () => {
    const accepted = await invoke({ InvocationType: "Event", Payload: Buffer.from("[1]") });
    expect([accepted.StatusCode, accepted.ExecutedVersion]).toEqual([202, undefined]);
    await expect(invoke({ InvocationType: "Event", Payload: Buffer.from("{") })).rejects.toEqual(
      failure("InvalidRequestContentException", /^Could not parse request body into json/),
    );
    answerOf = () => ({ kind: "rejected", code: "QUEUE_FULL" });
    await expect(invoke({ InvocationType: "Event" })).rejects.toEqual(failure("TooManyRequestsException", /.+/, 429));
  });

  test("an event that is queued pins no more memory than it shows", async () => {
    // Chunks are joined in Node's pool of buffers, 64 KiB for a payload of 5 bytes.
    const outgoing = request(url + invokePath("f"), { method: "POST", headers: { "x-amz-invocation-type": "Event" } });
    outgoing.write("[1,");
    await vi.waitFor(() => expect(outgoing.socket?.bytesWritten).toBeGreaterThan(0));
    await new Promise((resolve) => setImmediate(resolve));
    outgoing.end("2]");
    const [answer] = await once(outgoing, "response");
    expect((answer as IncomingMessage).statusCode).toBe(202);
    answer.resume();
    expect(requests[0]?.payload.toString()).toBe("[1,2]");
    expect(requests[0]?.payload.buffer.byteLength).toBe(5);
    const traceId = `Root=${"1".repeat(507)}`;
    for (const sent of [traceId, `${traceId}1`]) {
      await call("POST", invokePath("f"), "1", { "x-amz-invocation-type": "Event", "x-amzn-trace-id": sent });
    }
    expect(requests[1]?.traceId).toBe(traceId);
    expect(requests[2]?.traceId).toMatch(/^Root=1-[0-9a-f]{8}-/);
  });

  test("a dry run runs nothing", async () => {
    expect((await invoke({ InvocationType: "DryRun" })).StatusCode).toBe(204);
    expect(requests).toEqual([]);
  });

  test("the client context arrives decoded, and must be JSON", async () => {
    const context = { custom: { a: "ü" } };
    await invoke({ ClientContext: Buffer.from(JSON.stringify(context)).toString("base64") });
    expect(JSON.parse(requests[0]?.clientContext as string)).toEqual(context);
    await expect(invoke({ ClientContext: "bm8=" })).rejects.toEqual(
      failure("InvalidParameterValueException", /Client context/),
    );
    await expect(invoke({ ClientContext: "A".repeat(3584) })).rejects.toEqual(
      failure("InvalidRequestContentException", /3583/),
    );
  });

  test("a caller that hangs up is reported, one that was answered is not", async () => {
    await invoke();
    answerOf = () => undefined;
    const abort = new AbortController();
    const hanging = fetch(url + invokePath("f"), { method: "POST", signal: abort.signal }).catch(() => {});
    await vi.waitFor(() => expect(requests).toHaveLength(2));
    abort.abort();
    await hanging;
    await vi.waitFor(() => expect(cancelled).toEqual([requests[1]?.id]));
  });

  test("what is not there is not found, in Lambda's words", async () => {
    const missing = (text: string) => failure("ResourceNotFoundException", `Function not found: ${text}`, 404);
    await expect(invoke({ FunctionName: "g" })).rejects.toEqual(missing(arn.replace(/f$/, "g")));
    await expect(invoke({ Qualifier: "7" })).rejects.toEqual(missing(`${arn}:7`));
    await expect(invoke({ FunctionName: "f:live" })).rejects.toEqual(missing(`${arn}:live`));
    await expect(invoke({ FunctionName: "f:1", Qualifier: "2" })).rejects.toEqual(
      failure(
        "InvalidParameterValueException",
        "The derived qualifier from the function name does not match the specified qualifier.",
      ),
    );
    await expect(invoke({ InvocationType: "Never" as never })).rejects.toEqual(
      failure(
        "ValidationException",
        "1 validation error detected: Value 'Never' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]",
      ),
    );
  });
});
