import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { findProgram, runCommand } from "../../host/command.ts";
import { addressesOf, chooseRange, type Network4, parseRoutes } from "./address-range.ts";
import { seedOf } from "./data-id.ts";
import { firewallRules, noFirewallRules } from "./firewall.ts";

const IP_FORWARD = "/proc/sys/net/ipv4/ip_forward";
/** Says that forwarding was off before the first server; like the setting itself, it does not outlive a reboot. */
const FORWARDING_MARK = "/run/hearth-forwarding-was-off";
const INTERFACE_INSIDE = "eth0";
const MTU_DEFAULT = 1500;

type Programs = { readonly ip: string; readonly nft: string; readonly nsenter: string };

/** Programs of the host that the network needs and that are missing. */
export async function missingNetworkPrograms(): Promise<string[]> {
  const names = ["ip", "nft", "nsenter"];
  const paths = await Promise.all(names.map((name) => findProgram(name)));
  return names.filter((_, index) => paths[index] === undefined);
}

/**
 * Connects instances to the world: each has an interface pair, one end in its network namespace,
 * an address of its own, and goes out behind the host's address. Interfaces vanish with the
 * instance's network namespace; `close` takes back the rest.
 */
export class SandboxNetwork {
  readonly #dataId: string;
  readonly #range: Network4;
  readonly #programs: Programs;

  private constructor(dataId: string, range: Network4, programs: Programs) {
    this.#dataId = dataId;
    this.#range = range;
    this.#programs = programs;
  }

  /**
   * Sets up forwarding and the firewall; repeated by a server that takes over running instances.
   *
   * @throws Error naming what is missing or refused.
   */
  static async open(dataId: string): Promise<SandboxNetwork> {
    const [ip, nft, nsenter] = await Promise.all(["ip", "nft", "nsenter"].map((name) => findProgram(name)));
    if (ip === undefined || nft === undefined || nsenter === undefined)
      throw new Error("ip, nft or nsenter is missing");
    const routes = parseRoutes(readFileSync("/proc/net/route", "utf8"), interfacePrefix(dataId));
    const range = chooseRange(seedOf(dataId), routes);
    if (range === undefined) throw new Error("routes of the host cover all of 10.0.0.0/8");
    const network = new SandboxNetwork(dataId, range, { ip, nft, nsenter });
    await runCommand(nft, ["-f", "-"], { input: firewallRules(tableOf(dataId), `${interfacePrefix(dataId)}*`, range) });
    network.#switchForwardingOn();
    return network;
  }

  /** Gives the network namespace of process `pid` its interface, address and default route. */
  async connect(slot: number, pid: number): Promise<void> {
    const { ip, nsenter } = this.#programs;
    const name = this.#interfaceOf(slot);
    const { host, instance } = addressesOf(this.#range, slot);
    const mtu = hostMtu();
    await this.disconnect(slot);
    const outside = [
      `link add ${name} mtu ${mtu} type veth peer name ${INTERFACE_INSIDE} mtu ${mtu} netns ${pid}`,
      `addr add ${host}/30 dev ${name}`,
      `link set ${name} up`,
    ];
    await runCommand(ip, ["-batch", "-"], { input: lines(outside) });
    const inside = [
      "link set lo up",
      `addr add ${instance}/30 dev ${INTERFACE_INSIDE}`,
      `link set ${INTERFACE_INSIDE} up`,
      `route add default via ${host}`,
    ];
    await runCommand(nsenter, [`--net=/proc/${pid}/ns/net`, ip, "-batch", "-"], { input: lines(inside) });
  }

  /** Idempotent. The kernel removes the interface by itself, but only some time after the namespace's last process. */
  async disconnect(slot: number): Promise<void> {
    try {
      await runCommand(this.#programs.ip, ["link", "del", this.#interfaceOf(slot)]);
    } catch (error) {
      if (!String(error).includes("Cannot find device")) throw error;
    }
  }

  async close(): Promise<void> {
    await runCommand(this.#programs.nft, ["-f", "-"], { input: noFirewallRules(tableOf(this.#dataId)) });
    await this.#switchForwardingBack();
  }

  #interfaceOf(slot: number): string {
    return `${interfacePrefix(this.#dataId)}${slot}`;
  }

  #switchForwardingOn(): void {
    if (readFileSync(IP_FORWARD, "utf8").trim() !== "0") return;
    writeFileSync(FORWARDING_MARK, "was 0\n");
    writeFileSync(IP_FORWARD, "1");
  }

  /** The last one does: servers of other data directories may rely on it. */
  async #switchForwardingBack(): Promise<void> {
    try {
      readFileSync(FORWARDING_MARK);
    } catch {
      return; // It was on before us.
    }
    const tables = await runCommand(this.#programs.nft, ["list", "tables", "inet"]);
    if (tables.includes(TABLE_PREFIX)) return;
    writeFileSync(IP_FORWARD, "0");
    rmSync(FORWARDING_MARK, { force: true });
  }
}

/** Where a host with systemd's local cache keeps the nameservers that the cache asks. */
const RESOLV_CONFS = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/** Nameservers of the host that an instance can reach too; none if the host has none but its own cache. */
export function hostNameservers(): string[] {
  const found = RESOLV_CONFS.filter((path) => existsSync(path)).map((path) =>
    parseNameservers(readFileSync(path, "utf8")),
  );
  return found.find((servers) => servers.length > 0) ?? [];
}

/** Those on loopback are left out: an instance cannot talk to the host itself. */
function parseNameservers(resolvConf: string): string[] {
  const servers = [...resolvConf.matchAll(/^nameserver\s+(\S+)/gm)].map((match) => match[1] as string);
  return servers.filter((server) => !server.startsWith("127.") && !server.includes(":"));
}

const TABLE_PREFIX = "hearth_";

function tableOf(dataId: string): string {
  return `${TABLE_PREFIX}${dataId}`;
}

/** Names of interfaces have at most 15 characters: `h`, 8 digits, `-`, the slot. */
function interfacePrefix(dataId: string): string {
  return `h${dataId}-`;
}

/** Of the interface with the default route: larger packets would be lost where path MTU discovery is blocked. */
function hostMtu(): number {
  const route = readFileSync("/proc/net/route", "utf8")
    .split("\n")
    .map((line) => line.split("\t"))
    .find(([, destination, , , , , , mask]) => destination === "00000000" && mask === "00000000");
  if (route?.[0] === undefined) return MTU_DEFAULT;
  return Number(readFileSync(`/sys/class/net/${route[0]}/mtu`, "utf8"));
}

function lines(commands: readonly string[]): string {
  return `${commands.join("\n")}\n`;
}
