import { mkdtempDisposableSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseEc2Settings, readEc2Settings } from "./ec2-settings.ts";

const GOOD = {
  region: "eu-west-1",
  imageId: "ami-0123456789abcdef0",
  subnets: { "eu-west-1a": "subnet-0123456789abcdef0" },
  securityGroupIds: ["sg-0123456789abcdef0"],
  instanceTypes: { "m7i.large": { onDemandUsdPerHour: 0.1123 } },
  setup: { kind: "prepared" },
};
const SHA256 = "0".repeat(64);

describe("EC2 settings", () => {
  test("have defaults that are safe", () => {
    expect(parseEc2Settings(GOOD)).toMatchObject({
      terms: ["on-demand", "spot"],
      machinesMax: 20,
      setup: { hearthPath: "/opt/hearth/app/bin/hearth.mjs" },
      intervals: { pricesMs: 60_000, machinesMs: 15_000, joinMsMax: 600_000 },
    });
  });

  test.each([
    ["region", "Ireland", /region: give a region, such as eu-west-1/],
    ["endpoint", "file:///etc/passwd", /endpoint: give the http or https URL/],
    ["imageId", "debian-13", /imageId: .*describe-images/],
    ["subnets", {}, /subnets: give at least one zone/],
    ["subnets", { "eu-west-1a": "vpc-1" }, /subnets\["eu-west-1a"\]: .*describe-subnets/],
    ["subnets", { first: "subnet-0123456789abcdef0" }, /subnets.first: name each subnet by its zone/],
    ["securityGroupIds", [], /securityGroupIds: give at least one/],
    ["securityGroupIds", ["default"], /securityGroupIds\[0\]: /],
    ["instanceTypes", ["m7i.large"], /instanceTypes: give the types with their prices/],
    ["instanceTypes", { "m7i.large": {} }, /instanceTypes\["m7i.large"\].onDemandUsdPerHour: give the on-demand price/],
    ["instanceTypes", { "m7i.large": { onDemandUsdPerHour: -1 } }, /give a price above zero/],
    ["instanceTypes", { "m7i.large": { onDemandUsdPerHour: Number.NaN } }, /give the on-demand price/],
    ["groups", { large: ["m6i.large"] }, /groups.large\[0\]: give m6i.large with its price/],
    ["groups", { a: ["m7i.large"], b: ["m7i.large"] }, /groups.b\[0\]: m7i.large can be in one group only/],
    ["groups", { "m7i.large": ["m7i.large"] }, /groups\["m7i.large"\]: .*small letters/],
    ["groups", { a: [] }, /groups.a: give the types/],
    ["terms", ["reserved"], /terms\[0\]: give "on-demand", "spot" or both/],
    ["machinesMax", 0, /machinesMax: give at least 1/],
    ["serverAddress", "hearth", /serverAddress: give HOST:PORT/],
    ["setup", { kind: "magic" }, /setup\S*: give "prepared"/],
    ["setup", { kind: "prepared", hearthPath: "/opt/x; reboot" }, /setup.hearthPath: give an absolute path/],
    ["setup", { kind: "debian", node: { url: "ftp://x/y", sha256: SHA256 } }, /setup.node.url: give an http/],
    ["intervals", { machinesMs: 1 }, /intervals.machinesMs: /],
    ["secretAccessKey", "abc", /secretAccessKey/],
  ])("a bad %s (%j) is named with its remedy", (field, value, says) => {
    expect(() => parseEc2Settings({ ...GOOD, [field]: value })).toThrow(says);
  });

  test("all faults are told at once", () => {
    expect(() => parseEc2Settings({ ...GOOD, region: 5, imageId: undefined })).toThrow(/region: .*; imageId: /);
    expect(() => parseEc2Settings(null)).toThrow(/the file: /);
  });

  test("a file that is not there, or no JSON, is named", async () => {
    using directory = mkdtempDisposableSync(join(tmpdir(), "hearth-ec2-settings-"));
    const path = join(directory.path, "ec2.json");
    await expect(readEc2Settings(path)).rejects.toMatchObject({
      code: "PROVIDER_UNAVAILABLE",
      message: expect.stringContaining(path),
    });
    writeFileSync(path, "{,}");
    await expect(readEc2Settings(path)).rejects.toThrow(path);
    writeFileSync(path, JSON.stringify(GOOD));
    expect(await readEc2Settings(path)).toMatchObject({ region: "eu-west-1" });
  });
});
