import { Socket } from "node:net";
import { expect, test } from "vitest";
import type { InstanceId, OfferId } from "../../model/ids.ts";
import type { Log } from "../../ports/log.ts";
import type { HostRecord, HostTerms } from "../../ports/remote-host.ts";
import { HOST_PROTOCOL_VERSION } from "../../protocol/host-protocol.ts";
import { parseJoinToken } from "../../protocol/join-token.ts";
import { createMemoryStore } from "../../store/memory/memory-store.ts";
import { type ControlGreeting, JoinedHosts } from "./joined-hosts.ts";

const TERMS: HostTerms = {
  provider: "static",
  name: undefined,
  zone: undefined,
  subPool: "fixed",
  priceUsdPerHour: 0,
  noticeMs: undefined,
};
const SHAPE = { memoryMiB: 1024, cpuMilli: 1000 };

/** A store that takes a while, as disks do. @param beforePut while a host is being written down. */
async function opened(store = createMemoryStore().hosts, beforePut = async () => {}) {
  const slow = {
    ...store,
    putHost: async (host: HostRecord) => {
      await beforePut();
      await new Promise((resolve) => setTimeout(resolve, 5));
      await store.putHost(host);
    },
  };
  const hosts = await JoinedHosts.load({
    store: slow,
    clock: { nowMs: Date.now, monotonicMs: () => performance.now() },
    log: { debug() {}, info() {}, warn() {}, error() {} } as unknown as Log,
    serverKeySha256: "k".repeat(43),
    addresses: () => [],
    heartbeatMs: 1000,
    silenceMs: 5000,
    onForgotten() {},
  });
  return { hosts, store };
}

/** No provider owns the machine: it is known, and not let in. */
async function join(hosts: JoinedHosts, name: string, token: string): Promise<string> {
  const host = { name, offered: SHAPE, isolation: "none", provider: "process", version: "1" } as const;
  const secret = parseJoinToken(token)?.secret ?? "";
  const greeting: ControlGreeting = {
    kind: "join",
    protocolVersion: HOST_PROTOCOL_VERSION,
    secret,
    host: { ...host, runtimes: [] },
    instanceIds: [],
  };
  return hosts.admit(new Socket(), `key of ${token}`, greeting).catch((error: { code: string }) => error.code);
}

test("machines of one name that join at the same moment get different ones", async () => {
  const { hosts } = await opened();
  const tokens = await Promise.all([1, 2, 3].map(() => hosts.createToken(TERMS, 60_000)));
  await Promise.all(tokens.map(({ token }) => join(hosts, "debian", token)));
  expect(hosts.list().map(({ name }) => name)).toEqual(["debian", "debian-2", "debian-3"]);
});

test("machines that an earlier version gave the same name are told apart, for good", async () => {
  const { hosts, store } = await opened();
  for (const name of ["one", "other"]) await join(hosts, name, (await hosts.createToken(TERMS, 60_000)).token);
  for (const record of await store.loadHosts()) await store.putHost({ ...record, name: "same" });
  const { hosts: next } = await opened(store);
  expect(next.list().map(({ name }) => name)).toEqual(["same", "same-2"]);
  expect((await store.loadHosts()).map(({ name }) => name)).toEqual(["same", "same-2"]);
});

test("a machine whose instance is forgotten while it joins is not kept", async () => {
  const instanceId = "i-1" as InstanceId;
  const { hosts, store } = await opened(undefined, () => hosts.forgetInstance(instanceId));
  const order = { instanceId, offerId: "o" as OfferId, subPool: "fixed", shape: SHAPE, token: "t" } as const;
  const unused = { bidUsdPerHour: undefined, serverSocketPath: "" };
  const { token } = await hosts.inviteForInstance(TERMS, { ...order, ...unused }, 60_000);
  expect(await join(hosts, "late", token)).toBe("JOIN_REFUSED");
  expect(hosts.list()).toEqual([]);
  expect(await store.loadHosts()).toEqual([]);
});
