import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AgentHarness, type DeployedFunction } from "./agent-harness.ts";
import { SandboxHost } from "./sandbox-fixture/host.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";

const MEBIBYTE = 1024 * 1024;
/** A function that waits at its limit for nobody would be ended by this. */
const TIMEOUT_MS = 30_000;
const AT_ONCE_MS = TIMEOUT_MS / 3;

/** Holds so many MiB for a moment: taken block by block, or at once. */
const SPIKE = `
  export const handler = async ({ blocksMiB = 0, atOnceMiB = 0 }) => {
    let held = [];
    for (let n = 0; n < blocksMiB; n += 8) {
      held.push(Buffer.alloc(8 * ${MEBIBYTE}, 1));
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (atOnceMiB > 0) held.push(Buffer.alloc(atOnceMiB * ${MEBIBYTE}, 1));
    const heldMiB = held.reduce((sum, { length }) => sum + length, 0) / ${MEBIBYTE};
    held = undefined;
    return heldMiB;
  };`;

describe("a container that needs more memory than its limit", needsSandbox, () => {
  let harness: AgentHarness;

  beforeAll(async () => {
    harness = await AgentHarness.start("sandbox");
    await harness.launch(1536);
  });
  afterAll(() => harness.stop());

  const deploy = (rescueMemoryMiB: number, memoryMiB = 128) =>
    harness.deploy({
      files: { "index.mjs": SPIKE },
      timeoutMs: TIMEOUT_MS,
      cpuMilli: 2000,
      memoryMiB,
      rescueMemoryMiB,
    });

  async function destroy({ containerId }: DeployedFunction): Promise<void> {
    harness.send({ kind: "destroyContainer", containerId });
    await harness.next("containerGone", (gone) => gone.containerId === containerId);
  }

  const resized = ({ containerId }: DeployedFunction) =>
    harness.next("containerResized", (message) => message.containerId === containerId);

  test("has its limit raised while it runs, and answers; it keeps the limit", async () => {
    const spike = await deploy(1024);
    expect(await spike.run({})).toMatchObject({ outcome: "ok", memoryLimitMiB: 128, rescues: 0 });
    const rescued = await spike.run({ blocksMiB: 200 });
    expect(rescued).toMatchObject({ outcome: "ok", payload: "200" });
    expect(rescued.rescues).toBeGreaterThan(0);
    expect(rescued.memoryLimitMiB).toBeGreaterThan(230);
    expect(rescued.memoryPeakBytes).toBeGreaterThan(200 * MEBIBYTE);
    let told = 0;
    for (let n = 0; n < (rescued.rescues as number); n += 1) told = (await resized(spike)).memoryMiB;
    expect(told).toBe(rescued.memoryLimitMiB);
    expect(await spike.run({})).toMatchObject({ outcome: "ok", memoryLimitMiB: told, rescues: 0 });
    await harness.vanish();
    await harness.listen();
    const { containers } = await harness.next("hello");
    expect(containers).toMatchObject([{ state: "idle", containerId: spike.containerId, memoryMiB: told }]);
    await destroy(spike);
  });

  test("is rescued also when it takes it at once", async () => {
    const spike = await deploy(1024);
    expect(await spike.run({ atOnceMiB: 400 })).toMatchObject({ outcome: "ok", payload: "400" });
    await destroy(spike);
  });

  test("loses nothing in fifty spikes", async () => {
    let rescues = 0;
    for (let n = 0; n < 10; n += 1) {
      const spike = await deploy(1200, 100);
      for (const atOnceMiB of [60, 110, 170, 240, 320]) {
        const done = await spike.run({ atOnceMiB });
        expect(done).toMatchObject({ outcome: "ok", payload: String(atOnceMiB) });
        rescues += done.rescues as number;
      }
      await destroy(spike);
    }
    expect(rescues).toBeGreaterThanOrEqual(30);
  }, 180_000);

  test("is killed at what the server allows, at once", async () => {
    const spike = await deploy(192);
    const beganMs = performance.now();
    const killed = await spike.run({ atOnceMiB: 400 });
    expect(killed).toMatchObject({ outcome: "outOfMemory", exit: "signal: killed", memoryLimitMiB: 192, rescues: 1 });
    expect(performance.now() - beganMs).toBeLessThan(AT_ONCE_MS);
    await spike.gone();
  });
});

describe("an instance without room", needsSandbox, () => {
  let harness: AgentHarness;

  beforeAll(async () => {
    harness = await AgentHarness.start("sandbox");
    await harness.launch(224);
  });
  afterAll(() => harness.stop());

  test("lets a container be killed that needs more, and says so at once", async () => {
    const files = { "index.mjs": SPIKE };
    const spike = await harness.deploy({
      files,
      timeoutMs: TIMEOUT_MS,
      cpuMilli: 2000,
      memoryMiB: 160,
      rescueMemoryMiB: 512,
    });
    const beganMs = performance.now();
    const killed = await spike.run({ atOnceMiB: 400 });
    expect(killed).toMatchObject({ outcome: "outOfMemory", exit: "signal: killed" });
    expect(performance.now() - beganMs).toBeLessThan(AT_ONCE_MS);
    await spike.gone();
  });
});

describe("an agent", needsSandbox, () => {
  test("holds nothing of a container that was rescued and is gone", async () => {
    const host = new SandboxHost();
    const codeDir = mkdtempSync(join(tmpdir(), "hearth-code-"));
    try {
      await host.open();
      const instance = await host.launch("i-1");
      const spikeIn = async (containerId: string) => {
        await instance.create(containerId, 128);
        await instance.assign(containerId, codeDir, { memoryMiB: 128, rescueMemoryMiB: 512 });
        await instance.evaluate(containerId, `globalThis.held = Buffer.alloc(${200 * MEBIBYTE}, 1);`);
        const { rescues, memoryLimitMiB } = await instance.order("readUsage", { containerId });
        expect(rescues).toBeGreaterThan(0);
        expect(memoryLimitMiB).toBeGreaterThan(200);
        await instance.destroy(containerId);
      };
      await spikeIn("first"); // Starts what is there for all of them.
      const before = await instance.order("held");
      for (const containerId of ["second", "third"]) await spikeIn(containerId);
      await expect.poll(() => instance.order("held")).toEqual(before);
    } finally {
      await host.close();
      rmSync(codeDir, { recursive: true });
    }
  });
});
