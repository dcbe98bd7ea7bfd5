import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCommand } from "../../src/host/command.ts";
import { SandboxHost, type TestInstance } from "./sandbox-fixture/host.ts";
import { OUTSIDE_ADDRESS, OUTSIDE_PORT, startOutside } from "./sandbox-fixture/outside.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";

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

  test("link-local addresses, where clouds keep credentials, are not", async () => {
    expect(await dial(first, "a", "169.254.169.254", 80)).toMatch(/^(timeout|E[A-Z]+)$/);
  });

  test("names are looked up where the host does it, unless that is on loopback", async () => {
    const resolvConf = await first.evaluate("a", `return require("fs").readFileSync("/etc/resolv.conf", "utf8")`);
    expect(resolvConf).not.toContain("127.");
    const servers = readFileSync("/etc/resolv.conf", "utf8").match(/^nameserver (?!127\.)[\d.]+$/gm) ?? [];
    expect(resolvConf).toBe(servers.map((line) => `${line}\n`).join(""));
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

async function hostAddresses(): Promise<string[]> {
  const text = await runCommand("ip", ["-4", "-o", "addr", "show"]);
  return [...text.matchAll(/inet ([\d.]+)/g)].map((match) => match[1] as string);
}
