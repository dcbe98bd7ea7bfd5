import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { identifyProcess, isAlive, killGroup, type ProcessIdentity } from "../../src/host/process-identity.ts";
import type { ContainerId } from "../../src/model/ids.ts";
import { encodeFrame } from "../../src/protocol/frame.ts";
import { skipUnless } from "../skip.ts";
import { AgentHarness, DeployedFunction } from "./agent-harness.ts";

const FREEZER = "/sys/fs/cgroup/freezer";
const canFreeze = skipUnless(
  existsSync(join(FREEZER, "cgroup.procs")) && process.getuid?.() === 0,
  "needs root and the freezer of control groups version 1",
);

let harness: AgentHarness;

beforeEach(async () => {
  harness = await AgentHarness.start();
});
afterEach(() => harness.stop());

const SLOW = { files: { "index.mjs": "export const handler = (ms) => new Promise((r) => setTimeout(r, ms, ms));" } };

/** Tells its own process id and that of a child which ignores everything that can be ignored. */
const STUBBORN = `
import { spawn } from "node:child_process";
process.on("SIGTERM", () => {});
export const handler = async () => [process.pid, spawn("sleep", ["600"], { stdio: "ignore" }).pid];
`;

test("a server that comes back finds what runs, what is idle, and results nobody acknowledged", async () => {
  const instanceId = await harness.launch();
  const idle = await harness.deploy(SLOW);
  await idle.run(0);
  const blank = await harness.create();
  const kept = await harness.deploy({ ...SLOW });
  const slow = await harness.deploy({ ...SLOW });
  const keptLease = kept.begin(100, { keepResult: true });
  const slowLease = slow.begin(1500);
  await harness.vanish();
  // The result comes while there is no server.
  await new Promise((resolve) => setTimeout(resolve, 300));
  await harness.listen();
  const hello = await harness.next("hello");
  expect(hello).toMatchObject({ instanceId, token: "secret", accountId: "000000000000" });
  const states = Object.fromEntries(hello.containers.map((container) => [container.containerId, container.state]));
  expect(states).toEqual({
    [idle.containerId]: "idle",
    [blank]: "blank",
    [kept.containerId]: "idle",
    [slow.containerId]: "running",
  });
  const keptResult = await kept.end(keptLease);
  expect(keptResult).toMatchObject({ outcome: "ok", payload: "100" });
  expect(hello.keptInvocationIds).toEqual([keptResult.invocationId]);
  expect(await slow.end(slowLease)).toMatchObject({ outcome: "ok", payload: "1500" });
  // Once acknowledged it is not sent again.
  harness.send({ kind: "ack", leaseId: keptLease });
  await idle.run(0);
  await harness.vanish();
  await harness.listen();
  expect((await harness.next("hello")).keptInvocationIds).toEqual([]);
  expect(await idle.run(1)).toMatchObject({ outcome: "ok", payload: "1" });
});

test("a message that is none ends the connection, not the agent", async () => {
  await harness.launch();
  const idle = await harness.deploy(SLOW);
  await idle.run(0);
  for (const bytes of [Buffer.alloc(64, 0xff), encodeFrame({ kind: "dance" }), encodeFrame({ kind: "run" })]) {
    harness.sendRaw(bytes);
    expect((await harness.next("hello")).containers).toMatchObject([{ state: "idle" }]);
  }
  expect(harness.agentLog.filter((line) => line.includes("PROTOCOL_VIOLATION"))).toHaveLength(3);
  expect(await idle.run(7)).toMatchObject({ outcome: "ok", payload: "7" });
});

test("an instance refuses to serve a second account", async () => {
  await harness.launch();
  const first = await harness.deploy(SLOW);
  await first.run(0);
  const second = await harness.deploy(SLOW);
  Object.assign(second.assignment, { accountId: "111111111111" });
  second.begin(0);
  const hello = await harness.next("hello");
  expect(hello.accountId).toBe("000000000000");
  expect(hello.containers).toContainEqual(expect.objectContaining({ state: "blank", containerId: second.containerId }));
});

test("exit ends the instance with everything in it", async () => {
  const instanceId = await harness.launch();
  const busy = await harness.deploy(SLOW);
  const lease = busy.begin(60_000);
  harness.send({ kind: "exit", reason: "test" });
  expect(await busy.end(lease)).toMatchObject({ outcome: "agentFault", containerUsable: false });
  await busy.gone();
  await expect.poll(() => harness.provider.list(), { timeout: 5000 }).toEqual([]);
  expect(existsSync(join(harness.directory, "run/process", instanceId))).toBe(false);
});

test("without a server for too long the instance ends itself", async () => {
  harness.welcome = { orphanMs: 300 };
  await harness.launch();
  await (await harness.deploy(SLOW)).run(0);
  await harness.vanish();
  await expect.poll(() => harness.provider.list(), { timeout: 5000 }).toEqual([]);
});

test.each(["terminate", "list after the agent died"])("%s ends agent and containers", async (way) => {
  const instanceId = await harness.launch();
  const agent = JSON.parse(readFileSync(join(harness.directory, "run/process", `${instanceId}.json`), "utf8"));
  const container = await harness.deploy({ files: { "index.mjs": STUBBORN } });
  const pids = JSON.parse((await container.run()).payload) as number[];
  const inside = pids.map((pid) => identifyProcess(pid) as ProcessIdentity);
  expect(inside.every(isAlive)).toBe(true);
  if (way === "terminate") await harness.provider.terminate(instanceId);
  else process.kill(agent.pid, "SIGKILL");
  await expect.poll(() => harness.provider.list(), { timeout: 5000 }).toEqual([]);
  // The leader of a container is waited for; what it had started got SIGKILL with it and ends on its own.
  expect([agent, inside[0] as ProcessIdentity].filter(isAlive)).toEqual([]);
  await expect.poll(() => inside.filter(isAlive)).toEqual([]);
  expect(readdirSync(join(harness.directory, "run/process"))).toEqual([]);
  await harness.provider.terminate(instanceId);
});

test("an instance that cannot be killed is an error and stays on the list", canFreeze, async () => {
  const instanceId = await harness.launch();
  const agent = JSON.parse(readFileSync(join(harness.directory, "run/process", `${instanceId}.json`), "utf8"));
  // In version 1 of control groups SIGKILL takes effect only after the thaw.
  const group = join(FREEZER, `hearth-test-${instanceId}`);
  mkdirSync(group);
  writeFileSync(join(group, "cgroup.procs"), String(agent.pid));
  writeFileSync(join(group, "freezer.state"), "FROZEN");
  await expect.poll(() => readFileSync(join(group, "freezer.state"), "utf8")).toBe("FROZEN\n");
  try {
    await expect(harness.provider.terminate(instanceId)).rejects.toThrow(`${agent.pid} do not end after SIGKILL`);
    expect(await harness.provider.list()).toEqual([instanceId]);
  } finally {
    writeFileSync(join(group, "freezer.state"), "THAWED");
  }
  await harness.provider.terminate(instanceId);
  expect(await harness.provider.list()).toEqual([]);
  await expect.poll(() => readFileSync(join(group, "cgroup.procs"), "utf8")).toBe("");
  rmdirSync(group);
});

test("a process that took over a recorded id is left alone", async () => {
  const other = spawn("sleep", ["60"], { detached: true });
  await once(other, "spawn");
  const identity = identifyProcess(other.pid as number) as ProcessIdentity;
  killGroup({ ...identity, startedAt: "0" });
  killGroup({ ...identity, bootId: "another" });
  expect(isAlive(identity)).toBe(true);
  killGroup(identity);
  await once(other, "exit");
  expect(isAlive(identity)).toBe(false);
});

test("a run that arrives while its container is still being made is carried out", async () => {
  await harness.launch();
  const containerId = "c-early" as ContainerId;
  harness.send({ kind: "createContainer", containerId, runtime: "nodejs22.x" });
  harness.sendRaw(Buffer.alloc(64, 0xff)); // Cut off at once, so that `hello` speaks of a container in the making.
  const hello = await harness.next("hello");
  expect(hello.containers).toMatchObject([{ state: "blank", containerId }]);
  const early = new DeployedFunction(harness, containerId, harness.assignment(SLOW));
  expect(await early.run(3)).toMatchObject({ outcome: "ok", payload: "3" });
});
