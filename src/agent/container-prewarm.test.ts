import { duplexPair } from "node:stream";
import { setTimeout } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import type { ContainerId, FunctionKey, InvocationId, LeaseId } from "../model/ids.ts";
import { UNMEASURED } from "../model/invocation.ts";
import type { Assignment } from "../protocol/agent-protocol.ts";
import { encodeFrame, FrameDecoder } from "../protocol/frame.ts";
import type { RuntimeOrder } from "../protocol/runtime-protocol.ts";
import { Container } from "./container.ts";
import type { ContainerExit, ContainerHandle } from "./container-backend.ts";
import type { ContainerWorld } from "./container-world.ts";
import { FunctionLog } from "./function-log.ts";
import type { RunOrder } from "./run-result.ts";

const ID = "c-1" as ContainerId;
const KEY = "000000000000/f" as FunctionKey;
const ASSIGNMENT: Assignment = {
  functionKey: KEY,
  accountId: "000000000000",
  functionName: "f",
  version: "$LATEST",
  functionArn: "arn:aws:lambda:eu-west-1:000000000000:function:f",
  handler: "index.handler",
  codeDir: "/code",
  codeSha256Hex: "00",
  environment: {},
  memoryMiB: 256,
  cpuMilli: 145,
  timeoutMs: 60_000,
  ephemeralStorageMiB: 512,
  region: "eu-west-1",
};
const RUN: RunOrder = {
  kind: "run",
  containerId: ID,
  leaseId: "l-1" as LeaseId,
  invocationId: "r-1" as InvocationId,
  invokedArn: ASSIGNMENT.functionArn,
  retries: 0,
  keepResult: false,
};
const NO_PAYLOAD = Buffer.alloc(0);
const ANSWER = { kind: "result", requestId: RUN.invocationId, cpuUs: 1, memoryBytes: 1 };

const ended: Container[] = [];
afterEach(async () => {
  for (const container of ended.splice(0)) await container.destroy("the test is over");
});

/** A container whose runtime is the test: it hears the agent's orders and says what it likes. */
function open({ initMsMax = 60_000, initAheadMsMax = 60_000, mayAssign = true } = {}) {
  const created = Promise.withResolvers<ContainerHandle>();
  const exited = Promise.withResolvers<ContainerExit>();
  const [channel, runtime] = duplexPair();
  const [output] = duplexPair();
  /** What became of the container and what was asked of it, in order. */
  const story: string[] = [];
  const log: string[] = [];
  const handle: ContainerHandle = {
    channel,
    channelFd: undefined,
    output,
    exited: exited.promise,
    taskRoot: "/var/task",
    optDir: "/var/empty",
    optRoot: "/opt",
    tmpDir: "/tmp",
    loopback: "127.0.0.1",
    hostUid: undefined,
    started() {},
    assign() {
      if (!mayAssign) throw new Error("no such folder");
    },
    limitCpu: () => story.push("limitCpu"),
    freeze: () => story.push("freeze"),
    thaw: () => story.push("thaw"),
    beginUsage() {},
    readUsage: () => UNMEASURED,
    startExtensions: () => Promise.reject(new Error("no extensions here")),
    signalRuntime() {},
    async destroy() {
      output.destroy();
    },
  };
  const world: ContainerWorld = {
    backend: { create: () => created.promise, watchPressure() {}, close: async () => {} },
    log() {},
    spareEndpoint: { take: (use) => use(undefined) },
    initMsMax,
    initAheadMsMax,
    freezeAfterMs: () => 1,
    blankMemoryMiB: () => 128,
    onReady: () => story.push("ready"),
    onResized() {},
    onPrewarmed: (_, initUs) => story.push(initUs >= 0 ? "prewarmed" : `prewarmed in ${initUs} µs`),
    onBegun() {},
    onChunk() {},
    onFinished: ({ invocationId }, { outcome, initUs }) =>
      story.push(`${invocationId}: ${outcome}, ${initUs === undefined ? "warm" : "with init"}`),
    onGone: (_, reason) => story.push(`gone: ${reason}`),
  };
  const link = {
    send: (_: unknown, text: Buffer) => log.push(text.toString()),
    beforeFlush() {},
    isClogged: false,
    onceDrained() {},
  } as unknown as ConstructorParameters<typeof FunctionLog>[0];
  const decoder = new FrameDecoder();
  const orders: RuntimeOrder[] = [];
  runtime.on("data", (bytes: Buffer) => decoder.push(bytes, (order) => orders.push(order as RuntimeOrder)));
  const container = new Container(ID, "nodejs24.x", new FunctionLog(link, ID), world);
  ended.push(container);
  return {
    container,
    story,
    log,
    exit: () => exited.resolve({ status: 1, signal: undefined, isOutOfMemory: false, isCrowdedOut: false }),
    create: () => created.resolve(handle),
    say: (message: object, payload = "") => runtime.write(encodeFrame(message, Buffer.from(payload))),
    heard: (kind: RuntimeOrder["kind"]) =>
      expect
        .poll(() => orders.find((order) => order.kind === kind), { timeout: 5000 })
        .toBeDefined()
        .then(() => orders.find((order) => order.kind === kind) as RuntimeOrder),
    heardTwice: (kind: RuntimeOrder["kind"]) =>
      expect.poll(() => orders.filter((order) => order.kind === kind).length, { timeout: 5000 }).toBe(2),
    told: (text: string) => expect.poll(() => story, { timeout: 5000 }).toContain(text),
  };
}

async function openBlank(options: Parameters<typeof open>[0] = {}) {
  const bench = open(options);
  bench.create();
  bench.say({ kind: "blank" });
  await bench.told("ready");
  return bench;
}

async function openPrewarming(options: Parameters<typeof open>[0] = {}, assignment: Partial<Assignment> = {}) {
  const bench = await openBlank(options);
  bench.container.prewarm({ ...ASSIGNMENT, ...assignment });
  const init = await bench.heard("init");
  expect(init).toMatchObject({ environment: { AWS_LAMBDA_INITIALIZATION_TYPE: "provisioned-concurrency" } });
  return bench;
}

const IDLE = {
  cpuMilli: ASSIGNMENT.cpuMilli,
  state: "idle",
  containerId: ID,
  runtime: "nodejs24.x",
  functionKey: KEY,
  memoryMiB: 256,
  isInitializedAhead: true,
};

describe("a prewarm", () => {
  test("ends in a frozen container, which its first run thaws; only then is its CPU limited", async () => {
    const { container, say, told, heard, story } = await openPrewarming();
    say({ kind: "initDone", initUs: 5 });
    await told("freeze");
    expect(story).toEqual(["ready", "prewarmed", "freeze"]);
    container.run(RUN, NO_PAYLOAD);
    await heard("invoke");
    say(ANSWER, "null");
    await told("r-1: ok, warm");
    await told("limitCpu");
    expect(story.slice(0, 4)).toEqual(["ready", "prewarmed", "freeze", "thaw"]);
  });

  test("that a server hears of as idle when it joins is not told again", async () => {
    const { container, say, told, story } = await openPrewarming();
    expect(container.report()).toEqual(IDLE);
    say({ kind: "initDone", initUs: 5 });
    await told("freeze");
    expect(story).toEqual(["ready", "freeze"]);
  });

  test("that a run overtakes is that run's init", async () => {
    const { container, say, told, heard, story } = await openPrewarming();
    container.run(RUN, NO_PAYLOAD);
    expect(container.report()).toMatchObject({ state: "running", invocationId: RUN.invocationId, functionKey: KEY });
    say({ kind: "initDone", initUs: 5 });
    await heard("invoke");
    say(ANSWER, "null");
    await told("r-1: ok, with init");
    await told("limitCpu");
    expect(story.slice(0, 2)).toEqual(["ready", "r-1: ok, with init"]);
  });

  test("that a run overtakes and that fails is repeated, and then answered to the run", async () => {
    const { container, say, told, log, heardTwice } = await openPrewarming();
    container.run(RUN, NO_PAYLOAD);
    say({ kind: "initError" }, '{"errorType":"E"}');
    await expect.poll(() => log.join("")).toMatch(/^INIT_REPORT .*Phase: init\tStatus: error\tError Type: E\n$/);
    await new Promise(setImmediate); // The second body is there.
    say({ kind: "blank" });
    await heardTwice("init");
    say({ kind: "initError" }, '{"errorType":"E"}');
    await told("gone: the function's init failed");
    await told("r-1: initError, warm");
  });

  test("ordered before the container is blank begins when it is", async () => {
    const { container, create, say, told, heard, story } = open();
    expect(container.report()).toMatchObject({ state: "blank" });
    container.prewarm(ASSIGNMENT);
    create();
    say({ kind: "blank" });
    await heard("init");
    say({ kind: "initDone", initUs: 5 });
    await told("prewarmed");
    expect(story).not.toContain("ready");
  });

  test("ordered before the container is blank gives way to a run that comes as early", async () => {
    const { container, create, say, told, heard } = open();
    container.report();
    container.prewarm(ASSIGNMENT);
    expect(container.report()).toEqual(IDLE);
    container.run(RUN, NO_PAYLOAD);
    create();
    say({ kind: "blank" });
    expect(await heard("init")).toMatchObject({ environment: { AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand" } });
    say({ kind: "initDone", initUs: 5 });
    await heard("invoke");
    say(ANSWER, "null");
    await told("r-1: ok, with init");
  });

  test("of a container that holds a function or is about to is refused", async () => {
    const { container } = await openPrewarming();
    expect(() => container.prewarm(ASSIGNMENT)).toThrow("which is prewarming");
    expect(() => container.run({ ...RUN, assignment: ASSIGNMENT }, NO_PAYLOAD)).toThrow("which is prewarming");
    container.run(RUN, NO_PAYLOAD);
    expect(() => container.prewarm(ASSIGNMENT)).toThrow("which is initialising");
    expect(() => container.run(RUN, NO_PAYLOAD)).toThrow("which is initialising");
  });
});

describe("the end of a prewarm that fails", () => {
  const report = (status: string) => expect.stringMatching(new RegExp(`^INIT_REPORT .*\tStatus: ${status}\n$`));

  test("by an init over its limit, which is at least the function's own", async () => {
    const { told, log, story } = await openPrewarming({ initMsMax: 1, initAheadMsMax: 2 }, { timeoutMs: 20 });
    await told("gone: init over 20 ms");
    expect([log, story.length]).toEqual([[report("timeout")], 2]);
  });

  test("not by the limit of an init that a run waits for, which holds once one overtakes it", async () => {
    const { container, say, told, log, heard, heardTwice, story } = await openPrewarming({ initMsMax: 20 });
    await setTimeout(60);
    expect(story).toEqual(["ready"]);
    container.run(RUN, NO_PAYLOAD);
    await expect.poll(() => log.join("")).toMatch(/^INIT_REPORT .*Phase: init\tStatus: timeout\n$/);
    await new Promise(setImmediate); // The second body is there.
    say({ kind: "blank" });
    await heardTwice("init");
    say({ kind: "initDone", initUs: 5 });
    await heard("invoke");
    say(ANSWER, "null");
    await told("r-1: ok, warm");
  });

  test("by an error", async () => {
    const { say, told, log } = await openPrewarming();
    say({ kind: "log" }, "why\n");
    say({ kind: "initError" }, '{"errorType":"Runtime.ImportModuleError"}');
    await told("gone: the function's init failed");
    expect(log.join("")).toMatch(/^why\nINIT_REPORT .*\tStatus: error\tError Type: Runtime.ImportModuleError\n$/);
  });

  test("by its exit", async () => {
    const { exit, told, log } = await openPrewarming();
    exit();
    await told("gone: exited: exit status 1");
    expect(log).toEqual([report("error\tError Type: Runtime.ExitError")]);
  });

  test.each([{ kind: "blank" }, ANSWER, { kind: "dance" }])("by the message %j", async (message) => {
    const { say, log, container, story } = await openPrewarming();
    say(message);
    await expect.poll(() => story.length, { timeout: 5000 }).toBe(2);
    expect(log).toEqual([report("error\tError Type: Runtime.ExitError")]);
    expect(container.report()).toBeUndefined();
  });

  test("by the host is not the function's", async () => {
    const { container, told, log } = await openBlank({ mayAssign: false });
    container.prewarm(ASSIGNMENT);
    await told("gone: assign: no such folder");
    expect(log).toEqual([]);
  });

  test("by destruction leaves nothing to adopt, and what comes too late is told so", async () => {
    const { container, say, log, story } = await openPrewarming();
    const end = container.destroy("not needed");
    expect(container.report()).toBeUndefined();
    say({ kind: "initDone", initUs: 5 });
    container.prewarm(ASSIGNMENT);
    container.run(RUN, NO_PAYLOAD);
    await end;
    expect(story).toEqual(["ready", "r-1: agentFault, warm", "gone: not needed"]);
    expect(log).toEqual([]);
  });
});
