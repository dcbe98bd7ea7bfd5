import type { _InstanceType, CreateFleetCommandInput, CreateFleetError } from "@aws-sdk/client-ec2";
import type { Ec2Client } from "./ec2-client.ts";
import { launchFaultOf } from "./ec2-error.ts";
import type { Ec2Settings } from "./ec2-settings.ts";
import { DATA_TAG } from "./machine.ts";
import { bidOf, clientTokenOf, launchTemplateData, type MachineLaunch, taggedWith } from "./machine-request.ts";

/** EC2's code for a name that is taken: an earlier attempt made it, and its answer was lost. */
const NAME_TAKEN = "InvalidLaunchTemplateName.AlreadyExistsException";

/**
 * One machine in whichever of a group's places EC2 thinks best: of spot the one that is cheap and unlikely to be
 * interrupted soon, which only EC2 knows; of on-demand the cheapest that has room. A fleet takes its user data from a launch
 * template, so there is one for as long as the call takes.
 *
 * @returns EC2's id of the machine.
 * @throws the SDK's error, or one that has the code of the fleet's as its name.
 */
export async function createFleet(client: Ec2Client, settings: Ec2Settings, launch: MachineLaunch): Promise<string> {
  const LaunchTemplateName = `hearth-${clientTokenOf(launch)}`;
  await client
    .call(() =>
      client.ec2.createLaunchTemplate({
        LaunchTemplateName,
        LaunchTemplateData: launchTemplateData(settings, launch),
        TagSpecifications: taggedWith(launch, ["launch-template"]),
      }),
    )
    .catch((error: Error) => {
      if (error.name !== NAME_TAKEN) throw error;
    });
  try {
    const input = fleetInput(settings, launch, LaunchTemplateName);
    const { Instances = [], Errors = [] } = await client.call(() => client.once.createFleet(input));
    const machineId = Instances[0]?.InstanceIds?.[0];
    if (machineId === undefined) throw fleetError(Errors);
    return machineId;
  } finally {
    // Its token is good for one machine; what is left here goes at the next start.
    await client.call(() => client.ec2.deleteLaunchTemplate({ LaunchTemplateName })).catch(() => {});
  }
}

/** Removes launch templates that a server which was killed has left. @throws the SDK's error. */
export async function removeLaunchTemplates({ ec2, pages, call }: Ec2Client, dataId: string): Promise<void> {
  const Filters = [{ Name: `tag:${DATA_TAG}`, Values: [dataId] }];
  const found = await pages((token) => ec2.describeLaunchTemplates({ ...token, Filters }));
  for (const { LaunchTemplateId } of found.flatMap(({ LaunchTemplates = [] }) => LaunchTemplates))
    await call(() => ec2.deleteLaunchTemplate({ LaunchTemplateId }));
}

function fleetInput(settings: Ec2Settings, launch: MachineLaunch, LaunchTemplateName: string): CreateFleetCommandInput {
  const { pool, order } = launch;
  return {
    Type: "instant",
    ClientToken: clientTokenOf(launch),
    LaunchTemplateConfigs: [
      {
        LaunchTemplateSpecification: { LaunchTemplateName, Version: "$Latest" },
        Overrides: pool.places.map((place) => ({
          InstanceType: place.instanceType as _InstanceType,
          SubnetId: settings.subnets[place.zone],
          ...(pool.terms === "spot" ? { MaxPrice: bidOf(place, order.bidUsdPerHour) } : {}),
        })),
      },
    ],
    TargetCapacitySpecification: { TotalTargetCapacity: 1, DefaultTargetCapacityType: pool.terms },
    ...(pool.terms === "spot"
      ? { SpotOptions: { AllocationStrategy: "price-capacity-optimized", InstanceInterruptionBehavior: "terminate" } }
      : { OnDemandOptions: { AllocationStrategy: "lowest-price" } }),
    TagSpecifications: taggedWith(launch, ["fleet", "instance"]),
  };
}

/** A fleet answers with an error for each place; the one that somebody can do something about counts first. */
function fleetError(errors: readonly CreateFleetError[]): Error {
  const failures = errors.map(({ ErrorCode = "", ErrorMessage = "" }) => {
    // EC2 has answered, and would answer the same client token so again: a code that nobody knows is a refusal.
    return Object.assign(new Error(ErrorMessage), { name: ErrorCode, $metadata: { httpStatusCode: 400 } });
  });
  const first = failures.find((failure) => launchFaultOf(failure).kind === "refused") ?? failures[0];
  return first ?? new Error("the fleet names neither an instance nor an error");
}
