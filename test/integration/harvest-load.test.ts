import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { availableMemoryMiB, totalMemoryMiB } from "../../src/host/host-resources.ts";
import { readPressure } from "../../src/host/pressure.ts";
import type { Offer } from "../../src/model/capacity.ts";
import type { InstanceId } from "../../src/model/ids.ts";
import type { CapacityProvider } from "../../src/ports/capacity-provider.ts";
import { systemClock } from "../../src/ports/clock.ts";
import { createHarvestProvider } from "../../src/provider/harvest/harvest-provider.ts";
import type { HarvestSettings } from "../../src/provider/harvest/harvest-settings.ts";
import { LocalWorld } from "./provider-world.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";

/** Others may use this machine too, so nothing here is fast for sure. */
const IN_TIME = { timeout: 240_000, interval: 100 };
const TEST_MS = 600_000;

const SHAPE = { memoryMiB: 1024, cpuMilli: 600 };
/** Spare beyond the reserve before the load comes; what the load takes of it; what the host has at the least then. */
const SPARE_MIB = 4096;
const LOAD_MIB = 4608;
const LEFT_MIB = 4096;

/** The processors' part of a reserve, where they shall not count: only what a test is about can make it happen. */
const NO_LIMIT = { cpuMilli: -100_000 };
const PRESSURE_DISREGARDED = { cpuPressureMax: 2, memoryPressureMax: 2 };

const TOUCH = (mebibytes: number) => `
  const blocks = [];
  for (let at = 0; at < ${mebibytes}; at += 64) blocks.push(Buffer.alloc(64 * 1024 * 1024, 1));
  console.log("taken");
  setInterval(() => blocks.length, 1000);`;
const SPIN = `console.log("taken"); for (;;);`;

describe("spare capacity of a host that gets busy", needsSandbox, () => {
  let world: LocalWorld;
  let provider: CapacityProvider;
  let settings: Partial<HarvestSettings>;
  let told: string[];
  let deadlines: { readonly deadlineMs: number; readonly toldMs: number }[];
  const loads: ChildProcess[] = [];

  beforeEach(async () => {
    world = await LocalWorld.open((parts) => {
      const log = { info() {}, warn() {} };
      return createHarvestProvider({ ...parts, network: false, log, clock: systemClock, owedMiB: () => 0, settings });
    });
  }, TEST_MS);

  afterEach(async () => {
    await stopLoads();
    for (const instanceId of await provider.list()) await provider.terminate(instanceId);
    await provider.close();
    expect(await world.traces()).toEqual([]);
    await world.close();
  }, TEST_MS);

  async function open(changes: Partial<HarvestSettings>): Promise<void> {
    settings = { calmMs: 3000, pressedMs: 2000, noticeMs: 6000, noticeMsMin: 1000, shape: SHAPE, ...changes };
    provider = await world.open();
    const heard: string[] = [];
    told = heard;
    deadlines = [];
    provider.watch({
      onOffers: ([changed]) => heard.push(changed?.isAvailable ? "offered" : "withdrawn"),
      onAtRisk: () => heard.push("at risk"),
      onReclaim: (_, deadlineMs) => {
        heard.push("noticed");
        deadlines.push({ deadlineMs, toldMs: systemClock.monotonicMs() });
      },
      onExit: (_, reason) => heard.push(`ended: ${reason}`),
    });
  }

  const offer = () => provider.offers()[0] as Offer;

  /** On capacity that is offered; resolves when its agent has joined. */
  async function launch(): Promise<InstanceId> {
    const offeredMiB = () => (offer().isAvailable ? offer().capacity?.memoryMiB : 0);
    await expect.poll(offeredMiB, IN_TIME).toBeGreaterThanOrEqual(SHAPE.memoryMiB);
    const instanceId = `i-${randomUUID()}` as InstanceId;
    const { serverSocketPath } = world;
    const what = { instanceId, offerId: offer().id, subPool: "variable", shape: SHAPE } as const;
    await provider.launch({ ...what, bidUsdPerHour: undefined, serverSocketPath, token: "secret" });
    expect(await world.joined(instanceId)).toMatchObject(what);
    return instanceId;
  }

  async function load(program: string): Promise<void> {
    const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
    loads.push(child);
    await once(child.stdout, "data");
  }

  async function stopLoads(): Promise<void> {
    for (const child of loads.splice(0)) {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    }
  }

  async function expectNoticedAndEnded(instanceId: InstanceId): Promise<void> {
    await expect.poll(() => told, IN_TIME).toContain("noticed");
    expect(told).toContain("withdrawn");
    expect(world.isJoined(instanceId)).toBe(true);
    await expect.poll(() => told, IN_TIME).toContainEqual("ended: it was given back to the host: its notice was up");
    expect(systemClock.monotonicMs()).toBeGreaterThanOrEqual(deadlines.at(-1)?.deadlineMs ?? Infinity);
    await expect.poll(() => provider.list(), IN_TIME).toEqual([]);
    expect(world.isJoined(instanceId)).toBe(false);
  }

  const memoryReserve = (): Partial<HarvestSettings> => {
    const memoryMiB = availableMemoryMiB() - SPARE_MIB;
    return {
      ...PRESSURE_DISREGARDED,
      reserve: { memoryMiB, ...NO_LIMIT },
      floor: { memoryMiB: memoryMiB - 256, ...NO_LIMIT },
    };
  };

  test("memory: offered, lent, taken back with notice, and offered again", { timeout: TEST_MS }, async () => {
    expect(availableMemoryMiB(), "the machine survives the load").toBeGreaterThan(LOAD_MIB + LEFT_MIB);
    await open(memoryReserve());
    expect(offer().isAvailable).toBe(false);
    // Who needs more than this need not wait for it; who needs less may, though nothing is lent yet.
    expect(offer().capacity?.memoryMiB).toBeGreaterThan(SPARE_MIB);
    const instanceId = await launch();
    // The notice comes while memory is taken, which takes longer than the notice on some machines.
    const taken = load(TOUCH(LOAD_MIB));
    await expectNoticedAndEnded(instanceId);
    await taken;
    // What is published is at most one step old.
    expect(offer().demandLevel).toBeGreaterThan(LOAD_MIB / totalMemoryMiB() - 0.06);
    for (const { deadlineMs, toldMs } of deadlines) expect(deadlineMs).toBeGreaterThan(toldMs);
    const toldBefore = told.length;
    await stopLoads();
    await expect.poll(() => told.slice(toldBefore), IN_TIME).toContain("offered");
    await launch();
  });

  test("processors: likewise", { timeout: TEST_MS }, async () => {
    const processors = availableParallelism();
    // What was promised is missing when others keep nine tenths of every processor busy.
    const spareCpuMilli = SHAPE.cpuMilli - 100 * processors;
    await open({
      ...PRESSURE_DISREGARDED,
      reserve: { memoryMiB: 256, cpuMilli: -100_000 },
      floor: { memoryMiB: 0, cpuMilli: -Math.max(0, spareCpuMilli) },
    });
    const instanceId = await launch();
    for (let at = 0; at < processors; at++) await load(SPIN);
    await expectNoticedAndEnded(instanceId);
    if (readPressure() !== undefined) expect(offer().demandLevel).toBeGreaterThan(0.5);
    await stopLoads();
    await launch();
  });

  test("an instance of an earlier server is taken back as well", { timeout: TEST_MS }, async () => {
    // The earlier server, as if it were gone: nothing could make this one take anything back.
    await open({
      ...PRESSURE_DISREGARDED,
      reserve: { memoryMiB: 256, ...NO_LIMIT },
      floor: { memoryMiB: 0, ...NO_LIMIT },
    });
    const instanceId = await launch();
    await open(memoryReserve());
    expect(await provider.list()).toEqual([instanceId]);
    // The notice comes while memory is taken, which takes longer than the notice on some machines.
    const taken = load(TOUCH(LOAD_MIB));
    await expectNoticedAndEnded(instanceId);
    await taken;
  });
});
