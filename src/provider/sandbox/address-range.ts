/** IPv4 networks as numbers: the address and the bits that count. */
export type Network4 = { readonly address: number; readonly mask: number };

/** Instances of one data directory; each takes four addresses out of a /16. */
export const SLOTS_MAX = 1024;
const RANGES = 256;
const MASK_16 = 0xffff0000;

/**
 * Chooses the /16 below 10.0.0.0/8 that this data directory's instances take their addresses
 * from: always the same one, unless a route of the host leads there.
 *
 * @param seed any number that belongs to the data directory.
 * @returns undefined if routes cover all of 10.0.0.0/8.
 */
export function chooseRange(seed: number, routes: readonly Network4[]): Network4 | undefined {
  for (let attempt = 0; attempt < RANGES; attempt += 1) {
    const second = (seed + attempt) % RANGES;
    const range = { address: (10 * 2 ** 24 + second * 2 ** 16) >>> 0, mask: MASK_16 };
    if (!routes.some((route) => overlap(range, route))) return range;
  }
  return undefined;
}

/**
 * Reads /proc/net/route; default routes and those of our own interfaces are left out.
 * @param ownPrefix what names of our interfaces begin with.
 */
export function parseRoutes(text: string, ownPrefix: string): Network4[] {
  return text
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.split("\t"))
    .filter(([name, , , , , , , mask]) => name?.startsWith(ownPrefix) === false && mask !== "00000000")
    .map((fields) => ({ address: parseHostOrder(fields[1]), mask: parseHostOrder(fields[7]) }));
}

/** The two usable addresses of an instance's /30. */
export function addressesOf(range: Network4, slot: number): { readonly host: string; readonly instance: string } {
  const base = range.address + slot * 4;
  return { host: formatAddress(base + 1), instance: formatAddress(base + 2) };
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join(".");
}

function overlap(a: Network4, b: Network4): boolean {
  const mask = (a.mask & b.mask) >>> 0;
  return (a.address & mask) >>> 0 === (b.address & mask) >>> 0;
}

/** The kernel prints the four bytes as a number of this (little-endian) machine. */
function parseHostOrder(hex = "0"): number {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(Number.parseInt(hex, 16));
  return bytes.readUInt32BE();
}
