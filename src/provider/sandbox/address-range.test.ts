import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addressesOf, chooseRange, formatAddress, parseRoutes, SLOTS_MAX } from "./address-range.ts";

const ROUTES = [
  "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
  "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0",
  "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
  "vpn\t00000A0A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0",
  "hab-1\t0400050A\t00000000\t0001\t0\t0\t0\tFCFFFFFF\t0\t0\t0",
].join("\n");

describe("the range of a data directory", () => {
  test("routes are read as the kernel prints them, without the default route and our own", () => {
    const routes = parseRoutes(ROUTES, "hab-").map(({ address, mask }) => [
      formatAddress(address),
      formatAddress(mask),
    ]);
    expect(routes).toEqual([
      ["192.0.2.0", "255.255.255.0"],
      ["10.10.0.0", "255.255.0.0"],
    ]);
  });

  test("it is where the seed says, or beside what is taken", () => {
    const routes = parseRoutes(ROUTES, "hab-");
    expect(formatAddress(chooseRange(5, routes)?.address ?? 0)).toBe("10.5.0.0");
    expect(formatAddress(chooseRange(10, routes)?.address ?? 0)).toBe("10.11.0.0");
  });

  test("none is left where all is taken", () => {
    expect(chooseRange(3, [{ address: 10 * 2 ** 24, mask: 0xff000000 }])).toBeUndefined();
  });

  test("addresses of instances are all different and within the range", () => {
    const slot = fc.integer({ min: 0, max: SLOTS_MAX - 1 });
    fc.assert(
      fc.property(fc.nat(), slot, slot, (seed, a, b) => {
        const range = chooseRange(seed, []);
        if (range === undefined) throw new Error("no range");
        const prefix = formatAddress(range.address).replace(/0\.0$/, "");
        const [first, second] = [addressesOf(range, a), addressesOf(range, b)];
        const addresses = new Set([first.host, first.instance, second.host, second.instance]);
        expect(addresses.size).toBe(a === b ? 2 : 4);
        for (const address of addresses) expect(address.startsWith(prefix)).toBe(true);
      }),
    );
  });
});
