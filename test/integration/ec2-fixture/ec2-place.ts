import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EC2, type Instance } from "@aws-sdk/client-ec2";
import { type Ec2Settings, parseEc2Settings } from "../../../src/provider/ec2/ec2-settings.ts";
import { MotoServer } from "../moto-server.ts";
import { Ec2Proxy } from "./ec2-proxy.ts";

/** moto believes anybody; the SDK wants something to sign with. */
const CREDENTIALS = { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" };
export const REGION = "eu-west-1";
export const ZONES = ["eu-west-1a", "eu-west-1b"] as const;
export const ON_DEMAND_USD = { "m6i.large": 0.107, "m7i.large": 0.1123 } as const;

/** Has the SDK of this process, and of those that it starts, sign with the test's keys. */
export function useTestCredentials(): void {
  delete process.env["AWS_PROFILE"]; // It would go before them.
  Object.assign(process.env, CREDENTIALS);
}

/** An EC2 with a network and an image, seen through a proxy; and a data directory for the server that uses it. */
export class Ec2Place {
  readonly moto: MotoServer;
  readonly proxy: Ec2Proxy;
  /** Past the proxy: for what the operator or EC2 itself does. */
  readonly ec2: EC2;
  readonly dataDir = mkdtempSync(join(tmpdir(), "hearth-ec2-"));
  /** As an operator would write them. */
  #input: Record<string, unknown> = {};

  private constructor(moto: MotoServer, proxy: Ec2Proxy) {
    this.moto = moto;
    this.proxy = proxy;
    this.ec2 = new EC2({ region: REGION, endpoint: moto.url });
  }

  static async open(): Promise<Ec2Place> {
    useTestCredentials();
    const moto = await MotoServer.start();
    const place = new Ec2Place(moto, await Ec2Proxy.start(moto.url));
    await place.#furnish();
    return place;
  }

  async close(): Promise<void> {
    this.ec2.destroy();
    await this.proxy.stop();
    await this.moto.stop();
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  /** Of the settings file, with short intervals. */
  settingsInput(changes: Record<string, unknown> = {}): Record<string, unknown> {
    return { ...this.#input, ...changes };
  }

  settings(changes: Record<string, unknown> = {}): Ec2Settings {
    return parseEc2Settings(this.settingsInput(changes));
  }

  /** All machines, whosever they are, that are booting or up. */
  async running(): Promise<Instance[]> {
    return (await this.machines()).filter(({ State }) => ["pending", "running"].includes(State?.Name ?? ""));
  }

  async machines(): Promise<Instance[]> {
    const { Reservations = [] } = await this.ec2.describeInstances({});
    return Reservations.flatMap(({ Instances = [] }) => Instances);
  }

  /** What a machine would run at its first boot. */
  async userDataOf(machineId: string): Promise<string> {
    const { UserData } = await this.ec2.describeInstanceAttribute({ InstanceId: machineId, Attribute: "userData" });
    return Buffer.from(UserData?.Value ?? "", "base64").toString();
  }

  async #furnish(): Promise<void> {
    const { ec2 } = this;
    const { Vpc } = await ec2.createVpc({ CidrBlock: "10.0.0.0/16" });
    const VpcId = Vpc?.VpcId;
    const subnets: Record<string, string> = {};
    for (const [at, zone] of ZONES.entries()) {
      const { Subnet } = await ec2.createSubnet({ VpcId, CidrBlock: `10.0.${at}.0/24`, AvailabilityZone: zone });
      subnets[zone] = Subnet?.SubnetId ?? "";
    }
    const { GroupId } = await ec2.createSecurityGroup({ GroupName: "hearth", Description: "hearth", VpcId });
    const { Images = [] } = await ec2.describeImages({ Filters: [{ Name: "architecture", Values: ["x86_64"] }] });
    const image = Images.find(({ RootDeviceName }) => RootDeviceName !== undefined);
    this.#input = {
      region: REGION,
      endpoint: this.proxy.url,
      imageId: image?.ImageId,
      subnets,
      securityGroupIds: [GroupId],
      instanceTypes: Object.fromEntries(
        Object.entries(ON_DEMAND_USD).map(([type, onDemandUsdPerHour]) => [type, { onDemandUsdPerHour }]),
      ),
      setup: { kind: "prepared" },
      intervals: { pricesMs: 200, machinesMs: 200, requestMsMax: 10_000 },
    };
  }
}
