import { expect, test } from "vitest";
import type { Assignment } from "../../protocol/agent-protocol.ts";
import { LifecycleRecords } from "./lifecycle-records.ts";
import { PlatformLog } from "./platform-log.ts";

const ORDER = { requestId: "r-1", traceId: "Root=1" } as Parameters<LifecycleRecords["start"]>[0];
const FAILED = { status: "error", errorType: "Runtime.ExitError" } as const;

type Settings = Pick<Assignment, "logFormat" | "systemLogLevel">;
type Phase = { phase?: "init" | "invoke"; initializationType?: "on-demand" | "provisioned-concurrency" };

/** The records of one container, as its function's log has them. */
function open(settings: Settings, { phase = "init", initializationType = "on-demand" }: Phase = {}) {
  const written: string[] = [];
  const write = (text: Buffer) => void written.push(String(text));
  const log = new PlatformLog({ writeLine: write, writeLastLine: write }, settings);
  const assignment = { region: "us-east-1", functionName: "f", version: "1", memoryMiB: 128 } as Assignment;
  const facts = { containerId: "c-1", runtime: "nodejs24.x", assignment, initializationType, phase } as const;
  const records = new LifecycleRecords((event, record) => log.tell(event, record), facts);
  return { records, written, types: () => written.map((line) => JSON.parse(line).type as string) };
}

/** A whole life, of which nothing fails. */
function live(records: LifecycleRecords): void {
  records.initStart();
  records.initRuntimeDone({ status: "success" });
  records.extensions([{ name: "x", state: "Ready", events: ["INVOKE"] } as never]);
  records.initReport(1500, { status: "success" });
  records.start(ORDER);
  records.runtimeDone({ status: "success" }, 4);
  records.report({ wallUs: 1, initUs: 1500, memoryPeakBytes: 1 }, { status: "success" });
}

test("as text: extensions, and nothing of what goes well", () => {
  const { records, written } = open({});
  live(records);
  expect(written).toEqual(["EXTENSION\tName: x\tState: Ready\tEvents: [INVOKE]\n"]);
});

test.each(["init", "invoke"] as const)("as text: how an init failed in phase %s", (phase) => {
  const { records, written } = open({}, { phase });
  records.initReport(10_000_123, { status: "timeout" });
  records.initReport(1500, FAILED);
  // That the agent could not do it is not the function's failure.
  records.initReport(1500, { status: "failure" });
  expect(written).toEqual([
    `INIT_REPORT Init Duration: 10000.12 ms\tPhase: ${phase}\tStatus: timeout\n`,
    `INIT_REPORT Init Duration: 1.50 ms\tPhase: ${phase}\tStatus: error\tError Type: Runtime.ExitError\n`,
  ]);
});

test.each([
  ["DEBUG", ["platform.initRuntimeDone", "platform.extension", "platform.initReport", "platform.runtimeDone"]],
  ["INFO", ["platform.extension"]],
  ["WARN", []],
] as const)("as JSON with level %s: of what goes well", (systemLogLevel, expected) => {
  const { records, types, written } = open({ logFormat: "JSON", systemLogLevel });
  live(records);
  expect(types()).toEqual(expected);
  expect(written.join("")).not.toContain("tracing");
});

test("as JSON: an init ahead of calls is worth a line, and failures are at every level", () => {
  const ahead = open({ logFormat: "JSON" }, { initializationType: "provisioned-concurrency" });
  ahead.records.initReport(1500, { status: "success" });
  expect(ahead.types()).toEqual(["platform.initReport"]);

  const { records, written } = open({ logFormat: "JSON", systemLogLevel: "WARN" });
  records.initRuntimeDone(FAILED);
  records.initReport(1500, FAILED);
  records.start(ORDER);
  records.report({ wallUs: 1, initUs: undefined, memoryPeakBytes: undefined }, { status: "timeout" });
  expect(written.map((line) => JSON.parse(line))).toMatchObject([
    { type: "platform.initRuntimeDone", record: { phase: "init", ...FAILED } },
    { type: "platform.initReport", record: { ...FAILED, metrics: { durationMs: 1.5 } } },
    { type: "platform.runtimeDone", record: { requestId: "r-1", status: "timeout" } },
  ]);
});
