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
