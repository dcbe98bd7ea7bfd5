import { expect, test } from "vitest";
import type { NodeRuntimeProcess, Received } from "./node-runtime-process.ts";
import { describeNodeRuntimes } from "./runtime-node-fixture.ts";

const WINDOW_BYTES = 256 * 1024;
const HTTP = "application/vnd.awslambda.http-integration-response";

type Streamed = {
  readonly contentType: string | undefined;
  readonly text: string;
  readonly bytes: number;
  readonly end: Received;
};

/** Reads a streamed response to its end and gives credit for all that comes; the text of a long one is its beginning. */
async function streamed(process: NodeRuntimeProcess, payload: unknown = {}): Promise<Streamed> {
  let message = await process.invoke(payload, { stream: true });
  let contentType: string | undefined;
  let text = "";
  let bytes = 0;
  for (; message.kind === "chunk"; message = await process.next()) {
    contentType ??= message.contentType;
    bytes += message.text.length;
    if (bytes < WINDOW_BYTES) text += message.text;
    process.send({ kind: "credit", requestId: "request-1", bytes: message.text.length });
  }
  return { contentType, text, bytes, end: message };
}

describeNodeRuntimes(({ is22, load, ready }) => {
  test("pieces leave as they are written, and the result ends them", async () => {
    const process = await ready(`exports.handler = awslambda.streamifyResponse(async (event, stream) => {
      stream.setContentType("text/plain");
      stream.write("first ");
      await new Promise((resolve) => setTimeout(resolve, 20));
      stream.end("last");
    });`);
    const first = await process.invoke({}, { stream: true });
    expect(first).toMatchObject({ kind: "chunk", contentType: "text/plain" });
    expect(await process.next()).toMatchObject({ kind: "chunk", text: "first " });
    expect(await process.next()).toMatchObject({ kind: "chunk", text: "last" });
    expect(await process.next()).toMatchObject({ kind: "result", text: "" });
  });

  test("HttpResponseStream writes its prelude and eight zero bytes in front, of nothing too", async () => {
    const process = await ready(`exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
      const http = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { a: context.awsRequestId } });
      if (event.body) http.write(event.body);
      http.end();
    })`);
    const prelude = `{"statusCode":201,"headers":{"a":"request-1"}}${"\0".repeat(8)}`;
    expect(await streamed(process, { body: "yes" })).toMatchObject({ contentType: HTTP, text: `${prelude}yes` });
    expect(await streamed(process)).toMatchObject({ contentType: HTTP, text: prelude, end: { kind: "result" } });
  });

  test("a writer waits for credit, and its pipeline with it", async () => {
    const process =
      await ready(`const { pipeline } = require("node:stream/promises"), { Readable } = require("node:stream");
    let pulled = 0;
    exports.handler = awslambda.streamifyResponse(async (event, stream) => {
      function* pieces() { for (let i = 0; i < 100; i++) { pulled++; yield Buffer.alloc(64 * 1024, "x"); } }
      setTimeout(() => console.log("pulled", pulled), 50).unref();
      await pipeline(Readable.from(pieces()), stream);
    })`);
    let message = await process.invoke({}, { stream: true });
    let bytes = 0;
    while (bytes < WINDOW_BYTES) {
      message = await process.next();
      bytes += message.text.length;
    }
    await expect.poll(() => process.log).toMatch(/pulled \d+\n/);
    expect(Number(/pulled (\d+)/.exec(process.log)?.[1])).toBeLessThan(20);
    for (; message.kind === "chunk"; message = await process.next()) {
      if (bytes > WINDOW_BYTES) bytes += message.text.length;
      process.send({ kind: "credit", requestId: "request-1", bytes: Math.max(message.text.length, 64 * 1024) });
      if (bytes === WINDOW_BYTES) bytes++;
    }
    expect(bytes - 1).toBe(100 * 64 * 1024);
    expect(message).toMatchObject({ kind: "result" });
  });

  test("a caller who wants it whole gets it whole, up to the limit", async () => {
    const process = await ready(`exports.handler = awslambda.streamifyResponse(async (event, stream) => {
      stream.write("a"); stream.write({ b: 1 }); stream.write(Buffer.from("c")); stream.end("x".repeat(event));
    })`);
    expect(await process.invoke(2)).toMatchObject({ kind: "result", text: 'a{"b":1}cxx' });
    expect(await process.invoke(6_291_557)).toMatchObject({ kind: "responseTooLarge" });
    expect(await process.invoke(1)).toMatchObject({ kind: "result", text: 'a{"b":1}cx' });
  });

  test("errors before, between and instead of the pieces", async () => {
    const process = await ready(`exports.handler = awslambda.streamifyResponse(async (event, stream) => {
      if (event === "early") throw new TypeError("early");
      stream.write("piece");
      if (event === "open") return;
      if (event === "late") throw new RangeError("late");
      if (event === "type") { try { stream.setContentType("x"); } finally { stream.end(); } }
      stream.end(); return "ignored";
    })`);
    const said = async (event: string) => {
      const { text, end } = await streamed(process, event);
      return [text, end.kind, ...(end.kind === "error" ? [JSON.parse(end.text).errorType] : [])];
    };
    expect(await said("early")).toEqual(["", "error", "TypeError"]);
    expect(await said("late")).toEqual(["piece", "error", "RangeError"]);
    expect(await said("type")).toEqual(["piece", "error", "Runtime.InvalidStreamingOperation"]);
    expect(await said("none")).toEqual(["piece", "result"]);
    expect(process.log).toContain("WARN\tStreaming handlers ignore return values.");
    const open = await streamed(process, "open");
    expect(open.end.text).toContain("Response stream is not finished.");
  });

  test("a handler that is not async fails, an unknown kind of streaming fails the init", async () => {
    const sync = await ready("exports.handler = awslambda.streamifyResponse((event, stream, context) => stream.end())");
    expect((await streamed(sync)).end.text).toContain("Streaming does not support non-async handlers.");
    const mark = `exports.handler[Symbol.for("aws.lambda.runtime.handler.streaming")]`;
    const { answer } = await load(`exports.handler = async () => {}; ${mark} = "request"`);
    expect([answer.kind, JSON.parse(answer.text).errorType]).toEqual([
      "initError",
      "Runtime.MalformedStreamingHandler",
    ]);
  });

  test("a content type that no response can have is the function's error", async () => {
    const process = await ready(`exports.handler = awslambda.streamifyResponse(async ({ type }, stream) => {
      stream.setContentType(type); stream.end("said");
    })`);
    for (const type of ["text/html; charset=\u00e9", "text/html\r\nx: y", "x".repeat(1025)]) {
      expect((await streamed(process, { type })).end.text).toContain("The content-type must be");
    }
    expect(await streamed(process, { type: "text/html" })).toMatchObject({ contentType: "text/html", text: "said" });
  });

  test("an exception outside the handler breaks the response off", async () => {
    const process = await ready(`exports.handler = awslambda.streamifyResponse(async (event, stream) => {
      stream.write("piece"); setTimeout(() => { throw new Error("outside"); }); await new Promise(() => {});
    })`);
    const { text, end } = await streamed(process);
    expect([text, end]).toMatchObject(["piece", { kind: "error", fatal: true }]);
    expect((await process.exited).status).toBe(129);
  });

  if (is22) return; // Once is enough of what takes so long.

  test("more than 200 MiB is cut", async () => {
    const process =
      await ready(`const { pipeline } = require("node:stream/promises"), { Readable } = require("node:stream");
    const piece = Buffer.alloc(1024 * 1024);
    exports.handler = awslambda.streamifyResponse(async (event, stream) => {
      function* pieces() { for (let i = 0; i < event; i++) yield piece; }
      await pipeline(Readable.from(pieces(), { objectMode: true }), stream);
    })`);
    const { bytes, end } = await streamed(process, 201);
    expect([bytes, end.kind]).toEqual([200 * 1024 * 1024, "responseTooLarge"]);
    expect((await streamed(process, 1)).end.kind).toBe("result");
  });
});
