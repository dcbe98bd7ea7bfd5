import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { skipUnless } from "../../test/skip.ts";
import { HostMeter, MovingRate, readPressure } from "./pressure.ts";

const CPU = "some avg10=12.50 avg60=1.00 avg300=0.10 total=7658952\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
const MEMORY = "some avg10=6.25 avg60=1.7 avg300=1.5 total=3\nfull avg10=2.25 avg60=0.00 avg300=0.00 total=2027668\n";

describe("a host", () => {
  let procDir: string;
  const write = (name: string, text: string) => writeFileSync(join(procDir, name), text);

  beforeEach(() => {
    procDir = mkdtempSync(join(tmpdir(), "hearth-proc-"));
    mkdirSync(join(procDir, "pressure"));
    write("pressure/cpu", CPU);
    write("pressure/memory", MEMORY);
    write("loadavg", `${availableParallelism() * 1.5} 0.3 1.1 2/345 678\n`);
  });
  afterEach(() => rmSync(procDir, { recursive: true }));

  test("tells its pressure as parts of time", () => {
    expect(readPressure(procDir)).toEqual({ cpuSome: 0.125, memorySome: 0.0625, memoryFull: 0.0225 });
  });

  test("may keep none of it", () => {
    rmSync(join(procDir, "pressure"), { recursive: true });
    expect(readPressure(procDir)).toBeUndefined();
  });

  test("of a kernel before 5.13, which knows no full stall of processors, is understood", () => {
    write("pressure/cpu", CPU.split("\n")[0] ?? "");
    expect(readPressure(procDir)?.cpuSome).toBe(0.125);
  });

  test("is as busy as its processors worked; waiting for disks is not work, guests are not counted twice", () => {
    const meter = new HostMeter(procDir);
    write("stat", "cpu  1000 0 500 90000 300 0 0 0 700 0\ncpu0 1 2 3\n");
    expect(meter.read(50_000).cpuBusyMilli).toBe(0);
    write("stat", "cpu  1030 5 510 90700 900 1 2 2 900 0\ncpu0 1 2 3\n");
    expect(meter.read(51_000)).toMatchObject({ cpuBusyMilli: 500, loadPerCore: 1.5 });
    // More than there is cannot have been used: a clock that runs unevenly.
    write("stat", "cpu  99999 5 510 90700 900 1 2 2 900 0\n");
    expect(meter.read(52_000).cpuBusyMilli).toBe(availableParallelism() * 1000);
  });

  test("this one, as its kernel tells of it", skipUnless(process.platform === "linux", "needs Linux"), () => {
    const load = new HostMeter().read(1);
    expect(load.memoryAvailableMiB).toBeGreaterThan(0);
    expect(load.memoryAvailableMiB).toBeLessThanOrEqual(load.memoryTotalMiB);
    expect(load.loadPerCore).toBeGreaterThanOrEqual(0);
  });
});

describe("a moving rate", () => {
  test("follows its window, and forgets what came before", () => {
    const rate = new MovingRate(10);
    expect(rate.add(0, 100)).toBe(0);
    expect(rate.add(0, 100)).toBe(0);
    expect(rate.add(5, 150)).toBe(10);
    expect(rate.add(10, 150)).toBe(5);
    expect(rate.add(15, 150)).toBe(0);
    expect(rate.add(100, 1000)).toBe(0);
    expect(rate.add(110, 900)).toBe(0); // A counter that began anew.
  });
});
