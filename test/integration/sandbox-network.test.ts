import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCommand } from "../../src/host/command.ts";
import type { InstanceId } from "../../src/model/ids.ts";
import { dataIdOf } from "../../src/provider/sandbox/data-id.ts";
import { SandboxHost, type TestInstance } from "./sandbox-fixture/host.ts";
import { OUTSIDE_ADDRESS, OUTSIDE_PORT, startOutside } from "./sandbox-fixture/outside.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";

/** Reached by forwarding only: it is the outside's, at a port where it does not listen. */
const FORWARDED_ADDRESS = OUTSIDE_ADDRESS;
const FORWARDED_PORT = 9089;

describe("the network of instances", needsSandbox, () => {
  let host: SandboxHost;
  let outside: Awaited<ReturnType<typeof startOutside>>;
  let first: TestInstance;
  let second: TestInstance;
  let service: Server;
  let servicePort: number;

  beforeAll(async () => {
    outside = await startOutside();
    service = createServer((socket) => socket.end("reached the host")).listen(0, "0.0.0.0");
    await once(service, "listening");
    servicePort = (service.address() as { port: number }).port;
    host = new SandboxHost();
    await host.open({ network: true });
    [first, second] = await Promise.all([host.launch("i-1"), host.launch("i-2")]);
    await Promise.all([first.create("a"), second.create("b")]);
  });

  afterAll(async () => {
    await host?.close();
    await outside?.close();
    service?.close();
  });

  test("the outside is reached, from behind the host's address", async () => {
    expect(await dial(first, "a", OUTSIDE_ADDRESS, OUTSIDE_PORT)).toBe(outside.hostAddress);
    expect(await dial(second, "b", OUTSIDE_ADDRESS, OUTSIDE_PORT)).toBe(outside.hostAddress);
  });

  test("the host is not, on none of its addresses", async () => {
    const gateway = (await addressIn(first, "a")).replace(/\.\d+$/, (last) => `.${Number(last.slice(1)) - 1}`);
    for (const address of [gateway, outside.hostAddress, "127.0.0.1", ...(await hostAddresses())]) {
      expect(await dial(first, "a", address, servicePort), address).toMatch(/^(timeout|E[A-Z]+)$/);
    }
  });

  test("another instance is not", async () => {
    const listen = `require("net").createServer((socket) => socket.end("reached")).listen(7000, "0.0.0.0");`;
    await second.evaluate("b", listen);
    const address = await addressIn(second, "b");
    expect(await dial(second, "b", address, 7000)).toBe("reached");
    expect(await dial(first, "a", address, 7000)).toBe("timeout");
  });

  test.each(["169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192"])(
    "%s, where a cloud keeps credentials, is not",
    async (address) => {
      await withTable(
        `chain forward {
        type filter hook forward priority 10; policy accept;
        ip daddr ${OUTSIDE_ADDRESS} counter
        ip daddr ${address} counter
      }`,
        async () => {
          expect(await dial(first, "a", OUTSIDE_ADDRESS, OUTSIDE_PORT)).toBe(outside.hostAddress);
          expect(await dial(first, "a", address, 80)).toMatch(/^(timeout|E[A-Z]+)$/);
          const [control, forwarded] = await packetsCounted();
          expect(control).toBeGreaterThan(0);
          expect(forwarded).toBe(0);
        },
      );
    },
  );

  test("what the host forwards to its own containers is not", async () => {
    const forwarding = `chain prerouting {
      type nat hook prerouting priority -100; policy accept;
      tcp dport ${FORWARDED_PORT} dnat ip to ${OUTSIDE_ADDRESS}:${OUTSIDE_PORT}
    }`;
    await withTable(forwarding, async () => {
      for (const address of [FORWARDED_ADDRESS, outside.hostAddress]) {
        expect(await dial(first, "a", address, FORWARDED_PORT), address).toBe("timeout");
      }
    });
  });

  test("names are looked up where the host does it, unless that is on loopback", async () => {
    const resolvConf = await first.evaluate("a", `return require("fs").readFileSync("/etc/resolv.conf", "utf8")`);
    expect(resolvConf).not.toContain("127.");
    const servers = readFileSync("/etc/resolv.conf", "utf8").match(/^nameserver (?!127\.)[\d.]+$/gm) ?? [];
    expect(resolvConf).toBe(servers.map((line) => `${line}\n`).join(""));
    expect(host.provider.isolation.includes("without names")).toBe(servers.length === 0);
  });

  test("an instance that opens connections without end is held to a number of them, alone", async () => {
    const greedy = await host.launch("i-3");
    await greedy.create("c");
    expect(await dial(greedy, "c", OUTSIDE_ADDRESS, OUTSIDE_PORT)).toBe(outside.hostAddress);
    await greedy.evaluate("c", OPEN_FLOWS);
    expect(await dial(greedy, "c", OUTSIDE_ADDRESS, OUTSIDE_PORT)).toBe("timeout");
    expect(await dial(first, "a", OUTSIDE_ADDRESS, OUTSIDE_PORT)).toBe(outside.hostAddress);
    await host.provider.terminate("i-3" as InstanceId);
  });

  test("the host and other instances are not, also when somebody flushed the host's rules", async () => {
    await second.evaluate(
      "b",
      `require("net").createServer((socket) => socket.end("reached")).listen(7001, "0.0.0.0");`,
    );
    const neighbour = await addressIn(second, "b");
    const gateway = (await addressIn(first, "a")).replace(/\.\d+$/, (last) => `.${Number(last.slice(1)) - 1}`);
    await runCommand("nft", ["delete", "table", "inet", `hearth_${dataIdOf(host.dataDir)}`]);
    expect(await dial(first, "a", neighbour, 7001)).toBe("timeout");
    for (const address of [gateway, outside.hostAddress, ...(await hostAddresses())]) {
      expect(await dial(first, "a", address, servicePort), address).toMatch(/^(timeout|E[A-Z]+)$/);
    }
  });
});

describe("without network", needsSandbox, () => {
  test("there is loopback and nothing else", async () => {
    const host = new SandboxHost();
    try {
      await host.open({ network: false });
      const instance = await host.launch("i-1");
      await instance.create("a");
      expect(await instance.evaluate("a", `return Object.keys(require("os").networkInterfaces())`)).toEqual(["lo"]);
      expect(await dial(instance, "a", OUTSIDE_ADDRESS, OUTSIDE_PORT)).toBe("ENETUNREACH");
      expect(host.provider.isolation).toContain("no network");
    } finally {
      await host.close();
    }
  });
});

/** One packet each to 20,000 ports, with pauses for the host to keep up. */
const OPEN_FLOWS = `
  const socket = require("dgram").createSocket("udp4").on("error", () => {});
  for (let port = 20_000; port < 40_000; port += 1) {
    socket.send("x", port, "${OUTSIDE_ADDRESS}", () => {});
    if (port % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  socket.close();`;

/** @returns what the other side said, `timeout`, or the error's code. */
function dial(instance: TestInstance, containerId: string, address: string, port: number): Promise<string> {
  return instance.evaluate(
    containerId,
    `return new Promise((resolve) => {
      const socket = require("net").connect({ host: "${address}", port: ${port}, timeout: 700 });
      socket.on("timeout", () => { socket.destroy(); resolve("timeout"); });
      socket.on("error", (error) => resolve(error.code));
      socket.on("data", (text) => resolve(String(text)));
    })`,
  );
}

function addressIn(instance: TestInstance, containerId: string): Promise<string> {
  return instance.evaluate(
    containerId,
    `return require("os").networkInterfaces().eth0.find((a) => a.family === "IPv4").address`,
  );
}

const TEST_TABLE = "network_of_instances_test";

/** Has the host's firewall follow another table too while `use` runs. */
async function withTable(chain: string, use: () => Promise<void>): Promise<void> {
  await runCommand("nft", ["-f", "-"], { input: `table inet ${TEST_TABLE} { ${chain}\n }` });
  try {
    await use();
  } finally {
    await runCommand("nft", ["delete", "table", "inet", TEST_TABLE]);
  }
}

/** Of the counters in the test's table, in their order. */
async function packetsCounted(): Promise<number[]> {
  const listing = await runCommand("nft", ["list", "table", "inet", TEST_TABLE]);
  return [...listing.matchAll(/counter packets (\d+)/g)].map((match) => Number(match[1]));
}

async function hostAddresses(): Promise<string[]> {
  const text = await runCommand("ip", ["-4", "-o", "addr", "show"]);
  return [...text.matchAll(/inet ([\d.]+)/g)].map((match) => match[1] as string);
}
