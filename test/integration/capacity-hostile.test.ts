import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { Agent, type ClientRequest, request } from "node:http";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { CapacityDocument } from "../../src/ports/capacity-document.ts";
import { ACCOUNT, CapacityClient, IN_TIME_MS, invocationsOf } from "./capacity-fixture/capacity-client.ts";
import { residentMiBOf } from "./capacity-fixture/cpu-time.ts";
import { RemoteServer } from "./remote-fixture/remote-server.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";

const TIMEOUT_MS = 120_000;
const IN_TIME = { timeout: IN_TIME_MS };
const CALLERS = 2000;
const ROUNDS = 6;
const PAYLOAD = JSON.stringify("x".repeat(40_000));
/** From the second round to the last: half of what four rounds bring, so that it is seen when half of it stays. */
const GROWTH_MIB_MAX = 150;
/** Connections of others: the agents', the test's own. */
const DESCRIPTORS_MORE_MAX = 50;
const CHANGES = 300;
const FLAPS_PER_S = 50;
const FLAPPING_S = 4;
/** One for those who call, one that is ready for the next, and one of each again for those that are given up meanwhile. */
const LAUNCHES_MAX = 4;
const COMMAND = fileURLToPath(new URL("../../bin/hearth.mjs", import.meta.url));
const files = { "index.js": "exports.handler = async (event) => (typeof event === 'string' ? event.length : event);" };

describe("callers and operators who ask for too much", () => {
  let server: RemoteServer;
  let client: CapacityClient;
  const launches = async () => (await server.hearth.pools()).counters.launches;

  beforeAll(async () => {
    server = await RemoteServer.start("127.0.0.1");
    client = new CapacityClient(() => server.hearth.url);
    await client.lambda.deploy("f", { files });
  }, TIMEOUT_MS);
  beforeEach(() => client.set({ class: "variable" }));
  afterAll(async () => {
    client.lambda.close();
    await server[Symbol.asyncDispose]();
  }, TIMEOUT_MS);

  test("2,000 callers wait and hang up at once, again and again: their memory and their connections come back", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const { hearth } = server;
    const descriptors = () => readdirSync(`/proc/${hearth.pid}/fd`).length;
    const waitingCount = async () => (await hearth.pools()).waiting.count;
    const descriptorsBefore = descriptors();
    const residentMiB: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const agent = new Agent();
      const calls = Array.from({ length: CALLERS }, () => callOf(`${hearth.url}${invocationsOf("f")}`, agent));
      await expect.poll(waitingCount, IN_TIME).toBe(CALLERS);
      const { entries, hasMore } = await client.waits();
      expect([entries.length, hasMore, entries.at(-1)?.place]).toEqual([1000, true, 1000]);
      for (const call of calls) call.destroy();
      await expect.poll(waitingCount, IN_TIME).toBe(0);
      await expect.poll(descriptors, IN_TIME).toBeLessThan(descriptorsBefore + DESCRIPTORS_MORE_MAX);
      expect((await client.waits()).entries).toEqual([]);
      residentMiB.push(residentMiBOf(hearth.pid));
    }
    expect((residentMiB.at(-1) ?? 0) - (residentMiB[1] ?? 0)).toBeLessThan(GROWTH_MIB_MAX);
    await client.set({ class: "fixed" });
    expect((await client.lambda.invoke("f", 1)).json).toBe(1);
  });

  test("settings that change hundreds of times while calls wait: nobody is let go early, nobody is forgotten", {
    timeout: TIMEOUT_MS,
  }, async () => {
    let answered = 0;
    const calls = Array.from({ length: 20 }, async (_, i) => {
      const { json } = await client.lambda.invoke("f", i);
      answered++;
      return json;
    });
    await client.waiting(20);
    const documents: CapacityDocument[] = [
      { class: "variable" },
      { class: "variable", constraints: [{ kind: "price", usdPerHourMax: 0.01 }] },
      { class: "variable", constraints: [{ kind: "window", timeZone: "Asia/Tokyo", from: "01:00", to: "02:00" }] },
      { class: "variable", onShortage: { kind: "fail", after: "1h" } },
      { class: "variable", onShortage: { kind: "fixed", after: "2h" } },
    ];
    const before = await client.capacity();
    for (let i = 0; i < CHANGES; i += documents.length) {
      for (const { status } of await Promise.all(documents.map((document) => client.put(document)))) {
        expect(status).toBe(200);
      }
    }
    expect(answered).toBe(0);
    expect((await client.waits()).entries).toHaveLength(20);
    // Each says what was there before it: they were made one after the other.
    const { changes } = await client.capacity();
    expect(changes.length).toBeGreaterThan(before.changes.length === changes.length ? 0 : before.changes.length);
    for (const [i, { before: was }] of changes.entries()) {
      const earlier = changes[i + 1];
      if (earlier !== undefined) expect(was).toEqual(earlier.after);
    }
    await client.set({ class: "fixed" });
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });

  test("an account of its own instances, and back, again and again: no instance more than it asks for at most", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const own = async () => (await server.hearth.pools()).instances.filter(({ accountId }) => accountId === ACCOUNT);
    const launchesBefore = await launches();
    for (let i = 0; i < 10; i++) {
      await client.set({ class: "dedicated", dedicatedInstances: 3 });
      await client.set({ class: "fixed" });
    }
    await client.set({ class: "dedicated", dedicatedInstances: 3 });
    await expect.poll(async () => (await own()).filter(({ state }) => state === "active").length, IN_TIME).toBe(3);
    expect((await client.lambda.invoke("f", 2)).json).toBe(2);
    await client.set({ class: "fixed" });
    expect((await client.lambda.invoke("f", 3)).json).toBe(3);
    expect((await launches()) - launchesBefore).toBeLessThanOrEqual(3 + LAUNCHES_MAX);
  });

  test("deadlines that are none are refused by the header's name; one that cannot be kept is refused in time", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const absurd = ["2001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "+9999d", "-5m", "soon", "1e400", "9".repeat(8000)];
    for (const type of ["RequestResponse", "Event"]) {
      for (const deadline of absurd) {
        const headers = { "x-amz-invocation-type": type, "x-hearth-deadline": deadline };
        const answer = await client.lambda.request("POST", invocationsOf("f"), "{}", headers);
        expect([deadline.slice(0, 30), answer.status]).toEqual([deadline.slice(0, 30), 400]);
        expect(answer.headers["x-amzn-errortype"]).toMatch(/^InvalidParameterValueException/);
        expect(answer.body.toString()).toContain("X-Hearth-Deadline");
      }
    }
    expect((await client.waits()).entries).toEqual([]);
    // Nothing variable is to be had by then.
    const missed = await client.lambda.request("POST", invocationsOf("f"), "{}", { "x-hearth-deadline": "+1s" });
    expect(missed.headers["x-hearth-error-code"]).toBe("DEADLINE_MISSED");
    expect((await client.waits()).entries).toEqual([]);
  });

  test("a price that flaps 50 times a second: instances do not come and go with it", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const { lambda } = client;
    await using _ = await server.addHost({ provider: "process", name: "spare" });
    const offer = (await client.offers()).find(({ instanceType }) => instanceType === "spare");
    const offerId = offer?.id ?? "";
    await client.set({ class: "variable", constraints: [{ kind: "price", usdPerHourMax: 0.05 }] });
    expect((await client.price(offerId, 0.01)).status).toBe(200);
    expect((await lambda.invoke("f", 0)).json).toBe(0);
    const launchesBefore = await launches();
    let isOver = false;
    const callers = Array.from({ length: 5 }, async (__, i) => {
      let served = 0;
      for (; !isOver; served++) expect((await lambda.invoke("f", i)).json).toBe(i);
      return served;
    });
    for (let flap = 0; flap < FLAPS_PER_S * FLAPPING_S; flap++) {
      expect((await client.price(offerId, flap % 2 === 0 ? 0.09 : 0.01)).status).toBe(200);
      await new Promise((resolve) => setTimeout(resolve, 1000 / FLAPS_PER_S));
    }
    // It ended low; whoever waits is served.
    isOver = true;
    for (const served of await Promise.all(callers)) expect(served).toBeGreaterThan(0);
    expect((await client.waits()).entries).toEqual([]);
    expect((await launches()) - launchesBefore).toBeLessThanOrEqual(LAUNCHES_MAX);
  });
});

test("`hearth account set` says that the server went away, and nothing was set", {
  timeout: TIMEOUT_MS,
}, async () => {
  await using hearth = await HearthProcess.start({ provider: "process" });
  const client = new CapacityClient(() => hearth.url);
  const before = (await client.capacity()).capacity;
  const port = Number(new URL(hearth.url).port);
  const own = connectionsTo(port);
  // It takes the request and does not answer.
  hearth.signal("SIGSTOP");
  const command = spawn(
    process.execPath,
    [COMMAND, "account", "set", ACCOUNT, "--class", "variable", "--max-price", "0.03", "--server", hearth.url],
    { env: { ...process.env, HEARTH_DATA: hearth.dataDir }, stdio: ["ignore", "ignore", "pipe"] },
  );
  let said = "";
  command.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const exited = once(command, "exit");
  // The kernel takes connections for a process that stands still.
  await expect.poll(() => connectionsTo(port), IN_TIME).toBeGreaterThan(own);
  await hearth.kill();
  expect((await exited)[0]).not.toBe(0);
  expect(said).toMatch(/^error: .*broke off/m);
  await hearth.start();
  expect((await client.capacity()).capacity).toEqual(before);
});

test("kill -9 between two settings of an account: the last that was acknowledged is there, or the one after it", {
  timeout: TIMEOUT_MS,
}, async () => {
  await using hearth = await HearthProcess.start({ provider: "process" });
  const client = new CapacityClient(() => hearth.url);
  let acknowledged = 0;
  const changing = (async () => {
    for (let usdPerHourMax = 1; ; usdPerHourMax++) {
      await client.set({ class: "variable", constraints: [{ kind: "price", usdPerHourMax }] });
      acknowledged = usdPerHourMax;
    }
  })();
  changing.catch(() => {}); // Its connection breaks.
  await expect.poll(() => acknowledged, IN_TIME).toBeGreaterThan(20);
  await hearth.kill();
  await expect(changing).rejects.toMatchObject({ code: expect.stringMatching(/^(ECONNRESET|ECONNREFUSED|EPIPE)$/) });
  await hearth.start();
  const { capacity, changes } = await client.capacity();
  const [constraint] = capacity.constraints ?? [];
  expect([acknowledged, acknowledged + 1]).toContain(
    constraint?.kind === "price" ? constraint.usdPerHourMax : undefined,
  );
  expect(changes[0]?.after).toEqual(capacity);
});

function callOf(url: string, agent: Agent): ClientRequest {
  const call = request(url, { method: "POST", agent });
  call.on("error", () => {});
  call.end(PAYLOAD);
  return call;
}

/** Established connections to a port of this host, as the kernel lists them. */
function connectionsTo(port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  return readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .filter((line) => {
      const [, , remote = "", state] = line.trim().split(/\s+/);
      return remote.endsWith(`:${hex}`) && state === "01";
    }).length;
}
