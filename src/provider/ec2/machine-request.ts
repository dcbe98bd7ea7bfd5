import { createHash } from "node:crypto";
import type {
  _InstanceType,
  RequestLaunchTemplateData,
  ResourceType,
  RunInstancesCommandInput,
} from "@aws-sdk/client-ec2";
import { HearthError } from "../../model/error-code.ts";
import type { LaunchOrder } from "../../ports/capacity-provider.ts";
import type { CapacityPool, Place } from "./capacity-pool.ts";
import type { Ec2Settings } from "./ec2-settings.ts";
import type { Image } from "./image.ts";
import { tagsOf } from "./machine.ts";

/** EC2 quotes spot prices with four to six digits. */
const PRICE_DIGITS = 6;

/** A machine to be: everything that is asked of EC2 about it. */
export type MachineLaunch = {
  readonly dataId: string;
  readonly order: LaunchOrder;
  readonly pool: CapacityPool;
  readonly image: Image;
  /** A shell script, see `user-data.ts`. */
  readonly userData: string;
};

/** Of a machine in one place. @throws HearthError LAUNCH_FAILED: no bid. */
export function runInstancesInput(
  settings: Ec2Settings,
  launch: MachineLaunch,
  place: Place,
): RunInstancesCommandInput {
  const { pool, order } = launch;
  return {
    ...whatItIs(settings, launch),
    MinCount: 1,
    MaxCount: 1,
    ClientToken: clientTokenOf(launch),
    InstanceType: place.instanceType as _InstanceType,
    SubnetId: settings.subnets[place.zone],
    TagSpecifications: taggedWith(
      launch,
      ["instance", "volume", "network-interface"],
      pool.terms === "spot" ? ["spot-instances-request"] : [],
    ),
    ...(pool.terms === "spot"
      ? {
          InstanceMarketOptions: {
            MarketType: "spot",
            SpotOptions: {
              MaxPrice: bidOf(place, order.bidUsdPerHour),
              SpotInstanceType: "one-time",
              InstanceInterruptionBehavior: "terminate",
            },
          },
        }
      : {}),
  };
}

/** Of a machine whose place EC2 chooses. */
export function launchTemplateData(settings: Ec2Settings, launch: MachineLaunch): RequestLaunchTemplateData {
  return {
    ...whatItIs(settings, launch),
    TagSpecifications: taggedWith(launch, ["volume", "network-interface"]),
  };
}

function whatItIs(settings: Ec2Settings, { image, userData }: MachineLaunch) {
  const { imageId, securityGroupIds, keyName, instanceProfile, diskGiB } = settings;
  return {
    ImageId: imageId,
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
  } satisfies RequestLaunchTemplateData;
}

/** The same tags on several things. */
export function taggedWith({ dataId, order }: MachineLaunch, ...types: readonly (readonly ResourceType[])[]) {
  const Tags = tagsOf(dataId, order.instanceId);
  return types.flat().map((ResourceType) => ({ ResourceType, Tags }));
}

/**
 * What is bid for spot in a place: the order's, and never more than on-demand costs there.
 * @throws HearthError LAUNCH_FAILED: it is no bid.
 */
export function bidOf({ onDemandUsdPerHour }: Place, bidUsdPerHour: number | undefined): string {
  const bid = Math.min(bidUsdPerHour ?? onDemandUsdPerHour, onDemandUsdPerHour);
  if (!(bid >= 10 ** -PRICE_DIGITS)) throw new HearthError("LAUNCH_FAILED", `EC2 takes no bid of ${bidUsdPerHour} USD`);
  return bid.toFixed(PRICE_DIGITS);
}

/** Instance ids are unique in a data directory only; a client token must be in the whole AWS account. At most 64 characters. */
export function clientTokenOf({ dataId, order }: MachineLaunch): string {
  return createHash("sha256").update(`${dataId} ${order.instanceId}`).digest("hex");
}

function profileOf(instanceProfile: string) {
  return instanceProfile.startsWith("arn:") ? { Arn: instanceProfile } : { Name: instanceProfile };
}
