import type { CreateFleetError } from "@aws-sdk/client-ec2";
import { describe, expect, test } from "vitest";
import type { InstanceId, OfferId } from "../../model/ids.ts";
import type { Ec2Client } from "./ec2-client.ts";
import { launchFaultOf } from "./ec2-error.ts";
import type { Ec2Settings } from "./ec2-settings.ts";
import { createFleet } from "./fleet-launch.ts";
import type { MachineLaunch } from "./machine-request.ts";

const SHAPE = { memoryMiB: 4096, cpuMilli: 2000 };
const PLACE = { instanceType: "m7i.large", zone: "eu-west-1a", shape: SHAPE, onDemandUsdPerHour: 0.1 };
const OFFER_ID = "ec2/group" as OfferId;
const SETTINGS = { imageId: "ami-1", subnets: { "eu-west-1a": "subnet-1" }, diskGiB: 8 } as unknown as Ec2Settings;
const LAUNCH: MachineLaunch = {
  dataId: "data",
  order: {
    ...{ instanceId: "one" as InstanceId, offerId: OFFER_ID, subPool: "fixed", shape: SHAPE },
    ...{ bidUsdPerHour: undefined, serverSocketPath: "", token: "secret" },
  },
  pool: { ...PLACE, offerId: OFFER_ID, terms: "on-demand", places: [PLACE, { ...PLACE, instanceType: "m7a.large" }] },
  image: { architecture: "x86_64", rootDevice: "/dev/xvda" },
  userData: "",
};

function clientAnswering(Errors: CreateFleetError[]): Ec2Client {
  return {
    ec2: { createLaunchTemplate: async () => ({}), deleteLaunchTemplate: async () => ({}) },
    once: { createFleet: async () => ({ Instances: [], Errors }) },
    call: (request: () => Promise<unknown>) => request(),
  } as unknown as Ec2Client;
}

describe("a fleet that answers with errors", () => {
  test.each([
    [["CodeNobodyHeardOf"], "CodeNobodyHeardOf", "refused"],
    [["InsufficientInstanceCapacity", "CodeNobodyHeardOf"], "CodeNobodyHeardOf", "refused"],
    [["InsufficientInstanceCapacity", "SpotMaxPriceTooLow"], "InsufficientInstanceCapacity", "capacity"],
    [["InternalError"], "InternalError", "unclear"],
    [[], "Error", "unclear"],
  ] as const)("%j fails as %s, which is %s", async (codes, name, kind) => {
    const client = clientAnswering(codes.map((ErrorCode) => ({ ErrorCode, ErrorMessage: "said by EC2" })));
    const failure: unknown = await createFleet(client, SETTINGS, LAUNCH).catch((error: unknown) => error);
    expect(failure).toMatchObject({ name });
    expect(launchFaultOf(failure).kind).toBe(kind);
  });
});
