import { describe, expect, test } from "vitest";
import { skipUnless } from "../../../test/skip.ts";
import { findProgram, runCommand } from "../../host/command.ts";
import { type Firewall, hostRules, instanceRules, noHostRules } from "./firewall.ts";

const nft = await findProgram("nft");
const isRoot = process.platform === "linux" && process.getuid?.() === 0;

const FIREWALL: Firewall = {
  table: "hearth_rules_test",
  interfaces: "htest-*",
  range: { address: 0x0a050000, mask: 0xffff0000 },
  nameservers: ["169.254.169.254", "192.0.2.53"],
};

/** One packet to each: a nameserver, its other services, the host's own nameserver, the world. */
const SEND = `
  const socket = require("dgram").createSocket("udp4");
  const targets = [["169.254.169.254", 53], ["169.254.169.254", 80], ["192.0.2.1", 53], ["192.0.2.99", 80]];
  let left = targets.length;
  for (const [address, port] of targets) socket.send("x", port, address, () => --left === 0 && socket.close());`;

describe("the rules", skipUnless(isRoot && nft !== undefined, "needs Linux, root, and nft"), () => {
  /** Asks nft and the kernel, and changes nothing. */
  const check = (rules: string) => runCommand(nft as string, ["--check", "-f", "-"], { input: rules });

  test.each([
    ["of the host", hostRules(FIREWALL, true)],
    ["of the host where connections cannot be counted", hostRules(FIREWALL, false)],
    ["of a host without nameservers", hostRules({ ...FIREWALL, nameservers: [] }, true)],
    ["of an instance", instanceRules(FIREWALL, ["192.0.2.1", "10.5.0.1", "10.5.0.1"])],
    ["of an instance without nameservers", instanceRules({ ...FIREWALL, nameservers: [] }, [])],
    ["of nobody", noHostRules(FIREWALL.table)],
  ])("%s are taken by the kernel", async (_, rules) => {
    expect(await check(rules)).toBe("");
  });

  test("of an instance let names be looked up at a forbidden address, and nothing else there", async () => {
    const script = `set -e
      ip link set lo up
      ip link add eth0 type veth peer name other
      ip addr add 10.5.0.2/30 dev eth0
      ip link set eth0 up
      ip link set other up
      ip route add default via 10.5.0.1
      ip neigh add 10.5.0.1 lladdr 02:00:00:00:00:01 dev eth0
      nft -f -
      "$0" -e "$1"
      nft list chain inet seen out`;
    const seen = `table inet seen {
      chain out {
        type filter hook postrouting priority 0; policy accept;
        ip daddr 169.254.169.254 udp dport 53 counter
        ip daddr 169.254.169.254 udp dport 80 counter
        ip daddr 192.0.2.1 udp dport 53 counter
        ip daddr 192.0.2.99 udp dport 80 counter
      }
    }`;
    const listing = await runCommand("unshare", ["--net", "/bin/sh", "-c", script, process.execPath, SEND], {
      input: `${instanceRules(FIREWALL, ["192.0.2.1"])}\n${seen}\n`,
    });
    const packets = [...listing.matchAll(/counter packets (\d+)/g)].map((match) => Number(match[1]));
    expect(packets).toEqual([1, 0, 0, 1]);
  });

  test("differ in nothing else where connections cannot be counted", () => {
    const without = hostRules(FIREWALL, true)
      .split("\n")
      .filter((line) => !line.includes("ct count"));
    expect(
      hostRules(FIREWALL, false)
        .split("\n")
        .filter((line) => line.trim() !== ""),
    ).toEqual(without.filter((line) => line.trim() !== ""));
  });
});
