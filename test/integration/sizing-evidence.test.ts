import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AgentHarness } from "./agent-harness.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";

const MEBIBYTE = 1024 * 1024;

/** Does what its event says: MiB to hold, ms to compute, MiB to write to a file. */
const WORKER = `
  import { closeSync, openSync, readSync, writeSync } from "node:fs";
  const block = Buffer.alloc(${MEBIBYTE}, 1);
  export const handler = async ({ holdMiB = 0, computeMs = 0, writeMiB = 0, readTimes = 0 }, context) => {
    let held = holdMiB === 0 ? undefined : Buffer.alloc(holdMiB * ${MEBIBYTE}, 1);
    const end = performance.now() + computeMs;
    while (performance.now() < end);
    if (writeMiB > 0) {
      const file = openSync("/tmp/file", "w+");
      for (let n = 0; n < writeMiB; n += 1) writeSync(file, block);
      for (let time = 0; time < readTimes; time += 1) for (let n = 0; n < writeMiB; n += 1) readSync(file, block, 0, block.length, n * ${MEBIBYTE});
      closeSync(file);
    }
    held = undefined;
    return { memoryLimitInMB: context.memoryLimitInMB, variable: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE };
  };`;

describe("what an execution tells of itself", needsSandbox, () => {
  let harness: AgentHarness;

  beforeAll(async () => {
    harness = await AgentHarness.start("sandbox");
    await harness.launch(1024);
    // The kernel charges a file to whoever reads it first: a container of its own reads the image's.
    const first = await deploy({ memoryMiB: 256 });
    await first.run({ holdMiB: 1, writeMiB: 1 });
  });
  afterAll(() => harness.stop());

  const deploy = (size: { memoryMiB: number; cpuMilli?: number; requestedMemoryMiB?: number }) =>
    harness.deploy({ files: { "index.mjs": WORKER }, timeoutMs: 20_000, cpuMilli: 2000, ...size });

  test("memory that it held, file cache and time that it waited for memory are told apart", async () => {
    const worker = await deploy({ memoryMiB: 256 });
    const little = await worker.run({});
    expect(little).toMatchObject({ outcome: "ok", memoryLimitMiB: 256, cpuMilli: 2000, rescues: 0 });
    const holding = await worker.run({ holdMiB: 100 });
    expect(holding.memoryPeakBytes).toBeGreaterThan((little.memoryPeakBytes as number) + 80 * MEBIBYTE);
    expect(holding.cacheBytes).toBeLessThan(30 * MEBIBYTE);
    expect(holding.memoryStallUs).toBe(0);
    const writing = await worker.run({ writeMiB: 100 });
    expect(writing.cacheBytes).toBeGreaterThan(80 * MEBIBYTE);
    expect(writing.memoryPeakBytes).toBeLessThan((little.memoryPeakBytes as number) + 60 * MEBIBYTE);
    expect(writing.memoryStallUs).toBe(0);
    // More than fits: the limit drives out what is read again.
    const full = await worker.run({ holdMiB: 100, writeMiB: 350, readTimes: 3 });
    expect(full).toMatchObject({ outcome: "ok" });
    expect(full.memoryStallUs).toBeGreaterThan(0);
    expect(full.memoryPeakBytes).toBeLessThanOrEqual(256 * MEBIBYTE);
  });

  test("time that the CPU quota kept it from running is not its waiting", async () => {
    const worker = await deploy({ memoryMiB: 256, cpuMilli: 145 });
    await worker.run({ computeMs: 150 }); // Until its first execution's boost is over.
    const computing = await worker.run({ computeMs: 1000 });
    expect(computing).toMatchObject({ outcome: "ok", cpuMilli: 145 });
    expect(computing.throttledUs).toBeGreaterThan(150_000);
    expect(computing.cpuUs).toBeLessThan(400_000);
    const waiting = await worker.run({});
    expect(waiting.throttledUs).toBeLessThan(computing.throttledUs as number);
  });

  test("a function is told the size that its settings state, whatever its container has", async () => {
    const worker = await deploy({ memoryMiB: 160, requestedMemoryMiB: 1024 });
    const told = await worker.run({});
    expect(JSON.parse(told.payload)).toEqual({ memoryLimitInMB: "1024", variable: "1024" });
    expect(told.memoryLimitMiB).toBe(160);
  });
});
