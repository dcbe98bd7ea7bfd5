import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { InstanceId } from "../../src/model/ids.ts";
import type { Shape } from "../../src/model/instance.ts";
import { dataIdOf } from "../../src/provider/sandbox/data-id.ts";
import type { SandboxOptions } from "../../src/provider/sandbox/sandbox-options.ts";
import { createSandboxProvider, type Sandbox } from "../../src/provider/sandbox/sandbox-provider.ts";
import { LocalWorld } from "./provider-world.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";

const IN_TIME = { timeout: 30_000, interval: 50 };
const MEBIBYTE = 1024 * 1024;
const HOST: Shape = { memoryMiB: 2048, cpuMilli: 1500 };
const SMALL: Shape = { memoryMiB: 768, cpuMilli: 500 };
const LARGE: Shape = { memoryMiB: 1280, cpuMilli: 1500 };

describe("instances of several sizes on one host", needsSandbox, () => {
  let world: LocalWorld;
  let sandbox: Sandbox;
  let options: Partial<SandboxOptions>;

  beforeEach(async () => {
    options = { capacity: () => HOST };
    world = await LocalWorld.open(async (parts) => {
      sandbox = await createSandboxProvider({
        ...parts,
        network: false,
        log: { info() {}, warn() {} },
        ...options,
      });
      return sandbox;
    });
  });

  afterEach(async () => {
    for (const instanceId of await sandbox.list()) await sandbox.terminate(instanceId);
    await sandbox.close();
    await world.close();
  });

  async function launch(shape: Shape): Promise<InstanceId> {
    const instanceId = `i-${randomUUID()}` as InstanceId;
    const offerId = sandbox.offers()[0]?.id as NonNullable<ReturnType<Sandbox["offers"]>[0]>["id"];
    const { serverSocketPath } = world;
    const what = { instanceId, offerId, subPool: "fixed", shape } as const;
    await sandbox.launch({ ...what, bidUsdPerHour: undefined, serverSocketPath, token: "secret" });
    await world.joined(instanceId);
    return instanceId;
  }

  test("are held to their size by the kernel, each to its own", async () => {
    await world.open();
    const [small, large] = [await launch(SMALL), await launch(LARGE)];
    const dataId = dataIdOf(world.dataDir);
    expect(limitsOf(`/hearth-${dataId}/${small}/containers`)).toEqual(SMALL);
    expect(limitsOf(`/hearth-${dataId}/${large}/containers`)).toEqual(LARGE);
  });

  test("take together no more memory than there is; what ends makes room", async () => {
    await world.open();
    const [small] = [await launch(SMALL), await launch(LARGE)];
    const tiny = { memoryMiB: 128, cpuMilli: 100 };
    await expect(launch(tiny)).rejects.toMatchObject({ code: "INSUFFICIENT_CAPACITY" });
    await sandbox.terminate(small);
    await expect(launch(LARGE)).rejects.toMatchObject({ code: "INSUFFICIENT_CAPACITY" });
    await launch(SMALL);
  });

  test("are counted also while they are being made", async () => {
    await world.open();
    const both = await Promise.allSettled([launch(LARGE), launch(LARGE)]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  });

  test("count for the next server as well, which knows their sizes", async () => {
    await world.open();
    const instanceId = await launch(LARGE);
    await world.open();
    expect(sandbox.instances()).toMatchObject([{ instanceId, shape: LARGE }]);
    await expect(launch(LARGE)).rejects.toMatchObject({ code: "INSUFFICIENT_CAPACITY" });
    await launch(SMALL);
  });

  test("may be promised more than there is only where that was asked for", async () => {
    options = { ...options, overcommit: 1.5 };
    await world.open();
    expect(sandbox.offers()[0]?.capacity).toEqual({ memoryMiB: 3072, cpuMilli: 1500 });
    await launch(LARGE);
    await launch(LARGE);
    await expect(launch(SMALL)).rejects.toMatchObject({ code: "INSUFFICIENT_CAPACITY" });
  });

  test("tell what they use, and what the host still owes them", async () => {
    await world.open();
    expect(sandbox.owedMiB()).toBe(HOST.memoryMiB);
    await launch(LARGE);
    // An agent is a Node.js process: some tens of MiB, and some of a second of work.
    await expect.poll(() => sandbox.instances()[0]?.usedMiB, IN_TIME).toBeGreaterThan(20);
    expect(sandbox.totals().cpuUs).toBeGreaterThan(10_000);
    expect(sandbox.owedMiB()).toBeLessThan(HOST.memoryMiB - 20);
    expect(sandbox.owedMiB()).toBeGreaterThan(HOST.memoryMiB - LARGE.memoryMiB);
  });

  test("yield the processors where they are told to", async () => {
    options = { ...options, cpuWeight: 10 };
    await world.open();
    await launch(SMALL);
    expect(weightOf(`/hearth-${dataIdOf(world.dataDir)}`)).toBe(10);
  });
});

const isV1 = existsSync("/sys/fs/cgroup/memory");
const read = (controller: string, group: string, file: string) =>
  readFileSync(join("/sys/fs/cgroup", isV1 ? controller : "", group, file), "utf8").trim();

/** As the kernel keeps them. */
function limitsOf(group: string): Shape {
  const memoryBytes = Number(read("memory", group, isV1 ? "memory.limit_in_bytes" : "memory.max"));
  const [quotaUs, periodUs] = isV1
    ? [read("cpu", group, "cpu.cfs_quota_us"), read("cpu", group, "cpu.cfs_period_us")]
    : read("cpu", group, "cpu.max").split(" ");
  return { memoryMiB: memoryBytes / MEBIBYTE, cpuMilli: (1000 * Number(quotaUs)) / Number(periodUs) };
}

/** Of the usual 100. */
function weightOf(group: string): number {
  return isV1
    ? Math.round((Number(read("cpu", group, "cpu.shares")) * 100) / 1024)
    : Number(read("cpu", group, "cpu.weight"));
}
