import { expect, test } from "vitest";
import type { FunctionVersion } from "../model/function-version.ts";
import type { InvocationId } from "../model/ids.ts";
import { GOES_ON, logMessage } from "../protocol/log-message.ts";
import { endLines, LOG_TAIL_BYTES, LogTail, startLine } from "./execution-log.ts";

const id = "11111111-2222-3333-4444-555555555555" as InvocationId;
const arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
const version = { version: "7", arn, memoryMiB: 256, timeoutMs: 3000 } as FunctionVersion;
const none = Buffer.alloc(0);
const json = { ...version, logFormat: "JSON" } as const;
const usage = { wallUs: 1234, cpuUs: 1, memoryPeakBytes: 40 * 1048576, initUs: 150_000 };
const records = (text: string) => text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));

test("as text: START, and what an attempt before it says", () => {
  expect(startLine(id, version, 0)).toBe(`START RequestId: ${id} Version: 7\n`);
  expect(startLine(id, version, 2)).toBe(`START RequestId: ${id} Version: 7\nRETRY RequestId: ${id} Attempt: 3\n`);
  expect(endLines(id, version, "ok", none, undefined, usage as never)).toContain("Billed Duration: 152 ms\t");
});

test("what is billed is the sum of what is shown, rounded up", () => {
  const report = (wallUs: number, initUs: number) =>
    endLines(id, version, "ok", none, undefined, { ...usage, wallUs, initUs } as never);
  expect(report(1_001, 26_002)).toMatch(/Duration: 1.00 ms\tBilled Duration: 27 ms\t.*Init Duration: 26.00 ms/);
  expect(report(1_200, 25_800)).toContain("Billed Duration: 27 ms");
  expect(report(1_006, 26_000)).toMatch(/Duration: 1.01 ms\tBilled Duration: 28 ms/);
});

test("as JSON: the records of telemetry, one per line", () => {
  expect(records(startLine(id, json, 0))).toEqual([
    { time: expect.any(String), type: "platform.start", record: { requestId: id, functionArn: arn, version: "7" } },
  ]);
  expect(records(endLines(id, json, "timeout", none, undefined, usage as never))).toEqual([
    {
      time: expect.any(String),
      type: "platform.report",
      record: {
        requestId: id,
        metrics: {
          durationMs: 1.234,
          billedDurationMs: 152,
          memorySizeMB: 256,
          maxMemoryUsedMB: 40,
          initDurationMs: 150,
        },
        status: "timeout",
      },
    },
  ]);
});

test("with system level WARN only what went wrong is said", () => {
  const quiet = { ...json, systemLogLevel: "WARN" } as const;
  expect(startLine(id, quiet, 0) + endLines(id, quiet, "ok", none, undefined, usage as never)).toBe("");
  expect(records(endLines(id, quiet, "exit", none, "exit status 1", usage as never))).toMatchObject([
    { record: { status: "error", errorType: "Runtime.ExitError" } },
  ]);
});

test("what went wrong is one event", () => {
  const goesOn = String.fromCharCode(GOES_ON);
  const lines = (outcome: "timeout" | "exit") => endLines(id, version, outcome, none, "exit status 1", usage as never);
  expect(lines("exit")).toContain(
    `RequestId: ${id} Error: Runtime exited with error: exit status 1\n${goesOn}Runtime.ExitError\nEND `,
  );
  expect(lines("timeout")).toContain(` ${id} Task timed out after 3.00 seconds\n${goesOn}\nEND `);
});

test.each([
  ["initError", "Runtime.ImportModuleError", '{"errorType":"Runtime.ImportModuleError"}'],
  ["initError", "Runtime.Unknown", "no object"],
  ["exit", "Runtime.ExitError", ""],
  ["responseTooLarge", "Function.ResponseSizeTooLarge", ""],
] as const)("the report of %s names %s", (outcome, errorType, payload) => {
  const lines = endLines(id, version, outcome, Buffer.from(payload), undefined, usage as never);
  expect(lines).toMatch(new RegExp(`\tInit Duration: 150.00 ms\tStatus: error\tError Type: ${errorType}\t\n$`));
  expect(records(endLines(id, json, outcome, Buffer.from(payload), undefined, usage as never))).toMatchObject([
    { record: { status: "error", errorType } },
  ]);
});

test("the tail of a log is its last bytes, as people read them", () => {
  const tail = new LogTail();
  expect(String(tail.read())).toBe("");
  const stack = "Error: no\n    at one\n    at two\n";
  let text = "";
  for (let i = 0; i < 5000; i += 1) {
    tail.append(logMessage(Buffer.from(stack)));
    text += stack;
    if (i % 500 === 0) expect(String(tail.read())).toBe(text.slice(-LOG_TAIL_BYTES));
  }
  expect(String(tail.read())).toBe(text.slice(-LOG_TAIL_BYTES));
});
