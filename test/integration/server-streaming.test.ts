import { readFileSync } from "node:fs";
import { InvokeWithResponseStreamCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";
import { eventually } from "./server-fixture/eventually.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";
import { LambdaCaller } from "./server-fixture/lambda-caller.ts";
import { processesBelow } from "./server-fixture/process-tree.ts";
import { StreamedCall } from "./server-fixture/streamed-call.ts";

const hearth = needsSandbox.skip === true ? undefined : await HearthProcess.start({ provider: "sandbox" });
const url = () => hearth?.url ?? "";
const lambda = new LambdaCaller(url);
afterAll(async () => {
  lambda.close();
  await hearth?.[Symbol.asyncDispose]();
});

const STREAMING = `
const { pipeline } = require("node:stream/promises"), { Readable } = require("node:stream"), { setTimeout: wait } = require("node:timers/promises");
let calls = 0;
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  calls++;
  const mebibyte = Buffer.alloc(1024 * 1024, "x");
  if (event.early) throw new TypeError("early");
  if (event.http) stream = awslambda.HttpResponseStream.from(stream, { statusCode: 418 });
  if (event.mebibytes) {
    let pulled = 0;
    function* pieces() { for (; pulled < event.mebibytes; pulled++) yield mebibyte; }
    await pipeline(Readable.from(pieces(), { objectMode: false }), stream);
    console.log("wrote", pulled, "of call", calls);
    return;
  }
  stream.write("begun ");
  if (event.late) { await wait(20); throw new RangeError("late"); }
  if (event.exit) { await wait(20); process.exit(7); }
  if (event.hang) await wait(60_000);
  await wait(event.pauseMs ?? 0);
  stream.write(String(Date.now()));
  stream.end();
});`;
const BUFFERED = `exports.handler = async (event) => { if (event.fail) throw new TypeError("no"); return "x".repeat(event.size ?? 3); };`;

/** Answers in pieces through the Runtime API; curl's `-T .` sends what it reads without waiting for more. */
const SHELL = `#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime
while :; do
  curl -sS -D /tmp/headers -o /tmp/event "$api/invocation/next" || exit 1
  id=$(tr -d '\\r' </tmp/headers | sed -n 's/^lambda-runtime-aws-request-id: //Ip')
  { echo first; sleep 0.1; echo later; } | curl -sS -o /dev/null -X POST -T . -H 'Content-Type: text/csv' \\
    -H 'Transfer-Encoding: chunked' -H 'Lambda-Runtime-Function-Response-Mode: streaming' "$api/invocation/$id/response"
done
`;

const begin = (name: string, payload?: unknown, headers?: object) => StreamedCall.begin(url(), name, payload, headers);
const streamed = async (name: string, payload?: unknown, headers?: object) =>
  (await begin(name, payload, headers)).rest();

describe("InvokeWithResponseStream, in a sandbox", needsSandbox, () => {
  beforeAll(async () => {
    await lambda.deploy("streaming", { files: { "index.js": STREAMING }, memoryMiB: 512, timeoutS: 60 });
    await lambda.deploy("short", { files: { "index.js": STREAMING }, timeoutS: 1 });
    await lambda.deploy("buffered", { files: { "index.js": BUFFERED }, timeoutS: 30 });
    await lambda.deploy("shell", { files: { bootstrap: SHELL }, runtime: "provided.al2023", handler: "none" });
  });

  test("the AWS SDK gets the first piece while the function still works", async () => {
    const credentials = { accessKeyId: "unknown", secretAccessKey: "unknown" };
    const client = new LambdaClient({ endpoint: url(), region: "us-east-1", credentials, maxAttempts: 1 });
    const command = new InvokeWithResponseStreamCommand({
      FunctionName: "streaming",
      Payload: Buffer.from('{"pauseMs":300}'),
      LogType: "Tail",
    });
    const answer = await client.send(command);
    expect([answer.StatusCode, answer.ExecutedVersion]).toEqual([200, "$LATEST"]);
    const pieces: { text: string; atMs: number }[] = [];
    let complete: { ErrorCode?: string | undefined; LogResult?: string | undefined } | undefined;
    for await (const event of answer.EventStream ?? []) {
      const piece = event.PayloadChunk?.Payload;
      if (piece !== undefined) pieces.push({ text: Buffer.from(piece).toString(), atMs: Date.now() });
      complete ??= event.InvokeComplete;
    }
    client.destroy();
    expect(pieces.map(({ text }) => text).join("")).toMatch(/^begun \d+$/);
    expect(pieces[0]?.atMs).toBeLessThan(Number(pieces.at(-1)?.text));
    expect(complete?.ErrorCode).toBeUndefined();
    expect(Buffer.from(complete?.LogResult ?? "", "base64").toString()).toContain("REPORT RequestId: ");
  });

  test("status, headers and the function's content type", async () => {
    const call = await begin("streaming", { http: true });
    expect(call.response.headers).toMatchObject({
      "content-type": "application/vnd.amazon.eventstream",
      "x-amzn-remapped-content-type": "application/vnd.awslambda.http-integration-response",
      "x-amz-executed-version": "$LATEST",
    });
    expect((await call.rest()).text).toMatch(/^\{"statusCode":418\}\0{8}begun \d+$/);
  });

  test("a function that does not stream is answered in one, an invocation that waits for all gets all", async () => {
    expect(await streamed("buffered")).toEqual({ bytes: 5, text: '"xxx"', complete: {} });
    expect((await streamed("buffered", { size: 5_000_000 })).bytes).toBe(5_000_002);
    const whole = await lambda.invoke("streaming", { mebibytes: 5 });
    expect([whole.status, whole.body.length]).toEqual([200, 5 * 1024 * 1024]);
    const tooLarge = await lambda.invoke("streaming", { mebibytes: 7 });
    expect(tooLarge.json.errorType).toBe("Function.ResponseSizeTooLarge");
  });

  test("a queued invocation of a function that streams is done once", async () => {
    await lambda.deploy("queued", { files: { "index.js": STREAMING } });
    const { requestId } = await lambda.invoke("queued", { mebibytes: 1 }, { type: "Event" });
    const log = await eventually(
      () => hearth?.functionLog("queued") ?? Promise.resolve(""),
      (text) => text.includes(`REPORT RequestId: ${requestId}`),
      10_000,
    );
    expect(log).toContain("wrote 1 of call 1");
    expect(log).not.toContain("RETRY");
  });

  test("what goes wrong is said in the last event", async () => {
    const early = await streamed("streaming", { early: true });
    expect([early.text, early.complete.ErrorCode]).toEqual(["", "Unhandled"]);
    expect(JSON.parse(early.complete.ErrorDetails ?? "")).toMatchObject({
      errorType: "TypeError",
      errorMessage: "early",
    });
    const late = await streamed("streaming", { late: true });
    expect([late.text, late.complete.ErrorCode]).toEqual(["begun ", "Unhandled"]);
    expect(JSON.parse(late.complete.ErrorDetails ?? "")).toMatchObject({ errorType: "RangeError" });
    const exit = await streamed("streaming", { exit: true }, { "x-amz-log-type": "Tail" });
    expect([exit.text, exit.complete.ErrorCode]).toEqual(["begun ", "Runtime.ExitError"]);
    expect(exit.complete.ErrorDetails).toMatch(/^RequestId: \S+ Error: Runtime exited with error: exit status 7$/);
    expect(Buffer.from(exit.complete.LogResult ?? "", "base64").toString()).toContain("REPORT");
    const slow = await streamed("short", { hang: true });
    expect([slow.text, slow.complete.ErrorCode]).toEqual(["begun ", "Sandbox.Timedout"]);
    expect(slow.complete.ErrorDetails).toMatch(/^RequestId: \S+ Error: Task timed out after 1\.00 seconds$/);
    expect((await streamed("buffered", { fail: true })).complete.ErrorCode).toBe("Unhandled");
  });

  test("what is refused is refused as by Invoke", async () => {
    const refused = async (name: string, body: string, headers: Record<string, string> = {}) => {
      const path = `/2021-11-15/functions/${name}/response-streaming-invocations`;
      const { status, headers: got } = await lambda.request("POST", path, body, headers);
      return [status, got["x-amzn-errortype"]];
    };
    expect(await refused("missing", "{}")).toEqual([404, "ResourceNotFoundException"]);
    expect(await refused("buffered", "{no")).toEqual([400, "InvalidRequestContentException"]);
    expect(await refused("buffered", "{}", { "x-amz-invocation-type": "Event" })).toEqual([400, "ValidationException"]);
    expect(await refused("buffered", "{}", { "x-amz-invocation-type": "DryRun" })).toEqual([204, undefined]);
    expect(await refused("buffered", "x".repeat(6_291_457))).toEqual([413, "RequestEntityTooLargeException"]);
  });

  test("a custom runtime streams with the header that says so", async () => {
    const call = await begin("shell");
    expect(call.response.headers["x-amzn-remapped-content-type"]).toBe("text/csv");
    expect(await call.rest()).toEqual({ bytes: 12, text: "first\nlater\n", complete: {} });
    expect((await lambda.invoke("shell")).body.toString()).toBe("first\nlater\n");
  });

  test("the function of a caller who hangs up runs on to its end", async () => {
    await lambda.deploy("left", { files: { "index.js": STREAMING }, timeoutS: 30 });
    const call = await begin("left", { mebibytes: 20 });
    expect((await call.next())?.type).toBe("PayloadChunk");
    call.hangUp();
    const log = await eventually(
      () => hearth?.functionLog("left") ?? Promise.resolve(""),
      (text) => text.includes("REPORT"),
      20_000,
    );
    expect(log).toContain("wrote 20 of call 1");
    expect((await streamed("left", { mebibytes: 1 })).bytes).toBe(1024 * 1024);
    expect(await hearth?.functionLog("left")).toContain("wrote 1 of call 2");
  });

  test("200 MiB to a caller who pauses are nowhere held: not in the server, nor in the agent, nor in the container", async () => {
    const server = hearth?.pid ?? 0;
    await streamed("streaming", { mebibytes: 20 }); // Buffers of the usual size are there.
    const before = residentMiB(server);
    const peak = { value: 0 };
    const sampling = setInterval(() => {
      peak.value = Math.max(peak.value, ...residentGrowth(before, residentMiB(server)));
    }, 25);
    const call = await begin("streaming", { mebibytes: 200 });
    expect((await call.next())?.type).toBe("PayloadChunk");
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { bytes, complete } = await call.rest();
    clearInterval(sampling);
    expect([bytes > 199 * 1024 * 1024, complete]).toEqual([true, {}]);
    expect(peak.value).toBeLessThan(64);
  });

  test("an instance that is lost in the middle ends the response with an error", async () => {
    const call = await begin("streaming", { hang: true });
    expect((await call.next())?.body.toString()).toBe("begun ");
    for (const { pid, commandLine } of processesBelow(hearth?.pid ?? 0)) {
      if (commandLine.includes("agent")) process.kill(pid, "SIGKILL");
    }
    expect((await call.rest()).complete.ErrorCode).toBe("ServiceException");
  });
});

/** Of the server and everything below it, by process. */
function residentMiB(server: number): ReadonlyMap<number, number> {
  const pids = [server, ...processesBelow(server).map(({ pid }) => pid)];
  return new Map(
    pids.map((pid) => {
      try {
        const [, kibibytes] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
        return [pid, Number(kibibytes ?? 0) / 1024];
      } catch {
        return [pid, 0];
      }
    }),
  );
}

/** Of processes that were there before. */
function residentGrowth(before: ReadonlyMap<number, number>, now: ReadonlyMap<number, number>): number[] {
  return [...now].map(([pid, mebibytes]) => mebibytes - (before.get(pid) ?? mebibytes));
}
