import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Cgroup } from "./cgroup.ts";
import { type CgroupHost, detectCgroups } from "./cgroup-host.ts";
import { pageBytes } from "./libc.ts";

const MEBIBYTE = 1024 * 1024;

/** What differs between the versions, as files below the root of the tree. */
type Flavour = {
  readonly mounts: (root: string) => string;
  readonly files: Readonly<Record<string, string>>;
  readonly memoryLimit: string;
  readonly cpuLimit: readonly [path: string, text: string];
  readonly pidsLimit: string;
  readonly cpuWeight: readonly [path: string, ofTen: string];
  readonly memoryUsed: string;
  readonly peak: string;
  readonly cpu: readonly [path: string, textOf: (us: number) => string];
  readonly stat: string;
  /** Of the quota, and of time that something waited for memory. */
  readonly throttled: readonly [path: string, textOf: (cpuUs: number, throttledUs: number) => string];
  readonly trouble: readonly [path: string, textOf: (count: number) => string];
  readonly freezer: readonly [path: string, frozen: string, thawed: string];
  readonly oom: readonly [path: string, textOf: (kills: number) => string];
};

const GROUP = "/hearth-ab/i-1";
const limits = (memoryLimitMiB: number, cpuMilli = 30) => ({ memoryLimitMiB, cpuMilli });
/** Version 1 tells the group's own pages first, then those of the groups below too; the latter count. */
const fileCache = (bytes: number, prefix: string) =>
  `${prefix === "" ? "" : "inactive_file 7\n"}${prefix}inactive_file ${bytes / 2}\n${prefix}active_file ${bytes / 2}\n`;

const V1: Flavour = {
  mounts: (root) =>
    ["memory", "cpu,cpuacct", "pids", "freezer", "devices"]
      .map((name) => `30 23 0:26 / ${root}/${name} rw,relatime - cgroup cgroup rw,${name}`)
      .concat(`31 23 0:27 / ${root}/unified rw - cgroup2 cgroup2 rw`)
      .join("\n"),
  files: {
    "memory/memory.limit_in_bytes": "9223372036854771712\n",
    "memory/memory.memsw.limit_in_bytes": "9223372036854771712\n",
    "memory/memory.usage_in_bytes": "4096\n",
    "memory/memory.max_usage_in_bytes": "0\n",
    "memory/memory.stat": "",
    "memory/memory.failcnt": "0\n",
    "cpu,cpuacct/cpu.stat": "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n",
    "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n",
    "cpu,cpuacct/cpuacct.usage": "0\n",
    "freezer/freezer.state": "THAWED\n",
    "pids/cgroup.procs": "11\n12\n",
  },
  memoryLimit: "memory/memory.limit_in_bytes",
  cpuLimit: ["cpu,cpuacct/cpu.cfs_quota_us", "25000"],
  pidsLimit: "pids/pids.max",
  cpuWeight: ["cpu,cpuacct/cpu.shares", "102"],
  memoryUsed: "memory/memory.usage_in_bytes",
  peak: "memory/memory.max_usage_in_bytes",
  cpu: ["cpu,cpuacct/cpuacct.usage", (us) => `${us * 1000}\n`],
  stat: "memory/memory.stat",
  throttled: ["cpu,cpuacct/cpu.stat", (_, us) => `nr_periods 9\nnr_throttled 3\nthrottled_time ${us * 1000}\n`],
  trouble: ["memory/memory.failcnt", (count) => `${count}\n`],
  freezer: ["freezer/freezer.state", "FROZEN", "THAWED"],
  oom: ["memory/memory.oom_control", (kills) => `oom_kill_disable 0\nunder_oom 0\noom_kill ${kills}\n`],
};

const V2: Flavour = {
  mounts: (root) => `30 23 0:26 / ${root} rw,relatime - cgroup2 cgroup2 rw`,
  files: {
    "memory.current": "4096\n",
    "memory.swap.max": "max\n",
    "memory.peak": "0\n",
    "memory.stat": "",
    "memory.pressure":
      "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    "memory.events": "low 0\noom 0\noom_kill 0\noom_group_kill 0\n",
    "cpu.stat": "usage_usec 0\nuser_usec 0\n",
    "cgroup.freeze": "0\n",
    "cgroup.procs": "11\n12\n",
  },
  memoryLimit: "memory.max",
  cpuLimit: ["cpu.max", "25000 100000"],
  pidsLimit: "pids.max",
  cpuWeight: ["cpu.weight", "10"],
  memoryUsed: "memory.current",
  peak: "memory.peak",
  cpu: ["cpu.stat", (us) => `usage_usec ${us}\nuser_usec 5\n`],
  stat: "memory.stat",
  throttled: ["cpu.stat", (cpuUs, us) => `usage_usec ${cpuUs}\nuser_usec 0\nnr_throttled 3\nthrottled_usec ${us}\n`],
  trouble: ["memory.pressure", (us) => `some avg10=3.17 avg60=0.00 avg300=0.00 total=${us}\nfull avg10=1.00 total=5\n`],
  freezer: ["cgroup.freeze", "1", "0"],
  oom: ["memory.events", (kills) => `low 0\noom 9\noom_kill ${kills}\noom_group_kill 4\n`],
};

describe.each([
  { version: 1, flavour: V1, prefix: "total_" },
  { version: 2, flavour: V2, prefix: "" },
] as const)("cgroup version $version", ({ version, flavour, prefix }) => {
  let root: string;
  let host: CgroupHost;
  let group: Cgroup;

  /** Kernel files appear with their folder; in this tree we make them. `memory/x` → `memory/hearth-ab/i-1/x`. */
  const pathOf = (file: string) => {
    const [name = "", controller] = file.split("/").reverse();
    return join(root, controller ?? "", GROUP, name);
  };
  const read = (file: string) => readFileSync(pathOf(file), "utf8");
  const write = (file: string, text: string) => writeFileSync(pathOf(file), text);

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "hearth-cgroup-"));
    for (const name of ["memory", "cpu,cpuacct", "pids", "freezer", "devices"]) mkdirSync(join(root, name));
    writeFileSync(join(root, "cgroup.controllers"), "cpu memory pids\n");
    const found = detectCgroups(flavour.mounts(root));
    if ("missing" in found) throw new Error(found.missing);
    host = found;
    group = host.group(GROUP);
    group.create();
    for (const [file, text] of Object.entries(flavour.files)) write(file, text);
  });
  afterEach(() => rmSync(root, { recursive: true }));

  test("is detected", () => {
    expect(host.version).toBe(version);
    expect(host.unusedMount).toBe(version === 1 ? join(root, "unified") : undefined);
  });

  test("writes limits", () => {
    group.setLimits({ memoryMiB: 128, cpuMilli: 250, pidsMax: 1024 });
    expect(read(flavour.memoryLimit)).toBe(String(128 * MEBIBYTE));
    expect(read(flavour.cpuLimit[0])).toBe(flavour.cpuLimit[1]);
    expect(read(flavour.pidsLimit)).toBe("1024");
    group.setLimits({ memoryMiB: 256 });
    expect(read(flavour.memoryLimit)).toBe(String(256 * MEBIBYTE));
    expect(read(flavour.cpuLimit[0])).toBe(flavour.cpuLimit[1]);
  });

  test("holds buffers of TCP within memory, where they are counted apart", () => {
    if (version === 2) return;
    group.setLimits({ memoryMiB: 128 }); // A kernel without the file.
    write("memory/memory.kmem.tcp.limit_in_bytes", "9223372036854771712\n");
    group.setLimits({ memoryMiB: 128 });
    expect(read("memory/memory.kmem.tcp.limit_in_bytes")).toBe(String(16 * MEBIBYTE));
    group.setLimits({ memoryMiB: 4096 });
    expect(read("memory/memory.kmem.tcp.limit_in_bytes")).toBe(String(256 * MEBIBYTE));
  });

  test("never asks for less CPU than the kernel takes", () => {
    group.setLimits({ cpuMilli: 1 });
    expect(read(flavour.cpuLimit[0])).toMatch(/^1000\b/);
  });

  test("yields a contended processor to others", () => {
    group.setLimits({ cpuWeight: 10 });
    expect(read(flavour.cpuWeight[0])).toBe(flavour.cpuWeight[1]);
  });

  test("tells what it holds, without file cache, and has used; nothing where there is none", () => {
    write(flavour.cpu[0], flavour.cpu[1](1_234_567));
    write(flavour.memoryUsed, `${100 * MEBIBYTE}\n`);
    write(flavour.stat, fileCache(20 * MEBIBYTE, prefix));
    expect(group.totals()).toEqual({ cpuUs: 1_234_567, memoryBytes: 80 * MEBIBYTE });
    expect(host.group("/nowhere").totals()).toEqual({ cpuUs: 0, memoryBytes: 0 });
  });

  test("lists its processes and its children", () => {
    expect(group.processIds()).toEqual([11, 12]);
    expect(host.group("/hearth-ab").children()).toEqual(["i-1"]);
    expect(host.group("/nowhere").children()).toEqual([]);
    expect(host.group("/nowhere").processIds()).toEqual([]);
    expect(group.memoryUsageBytes()).toBe(4096);
  });

  test("removes itself and what is below; one that is not there is removed", () => {
    const other = host.group("/hearth-ab/i-2/containers/c-1");
    other.create();
    if (version === 2) rmFiles(root);
    expect(host.group("/hearth-ab/i-2").remove()).toBe(true);
    expect(host.group("/hearth-ab").children()).toEqual(["i-1"]);
    expect(host.group("/hearth-ab/i-2").remove()).toBe(true);
  });

  test("freezes and thaws", () => {
    const meter = group.openMeter();
    meter.freeze();
    expect(read(flavour.freezer[0]).startsWith(flavour.freezer[1])).toBe(true);
    meter.thaw();
    expect(read(flavour.freezer[0]).startsWith(flavour.freezer[2])).toBe(true);
    meter.close();
  });

  test("meters CPU since the beginning, and the peak without file cache", () => {
    const meter = group.openMeter();
    write(flavour.cpu[0], flavour.cpu[1](1_000_000));
    write(flavour.peak, `${50 * MEBIBYTE}\n`);
    meter.beginUsage();
    expect(read(flavour.peak)).toMatch(/^0/);
    write(flavour.cpu[0], flavour.cpu[1](1_004_321));
    write(flavour.peak, `${80 * MEBIBYTE}\n`);
    write(flavour.stat, fileCache(20 * MEBIBYTE, prefix));
    expect(meter.readUsage(limits(100))).toMatchObject({
      cpuUs: 4321,
      throttledUs: 0,
      memoryPeakBytes: 60 * MEBIBYTE,
      cacheBytes: 20 * MEBIBYTE,
      memoryStallUs: 0,
    });
    meter.close();
  });

  test("each peak that moved tells its own cache", () => {
    if (version === 1) write("memory/memory.numa_stat", "");
    const meter = group.openMeter();
    const peakWith = (peakMiB: number, cacheMiB: number) => {
      write(flavour.peak, `${peakMiB * MEBIBYTE}\n`);
      write(flavour.stat, fileCache(cacheMiB * MEBIBYTE, prefix));
      const pages = (cacheMiB * MEBIBYTE) / pageBytes();
      if (version === 1) write("memory/memory.numa_stat", `file=1 N0=1\nhierarchical_file=${pages} N0=${pages}\n`);
      return (meter.readUsage(limits(200)).memoryPeakBytes ?? 0) / MEBIBYTE;
    };
    expect([peakWith(100, 1), peakWith(100.125, 0)]).toEqual([99, 99.125]);
    // Smaller or larger, before or after the largest.
    expect([peakWith(90, 60), peakWith(99, 80), peakWith(150, 120), peakWith(149, 2)]).toEqual([30, 19, 30, 147]);
    meter.close();
  });

  test("meters throttled time beside CPU, since the last reading", () => {
    const [path, textOf] = flavour.throttled;
    write(path, textOf(1000, 500));
    const meter = group.openMeter();
    meter.beginUsage();
    write(path, textOf(4000, 90_500));
    expect(meter.readUsage(limits(100)).throttledUs).toBe(90_000);
    expect(meter.readUsage(limits(100)).throttledUs).toBe(0);
    meter.close();
  });

  test("looks at throttled time when so much was used that there may be some; in version 2, which tells it beside the CPU time, always", () => {
    const [path, textOf] = flavour.throttled;
    const [cpuPath, cpuTextOf] = flavour.cpu;
    const cpuMilli = 1000 * availableParallelism();
    const meter = group.openMeter();
    // In version 1 the files are two.
    const use = (cpuUs: number, throttledUs: number) => {
      write(cpuPath, cpuTextOf(cpuUs));
      write(path, textOf(cpuUs, throttledUs));
    };
    const quotaUs = 100 * cpuMilli;
    use(quotaUs / 2, 700);
    expect(meter.readUsage(limits(100, cpuMilli)).throttledUs).toBe(version === 1 ? 0 : 700);
    use(quotaUs, 700);
    expect(meter.readUsage(limits(100, cpuMilli)).throttledUs).toBe(version === 1 ? 700 : 0);
    use(quotaUs + 1000, 700);
    expect(meter.readUsage(limits(100, cpuMilli)).throttledUs).toBe(0);
    meter.close();
  });

  test("meters what waited for memory since the last reading, and looks at the cache again then", () => {
    const meter = group.openMeter();
    const [path, textOf] = flavour.trouble;
    write(flavour.peak, `${100 * MEBIBYTE}\n`);
    write(flavour.stat, `${fileCache(60 * MEBIBYTE, prefix)}${prefix}pgmajfault 5\n`);
    expect(meter.readUsage(limits(100))).toMatchObject({ cacheBytes: 60 * MEBIBYTE, memoryStallUs: 0 });
    // At its limit the peak stays what it is while less and less of it is cache.
    write(flavour.stat, `${fileCache(2 * MEBIBYTE, prefix)}${prefix}pgmajfault 8\n`);
    expect(meter.readUsage(limits(100)).cacheBytes).toBe(60 * MEBIBYTE);
    write(path, textOf(1000));
    const stalled = { cacheBytes: 2 * MEBIBYTE, memoryPeakBytes: 98 * MEBIBYTE };
    expect(meter.readUsage(limits(100))).toMatchObject({
      ...stalled,
      memoryStallUs: version === 2 ? 1000 : 1000 * 4 + 3 * 100,
    });
    expect(meter.readUsage(limits(100)).memoryStallUs).toBe(0);
    meter.close();
  });

  test("pages that earlier executions read again are not what one at its limit waited for", () => {
    if (version === 2) return;
    write("memory/memory.numa_stat", "hierarchical_file=0 N0=0\n");
    const meter = group.openMeter();
    const stallUsOf = (peakMiB: number, hits: number, faults: number) => {
      write(flavour.peak, `${peakMiB * MEBIBYTE}\n`);
      write(flavour.trouble[0], flavour.trouble[1](hits));
      write(flavour.stat, `${fileCache(0, prefix)}${prefix}pgmajfault ${faults}\n`);
      return meter.readUsage(limits(100)).memoryStallUs;
    };
    expect([stallUsOf(40, 0, 300), stallUsOf(60, 0, 1000), stallUsOf(100, 1, 1002)]).toEqual([0, 0, 4]);
    // Only the one after it is known to have read what it did itself.
    expect([stallUsOf(100, 3, 1005), stallUsOf(50, 3, 2000), stallUsOf(100, 4, 2001)]).toEqual([308, 0, 4]);
    meter.close();
  });

  test("asks no further where a group of version 1 stayed below its limit", () => {
    if (version === 2) return; // What is above it may be in its way.
    const meter = group.openMeter();
    write(flavour.peak, `${100 * MEBIBYTE}\n`);
    write(flavour.trouble[0], flavour.trouble[1](1000));
    expect(meter.readUsage(limits(128)).memoryStallUs).toBe(0);
    expect(meter.readUsage(limits(100)).memoryStallUs).toBe(4000);
    meter.close();
  });

  test("cannot tell what waited where the kernel keeps no pressure", () => {
    if (version === 1) return;
    rmSync(pathOf("memory.pressure"));
    const meter = group.openMeter();
    expect(meter.readUsage(limits(100)).memoryStallUs).toBeUndefined();
    meter.close();
  });

  test("counts what the kernel killed", () => {
    const meter = group.openMeter();
    expect(meter.oomKills()).toBe(0);
    write(flavour.oom[0], flavour.oom[1](3));
    expect(meter.oomKills()).toBe(3);
    meter.close();
  });
});

describe("a host without", () => {
  test("control groups", () => {
    expect(detectCgroups("22 1 0:21 / /proc rw - proc proc rw")).toHaveProperty("missing");
  });

  test("the pids controller", () => {
    const mounts = ["memory", "cpu", "cpuacct", "freezer"].map(
      (name) => `30 23 0:26 / /c/${name} rw - cgroup c rw,${name}`,
    );
    expect(detectCgroups(mounts.join("\n"))).toEqual({ missing: "control groups lack the controllers pids" });
  });
});

/** The kernel's own files do not hinder a group's removal; those that this test's tree got do. */
function rmFiles(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) rmFiles(path);
    else if (entry.name === "cgroup.subtree_control") rmSync(path);
  }
}
