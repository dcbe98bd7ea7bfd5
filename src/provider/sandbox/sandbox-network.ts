import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { findProgram, runCommand } from "../../host/command.ts";
import { addressesOf, chooseRange, parseRoutes } from "./address-range.ts";
import { seedOf } from "./data-id.ts";
import { type Firewall, hostRules, instanceRules, noHostRules } from "./firewall.ts";
import { hostAddresses, hostNameservers } from "./host-addresses.ts";

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
  /** Whether the firewall holds each instance to a number of tracked connections. Not every kernel can count them. */
  readonly boundsConnections: boolean;
  readonly #dataId: string;
  readonly #firewall: Firewall;
  readonly #programs: Programs;

  private constructor(dataId: string, firewall: Firewall, programs: Programs, boundsConnections: boolean) {
    this.#dataId = dataId;
    this.#firewall = firewall;
    this.#programs = programs;
    this.boundsConnections = boundsConnections;
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
    const interfaces = `${interfacePrefix(dataId)}*`;
    const firewall: Firewall = { table: tableOf(dataId), interfaces, range, nameservers: hostNameservers() };
    const boundsConnections = await setHostRules(nft, firewall);
    const network = new SandboxNetwork(dataId, firewall, { ip, nft, nsenter }, boundsConnections);
    network.#switchForwardingOn();
    return network;
  }

  get nameservers(): readonly string[] {
    return this.#firewall.nameservers;
  }

  /** Gives the network namespace of process `pid` its interface, address and default route. */
  async connect(slot: number, pid: number): Promise<void> {
    const { ip, nft, nsenter } = this.#programs;
    const name = this.#interfaceOf(slot);
    const { host, instance } = addressesOf(this.#firewall.range, slot);
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
    const enter = `--net=/proc/${pid}/ns/net`;
    const rules = instanceRules(this.#firewall, [host, ...hostAddresses(interfacePrefix(this.#dataId))]);
    await runCommand(nsenter, [enter, nft, "-f", "-"], { input: rules });
    await runCommand(nsenter, [enter, ip, "-batch", "-"], { input: lines(inside) });
  }

  /** Idempotent. The kernel removes the interface by itself, but only some time after the namespace's last process. */
  async disconnect(slot: number): Promise<void> {
    try {
      await runCommand(this.#programs.ip, ["link", "del", this.#interfaceOf(slot)]);
    } catch (error) {
      // The second: the kernel removed it while we looked.
      if (!/Cannot find device|No such device/.test(String(error))) throw error;
    }
  }

  async close(): Promise<void> {
    await runCommand(this.#programs.nft, ["-f", "-"], { input: noHostRules(tableOf(this.#dataId)) });
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

/** All rules or none are taken. @returns whether connections are bounded. */
async function setHostRules(nft: string, firewall: Firewall): Promise<boolean> {
  try {
    await runCommand(nft, ["-f", "-"], { input: hostRules(firewall, true) });
    return true;
  } catch {
    await runCommand(nft, ["-f", "-"], { input: hostRules(firewall, false) });
    return false;
  }
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
