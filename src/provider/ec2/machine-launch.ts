import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { _InstanceType, ResourceType, RunInstancesCommandInput } from "@aws-sdk/client-ec2";
import { HearthError } from "../../model/error-code.ts";
import type { InstanceId } from "../../model/ids.ts";
import type { LaunchOrder } from "../../ports/capacity-provider.ts";
import type { CapacityPool } from "./capacity-pool.ts";
import type { Ec2Client } from "./ec2-client.ts";
import { launchError, launchFaultOf } from "./ec2-error.ts";
import type { Ec2Settings } from "./ec2-settings.ts";
import type { Image } from "./image.ts";
import { isNotEnded, readMachines, tagsOf } from "./machine.ts";

/** How often a launch whose outcome is unclear is asked for before it is given up. */
const TRIES_MAX = 3;
const PAUSE_MS = 1_000;
/** EC2 quotes spot prices in hundredths of a thousandth of a cent at the finest. */
const PRICE_DIGITS = 6;

export type MachineLaunch = {
  readonly dataId: string;
  readonly order: LaunchOrder;
  readonly pool: CapacityPool;
  readonly image: Image;
  /** A shell script, see `user-data.ts`. */
  readonly userData: string;
};

/**
 * Launches the machine of an order, or finds the one that an earlier attempt launched: by its tags before each
 * attempt, and EC2 itself by the client token, so that a lost answer makes no second machine.
 *
 * @returns EC2's id of it.
 * @throws HearthError INSUFFICIENT_CAPACITY or LAUNCH_FAILED, with what EC2 said and the remedy.
 */
export async function launchMachine(client: Ec2Client, settings: Ec2Settings, launch: MachineLaunch): Promise<string> {
  const request = requestOf(settings, launch);
  for (let tries = 1; ; tries++) {
    try {
      const found = await findMachine(client, launch);
      if (found !== undefined) return found;
      const { Instances = [] } = await client.call(() => client.once.runInstances(request));
      const machineId = Instances[0]?.InstanceId;
      if (machineId !== undefined) return machineId;
      throw new Error("the answer names no instance");
    } catch (error) {
      if (launchFaultOf(error).kind !== "unclear" || tries === TRIES_MAX) throw launchError(error);
      await delay(PAUSE_MS * 2 ** (tries - 1));
    }
  }
}

/**
 * Terminates all machines of an instance; resolves when EC2 has taken it on. Idempotent.
 *
 * @param machineId one that EC2 may not list yet; undefined: none is known.
 * @throws the SDK's error.
 */
export async function endMachines(
  client: Ec2Client,
  dataId: string,
  instanceId: InstanceId,
  machineId?: string,
): Promise<void> {
  const machines = await readMachines(client, dataId, instanceId);
  const isUnlisted = machineId !== undefined && !machines.some((machine) => machine.machineId === machineId);
  const listed = machines.filter(isNotEnded).map((machine) => machine.machineId);
  const InstanceIds = isUnlisted ? [...listed, machineId] : listed;
  if (InstanceIds.length === 0) return;
  await client
    .call(() => client.ec2.terminateInstances({ InstanceIds }))
    .catch((error: unknown) => {
      // Not listed, and not known by its id: it shows later, as a stray, or is gone for long.
      if (!isUnlisted || (error as Error).name !== "InvalidInstanceID.NotFound") throw error;
    });
}

async function findMachine(client: Ec2Client, { dataId, order }: MachineLaunch): Promise<string | undefined> {
  return (await readMachines(client, dataId, order.instanceId)).find(isNotEnded)?.machineId;
}

function requestOf(
  settings: Ec2Settings,
  { dataId, order, pool, image, userData }: MachineLaunch,
): RunInstancesCommandInput {
  const { imageId, subnets, securityGroupIds, keyName, instanceProfile, diskGiB } = settings;
  const Tags = tagsOf(dataId, order.instanceId);
  const tagged: ResourceType[] = ["instance", "volume", "network-interface"];
  const spot = pool.terms === "spot";
  return {
    MinCount: 1,
    MaxCount: 1,
    ClientToken: clientTokenOf(dataId, order.instanceId),
    ImageId: imageId,
    InstanceType: pool.instanceType as _InstanceType,
    SubnetId: subnets[pool.zone],
    SecurityGroupIds: securityGroupIds,
    KeyName: keyName,
    IamInstanceProfile: instanceProfile === undefined ? undefined : profileOf(instanceProfile),
    UserData: Buffer.from(userData).toString("base64"),
    // A machine that has nothing to do any more powers off, and is gone with its disk.
    InstanceInitiatedShutdownBehavior: "terminate",
    // One hop: the machine itself, not what it forwards for its containers.
    MetadataOptions: { HttpEndpoint: "enabled", HttpTokens: "required", HttpPutResponseHopLimit: 1 },
    BlockDeviceMappings: [
      { DeviceName: image.rootDevice, Ebs: { VolumeSize: diskGiB, VolumeType: "gp3", DeleteOnTermination: true } },
    ],
    TagSpecifications: [...tagged, ...(spot ? (["spot-instances-request"] as const) : [])].map((ResourceType) => ({
      ResourceType,
      Tags,
    })),
    ...(spot
      ? {
          InstanceMarketOptions: {
            MarketType: "spot",
            SpotOptions: {
              MaxPrice: bidOf(pool, order.bidUsdPerHour).toFixed(PRICE_DIGITS),
              SpotInstanceType: "one-time",
              InstanceInterruptionBehavior: "terminate",
            },
          },
        }
      : {}),
  };
}

/** What is bid for spot: the order's, and never more than on-demand costs. @throws HearthError LAUNCH_FAILED: it is no bid. */
export function bidOf({ onDemandUsdPerHour }: CapacityPool, bidUsdPerHour: number | undefined): number {
  const bid = Math.min(bidUsdPerHour ?? onDemandUsdPerHour, onDemandUsdPerHour);
  if (!(bid >= 10 ** -PRICE_DIGITS)) throw new HearthError("LAUNCH_FAILED", `EC2 takes no bid of ${bidUsdPerHour} USD`);
  return bid;
}

/** Instance ids are unique in a data directory only; a client token must be in the whole AWS account. At most 64 characters. */
function clientTokenOf(dataId: string, instanceId: string): string {
  return createHash("sha256").update(`${dataId} ${instanceId}`).digest("hex");
}

function profileOf(instanceProfile: string) {
  return instanceProfile.startsWith("arn:") ? { Arn: instanceProfile } : { Name: instanceProfile };
}
