import { runCommand } from "../../../src/host/command.ts";

/** Of the benchmarking range of RFC 2544, which nobody routes. */
const PREFIX = "198.19.77";
const BRIDGE = "hearth-lan";

/**
 * A local network with machines on it, played by network namespaces that have addresses of their own; the test's own
 * machine is on it as `address`. One at a time.
 */
export class TestNetwork {
  readonly address = `${PREFIX}.1`;
  readonly #names: string[] = [];

  static async open(): Promise<TestNetwork> {
    const network = new TestNetwork();
    // Of a test run that was killed.
    await network.#remove();
    await ip("link", "add", BRIDGE, "type", "bridge");
    await ip("addr", "add", `${network.address}/24`, "dev", BRIDGE);
    await ip("link", "set", BRIDGE, "up");
    return network;
  }

  /** @returns the namespace of a new machine. */
  async addMachine(): Promise<string> {
    const number = this.#names.length + 1;
    const name = namespaceOf(number);
    await ip("netns", "add", name);
    await ip("link", "add", cableOf(name), "type", "veth", "peer", "name", "eth0", "netns", name);
    await ip("link", "set", cableOf(name), "master", BRIDGE, "up");
    await ip("-n", name, "addr", "add", `${PREFIX}.${10 + number}/24`, "dev", "eth0");
    await ip("-n", name, "link", "set", "eth0", "up");
    await ip("-n", name, "link", "set", "lo", "up");
    await ip("-n", name, "route", "add", "default", "via", this.address);
    this.#names.push(name);
    return name;
  }

  /** Pulls a machine's cable: nothing is delivered, nobody is told. */
  async cut(name: string): Promise<void> {
    await ip("link", "set", cableOf(name), "down");
  }

  async mend(name: string): Promise<void> {
    await ip("link", "set", cableOf(name), "up");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#remove();
  }

  async #remove(): Promise<void> {
    const namespaces = (await ip("netns", "list")).split("\n").map((line) => line.split(" ")[0] ?? "");
    for (const name of namespaces.filter((each) => each.startsWith(NAMESPACE_PREFIX))) await ip("netns", "del", name);
    if ((await ip("-o", "link", "show", "type", "bridge")).includes(` ${BRIDGE}:`)) await ip("link", "del", BRIDGE);
  }
}

const NAMESPACE_PREFIX = "hearth-machine-";

function namespaceOf(number: number): string {
  return `${NAMESPACE_PREFIX}${number}`;
}

/** The end outside. Names of interfaces have at most 15 characters. */
function cableOf(name: string): string {
  return `hearth-c${name.slice(NAMESPACE_PREFIX.length)}`;
}

function ip(...args: string[]): Promise<string> {
  return runCommand("ip", args);
}
