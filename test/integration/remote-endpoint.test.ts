import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { InstanceId, OfferId } from "../../src/model/ids.ts";
import type { LaunchOrder } from "../../src/ports/capacity-provider.ts";
import { systemClock } from "../../src/ports/clock.ts";
import type { HostTerms } from "../../src/ports/remote-host.ts";
import { encodeFrame } from "../../src/protocol/frame.ts";
import type { PinnedKey } from "../../src/protocol/pinned-key.ts";
import { forgetGone } from "../../src/provider/remote/forget-gone.ts";
import { openRemoteEndpoint, type RemoteEndpoint } from "../../src/provider/remote/remote-endpoint.ts";
import type { HostOwner } from "../../src/provider/remote/remote-hosts.ts";
import { createMemoryStore } from "../../src/store/memory/memory-store.ts";
import { HostProcess } from "./remote-fixture/host-process.ts";
import { DESCRIPTION, newKey, RawHost } from "./remote-fixture/raw-host.ts";

const TERMS: HostTerms = {
  provider: "static",
  name: undefined,
  zone: undefined,
  subPool: "fixed",
  priceUsdPerHour: 0,
  noticeMs: undefined,
};
const HOUR_MS = 3_600_000;
const HEARTBEAT_MS = 200;
const SILENCE_MS = 2_000;
const ARCHIVE = randomBytes(2_500_000);
const IN_TIME = { timeout: 40_000 };
const HASH = "ab".repeat(32);
let lines = 0;
const count = () => void lines++;
const log = { debug() {}, info: count, warn: count, error: count };

describe("the endpoint where machines join", () => {
  const store = createMemoryStore();
  const agents: Socket[] = [];
  let told: string[] = [];
  let dataDir: string;
  let endpoint: RemoteEndpoint;
  let port = 0;
  let key: PinnedKey;
  let hosts: RawHost[] = [];

  const dial = (by = key) => {
    const host = new RawHost(port, by);
    hosts.push(host);
    return host;
  };
  const invite = async (expiresInMs = HOUR_MS) => (await endpoint.hosts.createToken(TERMS, expiresInMs)).token;
  const owner: HostOwner = {
    onHost: ({ name, isConnected }) => void told.push(`${name} ${isConnected ? "connected" : "cut off"}`),
    onRemoved: ({ name }) => void told.push(`${name} removed`),
    onAtRisk: (_, reason) => void told.push(`risk ${reason}`),
    onReclaim: (_, deadlineMs, reason) => void told.push(`reclaim ${Math.round(deadlineMs)} ${reason}`),
    onExit: (_, instanceId, reason) => void told.push(`exit ${instanceId} ${reason}`),
  };
  async function open(): Promise<void> {
    endpoint = await openRemoteEndpoint({
      host: "127.0.0.1",
      port,
      advertisedHost: undefined,
      dataDir,
      store: store.hosts,
      heartbeatMs: HEARTBEAT_MS,
      silenceMs: SILENCE_MS,
      readCode: async (sha256Hex) => {
        if (sha256Hex === HASH) return ARCHIVE;
        throw new Error("there is no such code");
      },
      onAgent: (socket) => void agents.push(socket),
      clock: systemClock,
      log,
    });
    endpoint.hosts.own("static", owner);
    port = (await endpoint.listen()).port;
  }

  beforeEach(async () => {
    dataDir = mkdtempSync(join(tmpdir(), "hearth-endpoint-"));
    port = 0;
    told = [];
    key = await newKey();
    await open();
  });
  afterEach(async () => {
    for (const { socket } of hosts) socket.destroy();
    for (const socket of agents.splice(0)) socket.destroy();
    hosts = [];
    for (const { hostId } of endpoint.hosts.list()) await endpoint.hosts.remove(hostId);
    await endpoint.close();
    rmSync(dataDir, { recursive: true });
  });

  test("keeps its key for itself", () => {
    expect(statSync(join(dataDir, "remote-key.json")).mode & 0o777).toBe(0o600);
  });

  test("lets a machine in once by a token, and by its key from then on", async () => {
    const token = await invite();
    const { hostId } = await dial().join(token).next("welcome");
    expect(endpoint.hosts.list()).toMatchObject([{ hostId, name: "raw", zone: "default", isConnected: true }]);
    const other = dial(await newKey()).join(token);
    expect(await other.next("refused")).toMatchObject({ code: "JOIN_REFUSED", isFinal: true });
    await other.closed();
    expect(await dial().hello().next("welcome")).toMatchObject({ hostId });
  });

  test("gives the same answer again to a machine that did not hear it, also after a restart of the server", async () => {
    const token = await invite();
    const { hostId } = await dial().join(token).next("welcome");
    expect(await dial().join(token).next("welcome")).toMatchObject({ hostId });
    await endpoint.close();
    await open();
    expect(await dial().join(token).next("welcome")).toMatchObject({ hostId });
    expect(endpoint.hosts.list()).toHaveLength(1);
  });

  test("two machines that come at once with one token are not both let in", async () => {
    const token = await invite();
    const both = [dial().join(token), dial(await newKey()).join(token)];
    const answers = await Promise.allSettled(both.map((host) => host.next("welcome")));
    expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test("refuses tokens that have expired or never were", async () => {
    const expired = await invite(-1);
    expect(await dial().join(expired).next("refused")).toMatchObject({ detail: expect.stringContaining("expired") });
    const [, pin] = expired.split(".");
    const invented = `${randomBytes(32).toString("base64url")}.${pin}`;
    expect(await dial().join(invented).next("refused")).toMatchObject({ detail: expect.stringContaining("unknown") });
    expect(endpoint.hosts.list()).toEqual([]);
  });

  test("refuses keys that it does not know, whatever they ask for", async () => {
    expect(await dial().hello().next("refused")).toMatchObject({ code: "JOIN_REFUSED", isFinal: true });
    expect(await dial().send({ kind: "fetchCode", sha256Hex: HASH }).next("refused")).toMatchObject({ isFinal: true });
    await dial().send({ kind: "hello", instanceId: "i-1", token: "t" }).closed();
    expect(agents).toEqual([]);
  });

  test("a machine that was removed does not come back, by its key or its token", async () => {
    const token = await invite();
    const host = dial().join(token);
    const { hostId } = await host.next("welcome");
    expect(await endpoint.hosts.remove(hostId)).toBe(true);
    expect(await host.next("refused")).toMatchObject({ isFinal: true });
    await host.closed();
    expect(await dial().hello().next("refused")).toMatchObject({ isFinal: true });
    expect(await dial().join(token).next("refused")).toMatchObject({ isFinal: true });
    expect(await endpoint.hosts.remove(hostId)).toBe(false);
    expect(told.at(-1)).toBe("raw removed");
  });

  test("a machine that joined by several tokens comes back by none of them when it was removed", async () => {
    const tokens = [await invite(), await invite()];
    for (const token of tokens) await dial().join(token).next("welcome");
    const [{ hostId } = { hostId: "" }] = endpoint.hosts.list();
    expect(await endpoint.hosts.remove(hostId)).toBe(true);
    for (const token of tokens) expect(await dial().join(token).next("refused")).toMatchObject({ isFinal: true });
    expect(endpoint.hosts.list()).toEqual([]);
  });

  test("strangers who say nothing do not keep a host out", async () => {
    await dial()
      .join(await invite())
      .next("welcome");
    const strangerKey = await newKey();
    const strangers = Array.from({ length: 300 }, () => dial(strangerKey));
    // The last ones are turned away: there are as many as may be.
    await expect.poll(() => strangers.some(({ isClosed }) => isClosed), IN_TIME).toBe(true);
    expect(await dial().hello().next("welcome")).toBeDefined();
  });

  test("what a machine says for people to read has no orders for their terminals", async () => {
    const host = dial();
    host.send({
      ...{ kind: "join", protocolVersion: 1, secret: (await invite()).split(".")[0], instanceIds: [] },
      host: { ...DESCRIPTION, isolation: "none\u001b]0;owned\u0007\n", version: "1\u009b2J" },
    });
    await host.next("welcome");
    expect(endpoint.hosts.list()).toMatchObject([{ isolation: "none ]0;owned ", version: "1 2J" }]);
  });

  test("a host that talks without end is cut off, one that names instances without end is answered once", async () => {
    const host = dial().join(await invite());
    await host.next("welcome");
    const frames = Array.from({ length: 20_000 }, () => encodeFrame({ kind: "atRisk", reason: "again" }));
    host.socket.write(Buffer.concat(frames));
    await expect.poll(() => host.isClosed, IN_TIME).toBe(true);
    const strays = Array.from({ length: 4096 }, (_, at) => `i-${at}`);
    lines = 0;
    await dial().hello(strays).next("terminate");
    expect(lines).toBeLessThan(10);
  });

  test("hosts of one name and zone are told apart", async () => {
    await dial()
      .join(await invite())
      .next("welcome");
    await dial(await newKey())
      .join(await invite())
      .next("welcome");
    expect(
      endpoint.hosts
        .list()
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(["raw", "raw-2"]);
  });

  test("serves whoever is right while others talk nonsense, say nothing or stand still", async () => {
    const raw = [
      randomBytes(4096),
      Buffer.from("GET / HTTP/1.1\r\nHost: hearth\r\n\r\n"),
      Buffer.alloc(0),
      Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00]), // The beginning of a handshake.
    ].map((bytes) => {
      const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
      socket.on("error", () => {}); // Cut off.
      return socket;
    });
    const tooLong = dial().send({ kind: "join", secret: "x".repeat(20_000) });
    const noFrame = dial();
    noFrame.socket.write(Buffer.from([3, 0, 0, 0, 0, 0, 0, 0]));
    const noJson = dial();
    noJson.socket.write(Buffer.from("\x08\0\0\0\x04\0\0\0{{{{", "latin1"));
    const silent = dial();
    const odd = dial().send({ kind: "join", protocolVersion: "one" });
    const good = dial().join(await invite());
    expect(await good.next("welcome")).toMatchObject({ heartbeatMs: HEARTBEAT_MS });
    beat(good);
    for (const host of [tooLong, noFrame, noJson, silent, odd]) await host.closed();
    for (const socket of raw) socket.destroy();
    expect(endpoint.hosts.list()).toMatchObject([{ isConnected: true }]);
  }, 40_000);

  test("a host that says nothing for too long is cut off; one that is back takes its place", async () => {
    const host = dial().join(await invite());
    await host.next("welcome");
    const again = dial().hello();
    await again.next("welcome");
    await host.closed();
    await again.closed();
    expect(told.filter((line) => line === "raw cut off")).toHaveLength(1);
    expect(endpoint.hosts.list()).toMatchObject([{ isConnected: false }]);
  });

  test("a host that breaks the protocol is cut off", async () => {
    const host = dial().join(await invite());
    await host.next("welcome");
    host.send({ kind: "reclaim", leftMs: "soon" });
    await host.closed();
    expect(endpoint.hosts.list()).toMatchObject([{ isConnected: false }]);
  });

  test("sends code in parts, and says what it does not have", async () => {
    await dial()
      .join(await invite())
      .next("welcome");
    const asking = dial().send({ kind: "fetchCode", sha256Hex: HASH });
    await asking.closed();
    expect(asking.heard.length).toBe(3);
    expect(Buffer.concat(asking.heard.map(({ payload }) => payload)).equals(ARCHIVE)).toBe(true);
    const refused = await dial()
      .send({ kind: "fetchCode", sha256Hex: "0".repeat(64) })
      .next("refused");
    expect(refused).toMatchObject({ detail: "there is no such code", isFinal: false });
  });

  describe("asked by real host agents", () => {
    const start = (token: string) => HostProcess.start({ join: `127.0.0.1:${port}`, token, provider: "process" });

    test("a machine with a used token says so and ends; one with its own key is let in without", async () => {
      const token = await invite();
      await using first = start(token);
      await expect.poll(() => endpoint.hosts.list()[0]?.isConnected, IN_TIME).toBe(true);
      await using second = start(token);
      expect(await second.exited()).not.toBe(0);
      expect(second.log).toMatch(/used by another machine.*\n.*hearth host token/);
      await first.stop();
      first.start(false);
      await expect.poll(() => endpoint.hosts.list()[0]?.isConnected, IN_TIME).toBe(true);
      expect(endpoint.hosts.list()).toHaveLength(1);
    }, 60_000);

    test("a machine that expects another server's key says nothing to this one", async () => {
      const [secret] = (await invite()).split(".");
      await using host = start(`${secret}.${randomBytes(32).toString("base64url")}`);
      expect(await host.exited()).not.toBe(0);
      expect(host.log).toContain("has another key than the one expected");
      expect(endpoint.hosts.list()).toEqual([]);
    }, 60_000);

    test("a second host agent on the same data is refused", async () => {
      await using first = start(await invite());
      await expect.poll(() => endpoint.hosts.list()[0]?.isConnected, IN_TIME).toBe(true);
      const pid = first.pid;
      first.start();
      const status = await first.exited();
      process.kill(pid, "SIGKILL");
      expect(status).not.toBe(0);
      expect(first.log).toContain("a host agent runs on");
    }, 60_000);
  });

  describe("instances", () => {
    let hostId: string;
    let host: RawHost;
    const order = (instanceId: string): LaunchOrder => ({
      instanceId: instanceId as InstanceId,
      offerId: "static/default/raw/owned" as OfferId,
      subPool: "fixed",
      shape: { memoryMiB: 512, cpuMilli: 500 },
      bidUsdPerHour: undefined,
      serverSocketPath: "",
      token: "t",
    });
    const recorded = () => endpoint.hosts.list()[0]?.instanceIds;

    beforeEach(async () => {
      host = dial().join(await invite());
      ({ hostId } = await host.next("welcome"));
      beat(host);
    });

    async function launch(instanceId: string): Promise<void> {
      const launching = endpoint.hosts.launchOn(hostId, order(instanceId));
      const { orderId } = await host.next("launch");
      host.send({ kind: "done", orderId });
      await launching;
    }

    test("agents are let in by the host that was ordered their instance, and by no other", async () => {
      await launch("i-1");
      dial().send({ kind: "hello", instanceId: "i-1", token: "t" });
      await expect.poll(() => agents.length).toBe(1);
      await dial().send({ kind: "hello", instanceId: "i-2", token: "t" }).closed();
      const otherKey = await newKey();
      await dial(otherKey)
        .join(await invite())
        .next("welcome");
      await dial(otherKey).send({ kind: "hello", instanceId: "i-1", token: "t" }).closed();
      expect(agents).toHaveLength(1);
    });

    test("a launch that the host refuses fails with its reason", async () => {
      const launching = endpoint.hosts.launchOn(hostId, order("i-1"));
      const { orderId } = await host.next("launch");
      host.send({ kind: "done", orderId, failure: { code: "INSUFFICIENT_CAPACITY", detail: "no room" } });
      await expect(launching).rejects.toMatchObject({
        code: "INSUFFICIENT_CAPACITY",
        message: expect.stringContaining("no room"),
      });
      expect(recorded()).toEqual([]);
    });

    test("a launch that is not answered fails with the link, and what came of it is ended at the next one", async () => {
      const launching = endpoint.hosts.launchOn(hostId, order("i-1"));
      await host.next("launch");
      host.socket.destroy();
      await expect(launching).rejects.toMatchObject({ code: "LAUNCH_FAILED" });
      expect(await dial().hello(["i-1"]).next("terminate")).toMatchObject({ instanceId: "i-1" });
      expect(recorded()).toEqual([]);
    });

    test("nothing is ordered of a host that is cut off; what ends meanwhile is ended when it is back", async () => {
      await launch("i-1");
      host.socket.destroy();
      await expect.poll(() => endpoint.hosts.list()[0]?.isConnected).toBe(false);
      await expect(endpoint.hosts.launchOn(hostId, order("i-2"))).rejects.toMatchObject({
        code: "INSUFFICIENT_CAPACITY",
      });
      await endpoint.hosts.terminateOn(hostId, "i-1" as InstanceId);
      expect(recorded()).toEqual([]);
      expect(await dial().hello(["i-1"]).next("terminate")).toMatchObject({ instanceId: "i-1" });
    });

    test("a server that was started again knows its own: it keeps them, ends strays, and tells of what is missing", async () => {
      await launch("i-1");
      host.heard.length = 0;
      await launch("i-2");
      await endpoint.close();
      await open();
      told = [];
      const back = dial().hello(["i-2", "i-stray"]);
      expect(await back.next("terminate")).toMatchObject({ instanceId: "i-stray" });
      expect(recorded()).toEqual(["i-2"]);
      expect(told).toContain("exit i-1 it is not on its host any more");
    });

    test("a host tells of ends of its own instances, and of what will become of it", async () => {
      await launch("i-1");
      host.send({ kind: "exited", instanceId: "i-of-another", reason: "lies" });
      host.send({ kind: "exited", instanceId: "i-1", reason: "it died" });
      host.send({ kind: "atRisk", reason: "rebalance" });
      host.send({ kind: "reclaim", leftMs: 120_000, reason: "spot" });
      await expect.poll(() => told.some((line) => line.startsWith("reclaim"))).toBe(true);
      expect(told.filter((line) => line.startsWith("exit"))).toEqual(["exit i-1 it died"]);
      expect(told).toContain("risk rebalance");
      const deadlineMs = Number(told.find((line) => line.startsWith("reclaim"))?.split(" ")[1]);
      expect(deadlineMs - systemClock.monotonicMs()).toBeLessThanOrEqual(120_000);
      expect(deadlineMs - systemClock.monotonicMs()).toBeGreaterThan(60_000);
    });
  });

  describe("a machine that is one instance", () => {
    const order: LaunchOrder = {
      instanceId: "i-single" as InstanceId,
      offerId: "static/z/t/owned" as OfferId,
      subPool: "fixed",
      shape: { memoryMiB: 512, cpuMilli: 500 },
      bidUsdPerHour: undefined,
      serverSocketPath: "",
      token: "t",
    };

    test("is ordered it when it has joined, again until it is there, and never after its end", async () => {
      const { token } = await endpoint.hosts.inviteForInstance(TERMS, order, HOUR_MS);
      const host = dial().join(token);
      expect(await host.next("launch")).toMatchObject({ order: { instanceId: "i-single", shape: order.shape } });
      host.socket.destroy();
      await endpoint.close();
      await open();
      const back = dial().hello();
      const { orderId } = await back.next("launch");
      back.send({ kind: "done", orderId });
      await expect.poll(() => endpoint.hosts.hostOfInstance(order.instanceId)?.instanceIds).toEqual(["i-single"]);
      back.send({ kind: "exited", instanceId: "i-single", reason: "its agent died" });
      expect(await back.next("refused")).toMatchObject({ isFinal: true });
      expect(told).toContain("exit i-single its agent died");
      expect(endpoint.hosts.hostOfInstance(order.instanceId)).toBeUndefined();
      expect(await dial().hello().next("refused")).toMatchObject({ isFinal: true });
    });

    test("may have been given another token meanwhile: the first one is void", async () => {
      const { token: first } = await endpoint.hosts.inviteForInstance(TERMS, order, HOUR_MS);
      const { token: second } = await endpoint.hosts.inviteForInstance(TERMS, order, HOUR_MS);
      expect(await dial().join(first).next("refused")).toMatchObject({ isFinal: true });
      expect(await dial().join(second).next("welcome")).toBeDefined();
    });

    test("is not given up when its link breaks before it answered and is made again", async () => {
      const { token } = await endpoint.hosts.inviteForInstance(TERMS, order, HOUR_MS);
      await dial().join(token).next("launch");
      const back = dial().hello([order.instanceId]);
      const { orderId } = await back.next("launch");
      back.send({ kind: "done", orderId });
      await expect.poll(() => endpoint.hosts.hostOfInstance(order.instanceId)?.instanceIds).toEqual(["i-single"]);
      expect(told.filter((line) => line.startsWith("exit"))).toEqual([]);
      expect(back.heard.map(({ message }) => message.kind)).not.toContain("terminate");
    });

    test("is forgotten when its machine ended while no server ran, and by no server of another kind", async () => {
      const { token } = await endpoint.hosts.inviteForInstance(TERMS, order, HOUR_MS);
      await dial().join(token).next("launch");
      await endpoint.close();
      await open();
      await forgetGone(endpoint.hosts, ["static"], new Set([order.instanceId]));
      await forgetGone(endpoint.hosts, ["ec2"], new Set());
      expect(endpoint.hosts.list()).toHaveLength(1);
      await forgetGone(endpoint.hosts, ["static"], new Set());
      expect(endpoint.hosts.list()).toEqual([]);
      expect(await store.hosts.loadHosts()).toEqual([]);
      expect(await dial().hello().next("refused")).toMatchObject({ isFinal: true });
    });

    test("is let in no more when it was given up", async () => {
      const { token } = await endpoint.hosts.inviteForInstance(TERMS, order, HOUR_MS);
      await endpoint.hosts.forgetInstance(order.instanceId);
      expect(await dial().join(token).next("refused")).toMatchObject({ isFinal: true });
    });
  });
});

/** Lets it live. */
function beat(host: RawHost): void {
  setInterval(() => host.send({ kind: "heartbeat", load: { cpu: 0.5 } }), HEARTBEAT_MS).unref();
}
