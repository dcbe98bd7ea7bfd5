import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { parseArgs } from "node:util";
import type { Cgroup, CgroupMeter } from "../src/host/cgroup.ts";
import { detectCgroups } from "../src/host/cgroup-host.ts";
import { median, rounded } from "./quantile.ts";
import { describeTarget, type Target, writeResult } from "./report.ts";
import { printTable } from "./table.ts";

/**
 * What it costs the agent to measure an execution: its CPU, throttled time, peak of memory, cache and stalls, from the files
 * of a real control group in which a real process lives. Where memory changes it takes and gives back memory every other time, so
 * that the peak moves each time and the dear file that tells cache from the rest is read.
 */
const { values: options } = parseArgs({ options: { quick: { type: "boolean", default: false } } });
/** With and without measuring take turns, for what else the machine does comes and goes. */
const ROUNDS = options.quick ? 3 : 21;
const EXECUTIONS = options.quick ? 100 : 500;
const OVERHEAD_US_MAX = 50;
const LIMITS = { memoryLimitMiB: 256, cpuMilli: 1000 } as const;
/** 4 MiB are taken and given back whenever "x" comes, nothing for other bytes. */
const WORK =
  'process.stdin.on("data", (byte) => { let held = String(byte) === "x" ? Buffer.alloc(2 ** 22, 1) : undefined; held = undefined; globalThis.gc(); process.stdout.write("."); })';

const host = detectCgroups();
if ("missing" in host) throw new Error(host.missing);
const cgroupVersion = host.version;
const parent = host.group(`/hearth-bench-${randomUUID().slice(0, 8)}`);
const group = host.group(`${parent.path}/container`);
group.create();
group.setLimits({ memoryMiB: LIMITS.memoryLimitMiB, cpuMilli: LIMITS.cpuMilli, pidsMax: 64 });
const child = spawn(process.execPath, ["--expose-gc", "-e", WORK], { stdio: ["pipe", "pipe", "inherit"] });
try {
  group.addProcess(child.pid as number);
  const meter = group.openMeter();
  await overhead(meter, child); // Warms up.
  const figures = { quietUs: await medianOverhead(meter, undefined), busyUs: await medianOverhead(meter, child) };
  meter.close();
  report(figures);
} finally {
  child.kill("SIGKILL");
  await once(child, "exit");
  await removed(parent);
}

/** @returns of all rounds the median, µs for one execution. */
async function medianOverhead(meter: CgroupMeter, worker: ChildProcess | undefined): Promise<number> {
  const rounds: number[] = [];
  while (rounds.length < ROUNDS) rounds.push(await overhead(meter, worker));
  return rounded(median(rounds));
}

async function overhead(meter: CgroupMeter, worker: ChildProcess | undefined): Promise<number> {
  const without = await measure(undefined, worker, EXECUTIONS);
  return (await measure(meter, worker, EXECUTIONS)) - without;
}

/** @returns CPU time of this process per execution, µs: what other processes do at the same time is not in it. */
async function measure(meter: CgroupMeter | undefined, worker: ChildProcess | undefined, times: number) {
  const { user, system } = process.cpuUsage();
  for (let time = 0; time < times; time += 1) {
    meter?.beginUsage();
    if (worker !== undefined) {
      worker.stdin?.write(time % 2 === 0 ? "x" : "y");
      await once(worker.stdout as Readable, "data");
    }
    meter?.readUsage(LIMITS);
  }
  const spent = process.cpuUsage({ user, system });
  return (spent.user + spent.system) / times;
}

async function removed(cgroup: Cgroup): Promise<void> {
  for (let tries = 0; tries < 100 && !cgroup.remove(); tries += 1) await new Promise((next) => setTimeout(next, 10));
}

function report(figures: { readonly quietUs: number; readonly busyUs: number }): void {
  printTable(
    ["memory", "µs of CPU"],
    [
      ["as it was", figures.quietUs],
      ["changes", figures.busyUs],
    ],
  );
  if (options.quick) return;
  const target: Target = {
    id: "evidence.overhead",
    says: "CPU to measure an execution whose memory changes",
    bound: "atMost",
    target: OVERHEAD_US_MAX,
    measured: figures.busyUs,
    unit: "µs",
  };
  const { targets } = writeResult("evidence", { figures: { ...figures, cgroupVersion }, targets: [target] });
  for (const each of targets) console.log(describeTarget(each));
}
