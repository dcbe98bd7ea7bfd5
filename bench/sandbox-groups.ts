import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Cgroup } from "../src/host/cgroup.ts";
import { detectCgroups } from "../src/host/cgroup-host.ts";
import { dataIdOf } from "../src/provider/sandbox/data-id.ts";

/** Where `cpu.stat` of a group lies, in version 2 and version 1. */
const CPU_ROOTS = ["/sys/fs/cgroup", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"];

/** The control groups of one instance of a sandbox server. */
export type InstanceGroups = {
  readonly agent: Cgroup;
  /** By container id. */
  readonly containers: ReadonlyMap<string, Cgroup>;
};

/** All instances of the server of this data directory. */
export function instanceGroups(dataDir: string): InstanceGroups[] {
  const host = detectCgroups();
  if ("missing" in host) throw new Error(host.missing);
  const root = host.group(`/hearth-${dataIdOf(dataDir)}`);
  return root.children().map((instanceId) => {
    const containers = host.group(join(root.path, instanceId, "containers"));
    const named = containers.children().map((id): [string, Cgroup] => [id, host.group(join(containers.path, id))]);
    return { agent: host.group(join(root.path, instanceId, "agent")), containers: new Map(named) };
  });
}

/** Periods in which a container wanted more CPU time than its quota, of all containers that exist. */
export function throttledPeriods(dataDir: string): number {
  const groups = instanceGroups(dataDir).flatMap(({ containers }) => [...containers.values()]);
  return groups.reduce((total, group) => total + throttledOf(group), 0);
}

function throttledOf({ path }: Cgroup): number {
  const file = CPU_ROOTS.map((root) => join(root, path, "cpu.stat")).find((candidate) => existsSync(candidate));
  return file === undefined ? 0 : Number(/^nr_throttled (\d+)/m.exec(readFileSync(file, "utf8"))?.[1] ?? 0);
}
