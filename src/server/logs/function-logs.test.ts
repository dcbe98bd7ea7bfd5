import { expect, test } from "vitest";
import type { FunctionVersion } from "../../model/function-version.ts";
import type { ContainerId, FunctionKey, InstanceId, OfferId } from "../../model/ids.ts";
import type { ContainerReport, InstanceReport } from "../../model/instance.ts";
import { FunctionLogs } from "./function-logs.ts";

const instance = "i-1" as InstanceId;
const [one, two] = ["c-1", "c-2"] as [ContainerId, ContainerId];
const key = "000000000001/f/7/1" as FunctionKey;
const version = { key, accountId: "000000000001", name: "f", version: "7", runtime: "nodejs24.x" } as FunctionVersion;
const INIT_START = expect.stringMatching(
  /^INIT_START Runtime Version: nodejs:24.hearth\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}\n$/,
);
const clock = { nowMs: () => Date.UTC(2026, 10, 30), monotonicMs: () => 0 };

function opened() {
  const written: string[][] = [];
  const groups: string[] = [];
  const logs = new FunctionLogs({
    logs: { append: (...line) => void written.push(line.map(String)) },
    groups: { begin: (...group) => void groups.push(group.join(" ")) },
    clock,
    region: "us-east-1",
  });
  return { logs, written, groups };
}

const report = (logStream?: string, logGroup?: string): InstanceReport => {
  const held = { runtime: "nodejs24.x", functionKey: key, memoryMiB: 128 } as const;
  const containers: ContainerReport[] = [
    { state: "idle", containerId: one, ...held, logGroup, logStream },
    { state: "blank", containerId: two, runtime: "nodejs24.x" },
  ];
  const offerId = "process/host/slice/on-demand" as OfferId;
  const shape = { memoryMiB: 1024, cpuMilli: 1000 };
  return { instanceId: instance, subPool: "fixed", offerId, shape, accountId: version.accountId, containers };
};

test("each container writes to a stream of its own, named as Lambda does, in a group that is there", () => {
  const { logs, written, groups } = opened();
  const streams = [one, two].map((container) => logs.begin(instance, container, version, "on-demand"));
  for (const stream of streams) expect(stream).toMatch(/^2026\/11\/30\/\[7\][0-9a-f]{32}$/);
  expect(new Set(streams).size).toBe(2);
  logs.platform(instance, one, version, "START\n");
  logs.write(instance, two, key, Buffer.from("two\n"));
  expect(written).toEqual([
    ["000000000001", "f", streams[0], INIT_START],
    ["000000000001", "f", streams[1], INIT_START],
    ["000000000001", "f", streams[0], "START\n"],
    ["000000000001", "f", streams[1], "two\n"],
  ]);
  expect(groups).toEqual(["000000000001 /aws/lambda/f f", "000000000001 /aws/lambda/f f"]);
});

test("an init begins with a line of the log, and as a record also with one of the call's tail", () => {
  const { logs, written } = opened();
  const tail: string[] = [];
  const teller = { append: (text: Buffer) => void tail.push(String(text)) };
  logs.begin(instance, one, version, "on-demand", teller);
  expect(tail).toEqual([]);
  const json = { ...version, logFormat: "JSON", memoryMiB: 256 } as const;
  const instanceId = logs.begin(instance, two, json, "provisioned-concurrency", teller);
  expect(written.at(-1)?.[3]).toBe(tail[0]);
  expect(JSON.parse(tail[0] ?? "")).toEqual({
    time: expect.any(String),
    type: "platform.initStart",
    record: {
      initializationType: "provisioned-concurrency",
      phase: "init",
      runtimeVersion: "nodejs:24.hearth",
      runtimeVersionArn: expect.stringContaining(":runtime:"),
      functionName: "f",
      functionVersion: "7",
      instanceId,
      instanceMaxMemory: 268_435_456,
    },
  });
  logs.begin(instance, two, { ...json, systemLogLevel: "WARN" }, "on-demand", teller);
  expect(tail).toHaveLength(1);
});

test("the platform's lines begin a line", () => {
  const { logs, written } = opened();
  const stream = logs.begin(instance, one, version, "on-demand");
  logs.write(instance, one, key, Buffer.from("no end"));
  logs.platform(instance, one, version, "END\n");
  logs.platform(instance, one, version, "START\n");
  expect(written.map(([, , of, text]) => [of, text])).toEqual([
    [stream, INIT_START],
    [stream, "no end"],
    [stream, "\nEND\n"],
    [stream, "START\n"],
  ]);
});

test("an adopted container keeps its stream; of one that tells none, it stays the same", () => {
  const { logs, written, groups } = opened();
  logs.adopt(report("2026/11/29/[7]aa"));
  logs.platform(instance, one, version, "a\n");
  expect(written.at(-1)?.[2]).toBe("2026/11/29/[7]aa");
  expect(groups).toEqual(["000000000001 /aws/lambda/f f"]);

  const unknown = opened();
  unknown.logs.adopt(report());
  unknown.logs.platform(instance, one, version, "a\n");
  unknown.logs.instanceGone(instance);
  unknown.logs.write(instance, one, key, Buffer.from("late\n"));
  const streams = unknown.written.map(([, , stream]) => stream);
  expect(streams[0]).toMatch(/^2026\/11\/30\/\[7\][0-9a-f]{32}$/);
  expect(streams[1]).toBe(streams[0]);
});

test("an agent that joins again changes no stream", () => {
  const { logs, written } = opened();
  const stream = logs.begin(instance, one, version, "on-demand");
  logs.adopt(report("2026/11/29/[7]forged"));
  logs.platform(instance, one, version, "a\n");
  expect(written.at(-1)?.[2]).toBe(stream);
  logs.containerGone(instance, one);
  logs.platform(instance, one, version, "b\n");
  expect(written.at(-1)?.[2]).not.toBe(stream);
});

test("in a log group that is not the function's own, streams name the function", () => {
  const { logs, written, groups } = opened();
  const shared = { ...version, logGroup: "/my/group" };
  const stream = logs.begin(instance, one, shared, "on-demand");
  expect(stream).toMatch(/^2026\/11\/30\/f\[7\][0-9a-f]{32}$/);
  logs.write(instance, one, key, Buffer.from("one\n"));
  logs.platform(instance, two, shared, "late\n");
  expect(written).toEqual([
    ["000000000001", ":/my/group", stream, INIT_START],
    ["000000000001", ":/my/group", stream, "one\n"],
    ["000000000001", ":/my/group", expect.stringMatching(/^2026\/11\/30\/f\[7\]/), "late\n"],
  ]);
  expect(groups).toEqual(["000000000001 /my/group f"]);

  const stated = { ...version, logGroup: "/aws/lambda/f" };
  expect(logs.begin(instance, two, stated, "on-demand")).toMatch(/^2026\/11\/30\/\[7\]/);
  const others = { ...version, logGroup: "/aws/lambda/g" };
  expect(logs.begin(instance, two, others, "on-demand")).toMatch(/^2026\/11\/30\/f\[7\]/);
  expect(written.slice(-2).map(([, log]) => log)).toEqual(["f", "g"]);
});

test("an adopted container keeps its log group, and cannot write as another function", () => {
  const { logs, written, groups } = opened();
  logs.adopt(report("2026/11/29/f[7]aa", "/my/group"));
  logs.platform(instance, one, version, "a\n");
  expect(written).toEqual([["000000000001", ":/my/group", "2026/11/29/f[7]aa", "a\n"]]);
  expect(groups).toEqual(["000000000001 /my/group f"]);

  for (const logGroup of [undefined, "/my/group"]) {
    const forged = opened();
    forged.logs.adopt(report("2026/11/29/g[7]aa", logGroup));
    forged.logs.platform(instance, one, version, "a\n");
    expect(forged.written[0]?.[2]).toMatch(/^2026\/11\/30\/f?\[7\][0-9a-f]{32}$/);
  }
});
