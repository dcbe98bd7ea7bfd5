import { describe, expect, test } from "vitest";
import type { HostProcess } from "./remote-fixture/host-process.ts";
import { TestNetwork } from "./remote-fixture/network.ts";
import { RemoteServer } from "./remote-fixture/remote-server.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";
import { eventually } from "./server-fixture/eventually.ts";
import { LambdaCaller } from "./server-fixture/lambda-caller.ts";

const TIMEOUT_MS = 240_000;
const WAIT_MS_MAX = 60_000;
/** One function container of this size fills a host of this size, so that two at once need two hosts. */
const FUNCTION_MIB = 1024;
const HOST_MIB = 1500;

const SLEEPER = {
  "index.mjs": `let runs = 0;
  export const handler = async ({ ms = 0, name = "" }, context) => {
    console.log("BEGAN " + name);
    await new Promise((resolve) => setTimeout(resolve, ms));
    console.log("ENDED " + name);
    return { name, pid: process.pid, runs: ++runs };
  };`,
};

async function deploySleeper(lambda: LambdaCaller): Promise<void> {
  await lambda.deploy("sleeper", { files: SLEEPER, memoryMiB: FUNCTION_MIB, timeoutS: 60 });
}

/** Names of the hosts whose instances run something now. */
async function busyHosts(server: RemoteServer): Promise<string[]> {
  const { instances } = await server.hearth.pools();
  const busy = instances.filter(({ containers }) => containers.some(({ state }) => state === "running"));
  return busy.map(({ offerId }) => offerId.split("/")[2] ?? "").toSorted();
}

/** Instances that are on the host and that its server does not know. */
async function straysOn(host: HostProcess, server: RemoteServer): Promise<string[]> {
  const known: string[] = (await server.hosts()).flatMap(({ instanceIds }) => instanceIds);
  return host.instanceIds().filter((id) => !known.includes(id));
}

async function until<T>(ask: () => Promise<T>, isWanted: (answer: T) => boolean): Promise<T> {
  const answer = await eventually(ask, isWanted, WAIT_MS_MAX);
  expect(answer).toSatisfy(isWanted);
  return answer;
}

describe("hosts on other machines", needsSandbox, () => {
  test("run what a server is asked for; one that is cut off loses nothing that was accepted, and comes back", {
    timeout: TIMEOUT_MS,
  }, async () => {
    await using network = await TestNetwork.open();
    const [left, right] = [await network.addMachine(), await network.addMachine()];
    await using server = await RemoteServer.start(network.address, { HEARTH_ASYNC_RETRY_SECONDS: "1,1" });
    await using leftHost = await server.addHost({
      provider: "sandbox",
      name: "left",
      netns: left,
      memoryMiB: HOST_MIB,
    });
    await using _ = await server.addHost({ provider: "sandbox", name: "right", netns: right, memoryMiB: HOST_MIB });
    const lambda = new LambdaCaller(() => server.hearth.url);
    await deploySleeper(lambda);

    expect((await lambda.invoke("sleeper", { name: "first" })).json).toMatchObject({ name: "first" });
    const accepted = ["a", "b", "c", "d"];
    for (const name of accepted) await lambda.invoke("sleeper", { name, ms: 4000 }, { type: "Event" });
    await until(
      () => busyHosts(server),
      (hosts) => hosts.join() === "left,right",
    );
    await until(
      () => server.hearth.status(),
      ({ counts }) => counts.queuedEvents === 0,
    );

    // One synchronous call on each host, and events that wait behind them or run.
    const calls = ["x", "y"].map((name) => lambda.invoke("sleeper", { name, ms: 15_000 }));
    await until(
      () => busyHosts(server),
      (hosts) => hosts.join() === "left,right",
    );
    for (const name of ["e", "f", "g"]) await lambda.invoke("sleeper", { name, ms: 500 }, { type: "Event" });
    await network.cut(left);
    await server.linked("left", false);
    const answers = await Promise.all(calls);
    const [lost, done] = answers.toSorted((a, b) => b.status - a.status);
    expect(lost).toMatchObject({ status: 500, errorType: expect.stringContaining("ServiceException") });
    expect(done).toMatchObject({ status: 200 });
    await until(
      () => server.hearth.status(),
      ({ counts }) => counts.queuedEvents === 0,
    );
    const log = await server.hearth.functionLog("sleeper");
    for (const name of [...accepted, "e", "f", "g"]) expect(log).toContain(`ENDED ${name}\n`);

    await network.mend(left);
    await server.linked("left", true);
    // What ran there meanwhile is ended: nobody wants it any more.
    await until(
      () => straysOn(leftHost, server),
      (strays) => strays.length === 0,
    );
    // An offer that lost an instance is avoided for a while.
    let isServing = true;
    const callers = ["p", "q"].map(async (name) => {
      while (isServing) expect((await lambda.invoke("sleeper", { name, ms: 1000 })).status).toBe(200);
    });
    try {
      await until(
        () => busyHosts(server),
        (hosts) => hosts.join() === "left,right",
      );
    } finally {
      isServing = false;
      await Promise.all(callers);
    }
  });

  test("fetch a function's layers as they fetch its code, and show them at /opt", { timeout: TIMEOUT_MS }, async () => {
    await using network = await TestNetwork.open();
    await using server = await RemoteServer.start(network.address);
    const netns = await network.addMachine();
    await using _ = await server.addHost({ provider: "sandbox", name: "one", netns, memoryMiB: HOST_MIB });
    const lambda = new LambdaCaller(() => server.hearth.url);
    const module = (text: string) => ({ "nodejs/node_modules/m/index.js": `module.exports = "${text}";` });
    const lower = await lambda.publishLayer("lower", { ...module("lower"), "bin/greet": "#!/bin/sh\necho hello\n" });
    const upper = await lambda.publishLayer("upper", module("upper"));
    const files = {
      "index.js":
        'exports.handler = async () => [require("m"), require("child_process").execFileSync("greet").toString()];',
    };
    await lambda.deploy("layered", { files, memoryMiB: FUNCTION_MIB, layers: [lower, upper] });
    expect((await lambda.invoke("layered")).json).toEqual(["upper", "hello\n"]);
    await lambda.deploy("single", { files, memoryMiB: FUNCTION_MIB, layers: [lower] });
    expect((await lambda.invoke("single")).json).toEqual(["lower", "hello\n"]);
  });

  test("kill -9 of the server: its next start adopts what runs elsewhere, warm, and is given the results", {
    timeout: TIMEOUT_MS,
  }, async () => {
    await using server = await RemoteServer.start("127.0.0.1", { HEARTH_ASYNC_RETRY_SECONDS: "1,1" });
    await using _ = await server.addHost({ provider: "sandbox", name: "tower" });
    const lambda = new LambdaCaller(() => server.hearth.url);
    await deploySleeper(lambda);
    const { json: before } = await lambda.invoke("sleeper", { name: "before" });
    await lambda.invoke("sleeper", { name: "across", ms: 5000 }, { type: "Event" });
    await until(
      () => busyHosts(server),
      (hosts) => hosts.join() === "tower",
    );
    await server.hearth.kill();
    await server.hearth.start();
    await server.linked("tower", true);
    await until(
      () => server.hearth.status(),
      ({ counts }) => counts.queuedEvents === 0,
    );
    expect(await server.hearth.functionLog("sleeper")).toContain("ENDED across\n");
    const { json: after } = await lambda.invoke("sleeper", { name: "after" });
    // The same process, and the event ran in it once.
    expect(after).toEqual({ name: "after", pid: before.pid, runs: 3 });
  });

  test("kill -9 of a host agent: its callers may try again, events run again, and its next start clears up", {
    timeout: TIMEOUT_MS,
  }, async () => {
    await using server = await RemoteServer.start("127.0.0.1", { HEARTH_ASYNC_RETRY_SECONDS: "1,1" });
    await using host = await server.addHost({ provider: "sandbox", name: "tower" });
    const lambda = new LambdaCaller(() => server.hearth.url);
    await deploySleeper(lambda);
    await lambda.invoke("sleeper", { name: "before" });
    const call = lambda.invoke("sleeper", { name: "caller", ms: 30_000 });
    await lambda.invoke("sleeper", { name: "event", ms: 2000 }, { type: "Event" });
    await until(
      () => server.hearth.status(),
      ({ counts }) => counts.runningInvocations === 2,
    );
    const busy = (await server.hearth.pools()).instances.find(({ containers }) =>
      containers.some(({ state }) => state === "running"),
    );
    expect(host.instanceIds()).toContain(busy?.id);
    await host.kill();
    expect(await call).toMatchObject({ status: 500, errorType: expect.stringContaining("ServiceException") });
    await server.linked("tower", false);
    host.start();
    await server.linked("tower", true);
    await until(
      () => server.hearth.status(),
      ({ counts }) => counts.queuedEvents === 0,
    );
    expect(await server.hearth.functionLog("sleeper")).toContain("ENDED event\n");
    await until(
      () => straysOn(host, server),
      (strays) => strays.length === 0,
    );
    expect(host.instanceIds()).not.toContain(busy?.id);
  });

  test("a host agent or a server that stands still is taken for gone, and both find each other again", {
    timeout: TIMEOUT_MS,
  }, async () => {
    await using server = await RemoteServer.start("127.0.0.1", { HEARTH_ASYNC_RETRY_SECONDS: "1,1" });
    await using host = await server.addHost({ provider: "sandbox", name: "tower" });
    const lambda = new LambdaCaller(() => server.hearth.url);
    await deploySleeper(lambda);
    await lambda.invoke("sleeper", { name: "before" });

    const call = lambda.invoke("sleeper", { name: "stuck", ms: 30_000 });
    await until(
      () => busyHosts(server),
      (hosts) => hosts.length === 1,
    );
    host.signal("SIGSTOP");
    try {
      expect(await call).toMatchObject({ status: 500, errorType: expect.stringContaining("ServiceException") });
      await server.linked("tower", false);
    } finally {
      host.signal("SIGCONT");
    }
    await server.linked("tower", true);
    expect((await lambda.invoke("sleeper", { name: "between" })).status).toBe(200);

    const mark = host.log.length;
    server.hearth.signal("SIGSTOP");
    try {
      await until(
        async () => host.log.slice(mark),
        (log) => log.includes("the server was silent"),
      );
    } finally {
      server.hearth.signal("SIGCONT");
    }
    await until(
      async () => host.log.slice(mark),
      (log) => log.includes("linked to the server"),
    );
    await server.linked("tower", true);
    expect((await lambda.invoke("sleeper", { name: "after" })).status).toBe(200);
    await until(
      () => straysOn(host, server),
      (strays) => strays.length === 0,
    );
  });

  test("a host agent that is told to end empties its machine first: nothing is cut off, nothing stays", {
    timeout: TIMEOUT_MS,
  }, async () => {
    await using server = await RemoteServer.start("127.0.0.1");
    await using host = await server.addHost({ provider: "sandbox", name: "tower" });
    const lambda = new LambdaCaller(() => server.hearth.url);
    await deploySleeper(lambda);
    const call = lambda.invoke("sleeper", { name: "last", ms: 3000 });
    await until(
      () => busyHosts(server),
      (hosts) => hosts.length === 1,
    );
    host.signal("SIGTERM");
    expect((await call).json).toMatchObject({ name: "last" });
    expect(await host.exited()).toBe(0);
    expect(host.leftovers()).toEqual([]);
    expect((await server.linked("tower", false)).instanceIds).toEqual([]);
  });
});
