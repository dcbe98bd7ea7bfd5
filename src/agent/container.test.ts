import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import type { ContainerId } from "../model/ids.ts";
import { UNMEASURED } from "../model/invocation.ts";
import { encodeFrame } from "../protocol/frame.ts";
import { Container } from "./container.ts";
import type { ContainerExit, ContainerHandle } from "./container-backend.ts";
import type { ContainerWorld } from "./container-world.ts";
import { FunctionLog } from "./function-log.ts";

const ID = "c-1" as ContainerId;
const LINK = { send() {}, beforeFlush() {}, isClogged: false, onceDrained() {} };

/** A container whose backend answers when, and as, the test says. */
function open(destroy: () => Promise<void>) {
  const created = Promise.withResolvers<ContainerHandle>();
  const exited = Promise.withResolvers<ContainerExit>();
  const channel = new PassThrough();
  const handle: ContainerHandle = {
    channel,
    channelFd: undefined,
    output: new PassThrough(),
    exited: exited.promise,
    taskRoot: "/var/task",
    optDir: "/var/empty",
    optRoot: "/opt",
    tmpDir: "/tmp",
    loopback: "127.0.0.1",
    hostUid: undefined,
    started() {},
    assign() {},
    limitCpu() {},
    freeze() {},
    thaw() {},
    beginUsage() {},
    readUsage: () => UNMEASURED,
    startExtensions: () => Promise.reject(new Error("no extensions here")),
    signalRuntime() {},
    destroy,
  };
  const isReady = Promise.withResolvers<void>();
  const gone: string[] = [];
  const world: ContainerWorld = {
    backend: { create: () => created.promise, watchPressure() {}, close: async () => {} },
    log() {},
    spareEndpoint: { take: (use) => use(undefined) },
    initMsMax: 10_000,
    initAheadMsMax: 10_000,
    freezeAfterMs: () => 1000,
    blankMemoryMiB: () => 128,
    onReady: () => isReady.resolve(),
    onResized() {},
    onPrewarmed() {},
    onBegun() {},
    onChunk() {},
    onFinished() {},
    onGone: (_, reason) => gone.push(reason),
  };
  const container = new Container(ID, "nodejs24.x", new FunctionLog(LINK, ID), world);
  return { container, created, exited, channel, handle, isReady: isReady.promise, gone };
}

describe("the end of a container", () => {
  test("is announced only when a start that was under way is undone", async () => {
    const destroyed: string[] = [];
    const { container, created, handle, gone } = open(async () => {
      destroyed.push("destroyed");
    });
    const end = container.destroy("not wanted");
    // Longer than the last output of a container is waited for.
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(gone).toEqual([]);
    created.resolve(handle);
    await end;
    expect([destroyed, gone]).toEqual([["destroyed"], ["not wanted"]]);
  });

  test("comes also when its process does not end although it was killed", async () => {
    const { created, exited, channel, handle, isReady, gone } = open(() => exited.promise.then(() => {}));
    created.resolve(handle);
    channel.push(encodeFrame({ kind: "blank" }));
    await isReady;
    exited.reject(new Error("does not end after SIGKILL"));
    await expect.poll(() => gone).toEqual(["exit: does not end after SIGKILL"]);
  });
});
