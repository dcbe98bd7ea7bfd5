import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runCommand } from "../../src/host/command.ts";
import type { InstanceId } from "../../src/model/ids.ts";
import { dataIdOf } from "../../src/provider/sandbox/data-id.ts";
import { SandboxHost } from "./sandbox-fixture/host.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";

describe("instances", needsSandbox, () => {
  let host: SandboxHost;
  let dataId: string;

  beforeEach(() => {
    host = new SandboxHost();
    dataId = dataIdOf(host.dataDir);
  });
  afterEach(async () => {
    await host.close();
  });

  test("leave nothing on the host", async () => {
    await host.open({ network: true });
    const instance = await host.launch("i-1");
    await Promise.all([instance.create("c-1"), instance.create("c-2")]);
    expect(await tracesOf(dataId, host.dataDir)).not.toEqual(NO_TRACES);
    await host.provider.terminate("i-1" as InstanceId);
    await host.provider.terminate("i-1" as InstanceId);
    expect(await host.provider.list()).toEqual([]);
    await expect.poll(() => tracesOf(dataId, host.dataDir)).toEqual({ ...NO_TRACES, tables: 1 });
    await host.provider.close();
    expect(await tracesOf(dataId, host.dataDir)).toEqual(NO_TRACES);
    expect(readdirSync("/run").filter((name) => name.includes(dataId))).toEqual([]);
    await host.open({ network: true });
  });

  test("hold no more processes together than a part of what the host can", async () => {
    await host.open();
    await host.launch("i-1");
    expect(pidsMaxOf(`/hearth-${dataId}/i-1/containers`)).toBe(8192);
    expect(pidsMaxOf(`/hearth-${dataId}/i-1/agent`)).toBe(512);
  });

  test("end as a whole when their agent is killed", async () => {
    await host.open();
    const instance = await host.launch("i-1");
    await instance.create("c-1");
    const [agentPid] = processesIn(`/hearth-${dataId}/i-1/agent`).slice(-1);
    process.kill(agentPid as number, "SIGKILL");
    await expect.poll(() => processesIn(`/hearth-${dataId}/i-1/containers`)).toEqual([]);
    expect(await host.provider.list()).toEqual(["i-1"]);
    await host.provider.terminate("i-1" as InstanceId);
    expect(await host.provider.list()).toEqual([]);
  });

  test("that cannot start are an error and leave nothing", async () => {
    await host.open();
    const launch = host.launch("i-1", { memoryMiB: -5, cpuMilli: 1000 });
    await expect(launch).rejects.toMatchObject({ code: "LAUNCH_FAILED" });
    expect(await host.provider.list()).toEqual([]);
  });

  test("suffer nothing when their name is launched again", async () => {
    await host.open();
    const instance = await host.launch("i-1");
    await expect(host.launch("i-1")).rejects.toMatchObject({ code: "LAUNCH_FAILED" });
    expect(await instance.order("pid")).toBe(1);
  });

  test("survive a server that is killed, and are taken over by the next", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "hearth-sandbox-"));
    const script = join(import.meta.dirname, "sandbox-fixture/doomed-server.ts");
    const doomed = spawn(process.execPath, [script, dataDir], { stdio: ["ignore", "pipe", "inherit"] });
    await once(doomed.stdout, "data");
    doomed.kill("SIGKILL");
    await once(doomed, "exit");
    const next = new SandboxHost(dataDir);
    try {
      const id = dataIdOf(dataDir);
      await next.open({ network: true });
      expect(await next.provider.list()).toEqual(["i-survivor"]);
      expect(processesIn(`/hearth-${id}/i-survivor/containers`).length).toBeGreaterThan(0);
      const fresh = await next.launch("i-new");
      await fresh.create("c-1");
      expect((await interfacesOf(id)).length).toBe(2);
      await next.provider.terminate("i-survivor" as InstanceId);
      expect(await next.provider.list()).toEqual(["i-new"]);
      expect((await interfacesOf(id)).length).toBe(1);
      await next.provider.terminate("i-new" as InstanceId);
      await next.provider.close();
      await expect.poll(() => tracesOf(id, dataDir)).toEqual(NO_TRACES);
      await next.open();
    } finally {
      await next.close();
    }
    await host.open();
  });
});

const NO_TRACES = { groups: 0, interfaces: 0, loopDevices: 0, mounts: 0, processes: 0, tables: 0, namespaces: 0 };

async function tracesOf(dataId: string, dataDir: string) {
  return {
    groups: readdirSync("/sys/fs/cgroup").filter((name) => existsSync(`/sys/fs/cgroup/${name}/hearth-${dataId}/i-1`))
      .length,
    interfaces: (await interfacesOf(dataId)).length,
    loopDevices: (await runCommand("losetup", ["-a"])).split("\n").filter((line) => line.includes(dataDir)).length,
    mounts: readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .filter((line) => line.includes(dataId)).length,
    processes: processesWith(dataId),
    tables: (await runCommand("nft", ["list", "tables"])).split("\n").filter((line) => line.includes(dataId)).length,
    namespaces: (await runCommand("ip", ["netns", "list"])).split("\n").filter((line) => line.includes(dataId)).length,
  };
}

/** Processes whose control group belongs to the data directory. */
function processesWith(dataId: string): number {
  const isOurs = (pid: string) => {
    try {
      return readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(`hearth-${dataId}`);
    } catch {
      return false;
    }
  };
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && isOurs(name)).length;
}

async function interfacesOf(dataId: string): Promise<string[]> {
  return readdirSync("/sys/class/net").filter((name) => name.startsWith(`h${dataId}-`));
}

const PIDS_GROUPS = existsSync("/sys/fs/cgroup/pids") ? "/sys/fs/cgroup/pids" : "/sys/fs/cgroup";

function pidsMaxOf(path: string): number {
  return Number(readFileSync(join(PIDS_GROUPS, path, "pids.max"), "utf8"));
}

/** Process ids in a control group and below. */
function processesIn(path: string): number[] {
  const below = (directory: string): number[] => {
    if (!existsSync(directory)) return [];
    const own = readFileSync(join(directory, "cgroup.procs"), "utf8").split("\n").filter(Boolean).map(Number);
    const folders = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [...own, ...folders.flatMap((entry) => below(join(directory, entry.name)))];
  };
  return below(join(PIDS_GROUPS, path));
}
