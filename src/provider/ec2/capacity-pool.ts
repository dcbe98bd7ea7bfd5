import type { ArchitectureType } from "@aws-sdk/client-ec2";
import type { Offer } from "../../model/capacity.ts";
import { HearthError } from "../../model/error-code.ts";
import type { OfferId } from "../../model/ids.ts";
import type { Shape } from "../../model/instance.ts";
import type { Ec2Client } from "./ec2-client.ts";
import type { Ec2Settings, Ec2Terms } from "./ec2-settings.ts";

/** One type × zone × terms: what EC2 calls a capacity pool, and the fixed half of an offer. */
export type CapacityPool = {
  readonly offerId: OfferId;
  readonly instanceType: string;
  readonly zone: string;
  readonly terms: Ec2Terms;
  readonly shape: Shape;
  readonly onDemandUsdPerHour: number;
};

/** Two minutes, best effort: "Spot Instance interruption notices" of the EC2 user guide. */
const SPOT_NOTICE_MS = 120_000;
/** Firmware and kernel take this share of the memory that EC2 names; Karpenter's default reckons the same. */
const MEMORY_SHARE_LOST = 0.075;
/** The operating system, the host agent, and the agent with the runtimes' files in the page cache. */
const SYSTEM_MEMORY_MIB = 768;
/** Lambda's smallest function, twice: less is not worth a machine. */
const SHAPE_MEMORY_MIB_MIN = 256;

/** What containers get of a machine with so much memory by EC2's list. */
export function shapeOf(memoryMiB: number, cpuCount: number): Shape {
  return {
    memoryMiB: Math.floor(memoryMiB * (1 - MEMORY_SHARE_LOST)) - SYSTEM_MEMORY_MIB,
    cpuMilli: cpuCount * 1000,
  };
}

/**
 * The pools that the settings allow and EC2 has: a type that a zone does not know is left out there.
 *
 * @throws HearthError PROVIDER_UNAVAILABLE: image, types and zones do not fit together; the SDK's error.
 */
export async function readCapacityPools(
  client: Ec2Client,
  settings: Ec2Settings,
  architecture: ArchitectureType,
): Promise<CapacityPool[]> {
  const { ec2, pages } = client;
  const zones = Object.keys(settings.subnets);
  const types = Object.keys(settings.instanceTypes);
  await checkSubnets(client, settings);
  const byType = (Values: string[]) => [{ Name: "instance-type", Values }];
  // By filter, not by name: a list of names cannot be read in pages, and one wrong name would hide the others.
  const infos = (await pages((token) => ec2.describeInstanceTypes({ ...token, Filters: byType(types) }))).flatMap(
    ({ InstanceTypes = [] }) => InstanceTypes,
  );
  const offerings = (
    await pages((token) =>
      ec2.describeInstanceTypeOfferings({ ...token, LocationType: "availability-zone", Filters: byType(types) }),
    )
  ).flatMap(({ InstanceTypeOfferings = [] }) => InstanceTypeOfferings);
  const isOffered = new Set(offerings.map(({ InstanceType, Location }) => `${InstanceType}/${Location}`));

  const pools = types.flatMap((instanceType) => {
    const info = infos.find(({ InstanceType }) => InstanceType === instanceType);
    const complain = (what: string) =>
      new HearthError("PROVIDER_UNAVAILABLE", `EC2 settings: instanceTypes["${instanceType}"]: ${what}`);
    if (info === undefined) throw complain(`${settings.region} has no such type; correct or remove it`);
    if (info.ProcessorInfo?.SupportedArchitectures?.includes(architecture) === false)
      throw complain(`it does not run images for ${architecture}, which ${settings.imageId} is; remove it`);
    const shape = shapeOf(info.MemoryInfo?.SizeInMiB ?? 0, info.VCpuInfo?.DefaultVCpus ?? 1);
    if (shape.memoryMiB < SHAPE_MEMORY_MIB_MIN) throw complain("it has too little memory; take a larger one");
    const onDemandUsdPerHour = settings.instanceTypes[instanceType]?.onDemandUsdPerHour ?? Number.NaN;
    return zones
      .filter((zone) => isOffered.has(`${instanceType}/${zone}`))
      .flatMap((zone) =>
        settings.terms
          .filter((terms) => info.SupportedUsageClasses?.includes(terms) !== false)
          .map((terms) => {
            const offerId = `ec2/${zone}/${instanceType}/${terms}` as OfferId;
            return { offerId, instanceType, zone, terms, shape, onDemandUsdPerHour };
          }),
      );
  });
  if (pools.length > 0) return pools;
  throw new HearthError(
    "PROVIDER_UNAVAILABLE",
    `EC2 settings: none of ${types.join(", ")} is to be had in ${zones.join(", ")}; add types or zones`,
  );
}

/** A subnet of another zone would launch there, at another price. */
async function checkSubnets({ ec2, call }: Ec2Client, { subnets }: Ec2Settings): Promise<void> {
  const { Subnets = [] } = await call(() => ec2.describeSubnets({ SubnetIds: Object.values(subnets) }));
  for (const [zone, subnetId] of Object.entries(subnets)) {
    const found = Subnets.find(({ SubnetId }) => SubnetId === subnetId);
    if (found?.AvailabilityZone === zone) continue;
    const where = found === undefined ? "is not there" : `is in ${found.AvailabilityZone}`;
    throw new HearthError(
      "PROVIDER_UNAVAILABLE",
      `EC2 settings: subnets["${zone}"]: ${subnetId} ${where}; give a subnet of ${zone}`,
    );
  }
}

/**
 * The offer of a pool. A spot price that is unknown, or above what on-demand costs (nobody bids more),
 * makes it unavailable.
 *
 * @param spotUsdPerHour undefined: the market's price is not known (any more).
 */
export function offerOf(pool: CapacityPool, spotUsdPerHour: number | undefined): Offer {
  const { offerId, instanceType, zone, terms, shape, onDemandUsdPerHour } = pool;
  const fixedHalf = {
    id: offerId,
    provider: "ec2",
    instanceType,
    zone,
    shape,
    isElastic: false,
    capacity: undefined,
  } as const;
  if (terms === "on-demand") {
    return {
      ...fixedHalf,
      subPool: "fixed",
      priceUsdPerHour: onDemandUsdPerHour,
      demandLevel: 0,
      isAvailable: true,
      noticeMs: Number.POSITIVE_INFINITY,
    };
  }
  const priceUsdPerHour = spotUsdPerHour ?? onDemandUsdPerHour;
  return {
    ...fixedHalf,
    subPool: "variable",
    priceUsdPerHour,
    // A market that asks as much as on-demand is one that has nothing to spare.
    demandLevel: Math.min(1, priceUsdPerHour / onDemandUsdPerHour),
    isAvailable: spotUsdPerHour !== undefined && spotUsdPerHour <= onDemandUsdPerHour,
    noticeMs: SPOT_NOTICE_MS,
  };
}
