import { existsSync, readFileSync } from "node:fs";
import { isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";

/** Where a host with systemd's local cache keeps the nameservers that the cache asks. */
const RESOLV_CONFS = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/**
 * IPv4 nameservers of the host that an instance can reach too. Those on the host itself are left
 * out, for an instance cannot talk to it: none if the host has none but its own cache.
 */
export function hostNameservers(resolvConfs: readonly string[] = RESOLV_CONFS): string[] {
  const own = hostAddresses();
  const isOfHost = (server: string) => server.startsWith("127.") || server === "0.0.0.0" || own.includes(server);
  const found = resolvConfs
    .filter((path) => existsSync(path))
    .map((path) => parseNameservers(readFileSync(path, "utf8")).filter((server) => !isOfHost(server)));
  return found.find((servers) => servers.length > 0) ?? [];
}

/** @param exceptPrefix interfaces whose names begin so are left out. */
export function hostAddresses(exceptPrefix?: string): string[] {
  return Object.entries(networkInterfaces())
    .filter(([name]) => exceptPrefix === undefined || !name.startsWith(exceptPrefix))
    .flatMap(([, addresses = []]) => addresses)
    .filter(({ family }) => family === "IPv4")
    .map(({ address }) => address);
}

function parseNameservers(resolvConf: string): string[] {
  return [...resolvConf.matchAll(/^nameserver\s+(\S+)/gm)].map((match) => match[1] as string).filter((s) => isIPv4(s));
}
