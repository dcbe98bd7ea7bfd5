import { HearthError } from "../../model/error-code.ts";

/**
 * What a failure of EC2 means for a launch.
 *
 * - `capacity`: nothing of this kind for now, or not under our limits; another offer may work.
 * - `refused`: the same request fails again; the settings or the rights must change.
 * - `unclear`: it may or may not have happened (time-out, network, throttling, a fault of EC2); asking again is safe.
 */
export type LaunchFault = { readonly kind: "capacity" | "refused" | "unclear"; readonly remedy: string };

const MORE_POOLS = "more instance types and zones in the settings make this rarer";
const QUOTA = "ask AWS for a higher quota of this region, or lower machinesMax";
const WAIT = "EC2 is asked again later; machines that start less often help";

/** Codes of RunInstances and CreateFleet: "Error codes for the Amazon EC2 API" of its reference. */
const FAULTS: Readonly<Record<string, LaunchFault>> = {
  InsufficientInstanceCapacity: { kind: "capacity", remedy: MORE_POOLS },
  InsufficientHostCapacity: { kind: "capacity", remedy: MORE_POOLS },
  InsufficientCapacityOnHost: { kind: "capacity", remedy: MORE_POOLS },
  InsufficientCapacity: { kind: "capacity", remedy: MORE_POOLS },
  UnfulfillableCapacity: { kind: "capacity", remedy: MORE_POOLS },
  Unsupported: {
    kind: "capacity",
    remedy: "this type does not exist in this zone; take one of both out of the settings",
  },
  SpotMaxPriceTooLow: { kind: "capacity", remedy: "the market rose above the bid; the account waits or allows more" },
  MaxSpotInstanceCountExceeded: { kind: "capacity", remedy: QUOTA },
  InstanceLimitExceeded: { kind: "capacity", remedy: QUOTA },
  VcpuLimitExceeded: { kind: "capacity", remedy: QUOTA },
  InsufficientFreeAddressesInSubnet: { kind: "capacity", remedy: "give this zone a larger subnet" },
  RequestLimitExceeded: { kind: "unclear", remedy: WAIT },
  Throttling: { kind: "unclear", remedy: WAIT },
  ThrottlingException: { kind: "unclear", remedy: WAIT },
  InternalError: { kind: "unclear", remedy: WAIT },
  InternalFailure: { kind: "unclear", remedy: WAIT },
  ServiceUnavailable: { kind: "unclear", remedy: WAIT },
  Unavailable: { kind: "unclear", remedy: WAIT },
  // Of a template that was made a moment before: EC2 is eventually consistent.
  "InvalidLaunchTemplateName.NotFoundException": { kind: "unclear", remedy: WAIT },
  "InvalidLaunchTemplateId.NotFound": { kind: "unclear", remedy: WAIT },
  UnauthorizedOperation: {
    kind: "refused",
    remedy: "give Hearth's AWS identity the rights that docs/providers/ec2.md lists",
  },
  AuthFailure: { kind: "refused", remedy: "check the AWS credentials and the host's clock" },
  "InvalidAMIID.NotFound": { kind: "refused", remedy: "set imageId to an image of this region" },
  "InvalidSubnetID.NotFound": { kind: "refused", remedy: "set subnets to those of this region" },
  "InvalidGroup.NotFound": { kind: "refused", remedy: "set securityGroupIds to those of the subnets' network" },
  "InvalidKeyPair.NotFound": { kind: "refused", remedy: "set keyName to a key pair of this region, or leave it out" },
  CredentialsProviderError: {
    kind: "refused",
    remedy: "give the server AWS credentials: environment, ~/.aws or an instance profile",
  },
};

export function launchFaultOf(error: unknown): LaunchFault {
  if (error instanceof HearthError) return { kind: "refused", remedy: "" };
  const known = FAULTS[nameOf(error)];
  if (known !== undefined) return known;
  // EC2 answered, and it was no fault of its own: the request is wrong.
  const status = statusOf(error);
  if (status !== undefined && status >= 400 && status < 500)
    return { kind: "refused", remedy: "check the EC2 settings" };
  return { kind: "unclear", remedy: "check that the server reaches EC2" };
}

/** The error of a launch, with what EC2 said and what to do about it; one that is an error of a launch stays as it is. */
export function launchError(error: unknown): HearthError {
  if (isLaunchError(error)) return error;
  if (error instanceof HearthError) return new HearthError("LAUNCH_FAILED", error.message, { cause: error });
  const { kind, remedy } = launchFaultOf(error);
  const code = kind === "capacity" ? "INSUFFICIENT_CAPACITY" : "LAUNCH_FAILED";
  return new HearthError(code, `EC2: ${describe(error)}; ${remedy}`, { cause: error });
}

function isLaunchError(error: unknown): error is HearthError {
  return error instanceof HearthError && (error.code === "LAUNCH_FAILED" || error.code === "INSUFFICIENT_CAPACITY");
}

/** `InvalidAMIID.NotFound: The image id '[ami-1]' does not exist`. */
export function describe(error: unknown): string {
  return error instanceof Error ? `${nameOf(error)}: ${error.message.split("\n", 1)[0]}` : String(error);
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "";
}

/** Undefined: no answer came, or none that could be read. */
function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } } | null | undefined)?.$metadata?.httpStatusCode;
}
