import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hostAddresses, hostNameservers } from "./host-addresses.ts";

describe("nameservers for instances", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "hearth-resolv-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const conf = (name: string, ...servers: string[]) => {
    const path = join(directory, name);
    writeFileSync(path, servers.map((server) => `nameserver ${server}\n`).join(""));
    return path;
  };

  test("are the host's, by IPv4", () => {
    const path = conf("a", "198.51.100.53", "2001:db8::53", "169.254.169.254", "nonsense;drop");
    expect(hostNameservers([path])).toEqual(["198.51.100.53", "169.254.169.254"]);
  });

  test("are what the host's own cache asks", () => {
    const files = [join(directory, "missing"), conf("stub", "127.0.0.53"), conf("real", "198.51.100.53")];
    expect(hostNameservers(files)).toEqual(["198.51.100.53"]);
  });

  test("are none if they are on the host itself", () => {
    const own = hostAddresses();
    expect(hostNameservers([conf("a", "127.0.0.1", "0.0.0.0", ...own)])).toEqual([]);
  });
});

test("addresses of the host without some interfaces", () => {
  expect(hostAddresses()).toContain("127.0.0.1");
  const loopback = Object.entries(networkInterfaces()).find(([, list]) => list?.some((a) => a.address === "127.0.0.1"));
  expect(hostAddresses(loopback?.[0])).not.toContain("127.0.0.1");
});
