import type { ArchitectureType } from "@aws-sdk/client-ec2";
import type { Offer } from "../../model/capacity.ts";
import { HearthError } from "../../model/error-code.ts";
import type { OfferId } from "../../model/ids.ts";
import type { Shape } from "../../model/instance.ts";
import type { Ec2Client } from "./ec2-client.ts";
import type { Ec2Settings, Ec2Terms } from "./ec2-settings.ts";

/** One type in one zone. */
export type Place = {
  readonly instanceType: string;
  readonly zone: string;
  readonly shape: Shape;
  readonly onDemandUsdPerHour: number;
};

/**
 * The fixed half of an offer. One place on one kind of terms is what EC2 calls a capacity pool. The places of a group
 * are one pool to Hearth, and EC2 chooses among them; its shape is what all of them have, and its price what the
 * dearest of them may cost, so that what holds of the offer holds of every machine.
 */
export type CapacityPool = {
  readonly offerId: OfferId;
  readonly instanceType: string;
  readonly zone: string;
  readonly terms: Ec2Terms;
  readonly shape: Shape;
  readonly onDemandUsdPerHour: number;
  /** At least one; more only of a group. */
  readonly places: readonly Place[];
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
  await checkSubnets(client, settings);
  const types = await readTypes(client, settings, architecture);
  const zonesOf = await readZones(client, settings);
  const placesOf = (instanceType: string, terms: Ec2Terms): Place[] => {
    const type = types.get(instanceType);
    if (type === undefined || !type.terms.includes(terms)) return [];
    const { shape, onDemandUsdPerHour } = type;
    return zonesOf(instanceType).map((zone) => ({ instanceType, zone, shape, onDemandUsdPerHour }));
  };
  const grouped = new Set(Object.values(settings.groups).flat());
  const pools = settings.terms.flatMap((terms) => [
    ...Object.keys(settings.instanceTypes)
      .filter((instanceType) => !grouped.has(instanceType))
      .flatMap((instanceType) => placesOf(instanceType, terms))
      .map((place) => poolOf(place.instanceType, place.zone, terms, [place])),
    ...Object.entries(settings.groups)
      .map(([name, group]) => ({ name, places: group.flatMap((instanceType) => placesOf(instanceType, terms)) }))
      .filter(({ places }) => places.length > 0)
      .map(({ name, places }) => poolOf(name, settings.region, terms, places)),
  ]);
  if (pools.length > 0) return pools;
  const [names, zones] = [Object.keys(settings.instanceTypes), Object.keys(settings.subnets)];
  throw unfit("instanceTypes", `none of ${names.join(", ")} is to be had in ${zones.join(", ")}; add types or zones`);
}

function poolOf(instanceType: string, zone: string, terms: Ec2Terms, places: readonly Place[]): CapacityPool {
  const least = (of: "memoryMiB" | "cpuMilli") => Math.min(...places.map(({ shape }) => shape[of]));
  return {
    offerId: `ec2/${zone}/${instanceType}/${terms}` as OfferId,
    instanceType,
    zone,
    terms,
    shape: { memoryMiB: least("memoryMiB"), cpuMilli: least("cpuMilli") },
    onDemandUsdPerHour: Math.max(...places.map(({ onDemandUsdPerHour }) => onDemandUsdPerHour)),
    places,
  };
}

type MachineType = { readonly shape: Shape; readonly onDemandUsdPerHour: number; readonly terms: readonly string[] };

/** What EC2 says of the types of the settings, by name. */
async function readTypes(
  { ec2, pages }: Ec2Client,
  { instanceTypes, terms, region, imageId }: Ec2Settings,
  architecture: ArchitectureType,
): Promise<ReadonlyMap<string, MachineType>> {
  // By filter, not by name: a list of names cannot be read in pages, and one wrong name would hide the others.
  const Filters = [{ Name: "instance-type", Values: Object.keys(instanceTypes) }];
  const found = (await pages((token) => ec2.describeInstanceTypes({ ...token, Filters }))).flatMap(
    ({ InstanceTypes = [] }) => InstanceTypes,
  );
  return new Map(
    Object.entries(instanceTypes).map(([name, { onDemandUsdPerHour }]) => {
      const info = found.find(({ InstanceType }) => InstanceType === name);
      const complain = (what: string) => unfit(`instanceTypes["${name}"]`, what);
      if (info === undefined) throw complain(`${region} has no such type; correct or remove it`);
      if (info.ProcessorInfo?.SupportedArchitectures?.includes(architecture) === false)
        throw complain(`it does not run images for ${architecture}, which ${imageId} is; remove it`);
      const shape = shapeOf(info.MemoryInfo?.SizeInMiB ?? 0, info.VCpuInfo?.DefaultVCpus ?? 1);
      if (shape.memoryMiB < SHAPE_MEMORY_MIB_MIN) throw complain("it has too little memory; take a larger one");
      return [name, { shape, onDemandUsdPerHour, terms: info.SupportedUsageClasses ?? terms }];
    }),
  );
}

/** @returns the zones of the settings that have a type. */
async function readZones(
  { ec2, pages }: Ec2Client,
  { instanceTypes, subnets }: Ec2Settings,
): Promise<(instanceType: string) => readonly string[]> {
  const Filters = [{ Name: "instance-type", Values: Object.keys(instanceTypes) }];
  const found = await pages((token) =>
    ec2.describeInstanceTypeOfferings({ ...token, LocationType: "availability-zone", Filters }),
  );
  const offerings = found.flatMap(({ InstanceTypeOfferings = [] }) => InstanceTypeOfferings);
  const isOffered = new Set(offerings.map(({ InstanceType, Location }) => `${InstanceType}/${Location}`));
  return (instanceType) => Object.keys(subnets).filter((zone) => isOffered.has(`${instanceType}/${zone}`));
}

function unfit(field: string, what: string): HearthError {
  return new HearthError("PROVIDER_UNAVAILABLE", `EC2 settings: ${field}: ${what}`);
}

/** A subnet of another zone would launch there, at another price. */
async function checkSubnets({ ec2, call }: Ec2Client, { subnets }: Ec2Settings): Promise<void> {
  const { Subnets = [] } = await call(() => ec2.describeSubnets({ SubnetIds: Object.values(subnets) }));
  for (const [zone, subnetId] of Object.entries(subnets)) {
    const found = Subnets.find(({ SubnetId }) => SubnetId === subnetId);
    if (found?.AvailabilityZone === zone) continue;
    const where = found === undefined ? "is not there" : `is in ${found.AvailabilityZone}`;
    throw unfit(`subnets["${zone}"]`, `${subnetId} ${where}; give a subnet of ${zone}`);
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
