import type { Filter, Instance, Tag } from "@aws-sdk/client-ec2";
import type { InstanceId } from "../../model/ids.ts";
import type { Ec2Client } from "./ec2-client.ts";

/** Whose data directory a machine belongs to, and which instance of it it is. */
export const DATA_TAG = "hearth:data-id";
export const INSTANCE_TAG = "hearth:instance-id";

const PAGE_LENGTH = 1000;
const THERE = ["pending", "running"];
/** Of a machine that can come back or still costs something: a stopped one keeps its disk. */
const NOT_ENDED = [...THERE, "stopping", "stopped"];

/** What EC2 says of one machine of ours. */
export type Machine = {
  readonly instanceId: InstanceId;
  /** EC2's own id, `i-…`. */
  readonly machineId: string;
  readonly state: string;
  /** Why it is in this state, as EC2 has it: `Server.SpotInstanceTermination: …`. */
  readonly reason: string;
};

/** Whether it is booting or up. */
export function isThere({ state }: Machine): boolean {
  return THERE.includes(state);
}

/** Whether it must be terminated to be gone. */
export function isNotEnded({ state }: Machine): boolean {
  return NOT_ENDED.includes(state);
}

export function tagsOf(dataId: string, instanceId: InstanceId): Tag[] {
  return [
    { Key: DATA_TAG, Value: dataId },
    { Key: INSTANCE_TAG, Value: instanceId },
    { Key: "Name", Value: `hearth ${instanceId}` },
  ];
}

/**
 * All machines of a data directory, or those of one of its instances; also, for about an hour, those that ended.
 * A machine that was launched a moment ago may be missing: EC2 is eventually consistent.
 *
 * @throws the SDK's error.
 */
export async function readMachines(client: Ec2Client, dataId: string, instanceId?: InstanceId): Promise<Machine[]> {
  const Filters: Filter[] = [{ Name: `tag:${DATA_TAG}`, Values: [dataId] }];
  if (instanceId !== undefined) Filters.push({ Name: `tag:${INSTANCE_TAG}`, Values: [instanceId] });
  const pages = await client.pages((token) =>
    client.ec2.describeInstances({ ...token, Filters, MaxResults: PAGE_LENGTH }),
  );
  return pages
    .flatMap(({ Reservations = [] }) => Reservations)
    .flatMap(({ Instances = [] }) => Instances)
    .flatMap(machineFrom);
}

function machineFrom(machine: Instance): Machine[] {
  const instanceId = machine.Tags?.find(({ Key }) => Key === INSTANCE_TAG)?.Value;
  if (instanceId === undefined || machine.InstanceId === undefined) return [];
  const { Code = "", Message = "" } = machine.StateReason ?? {};
  const reason = Message || Code || machine.StateTransitionReason || "no reason given";
  return [
    {
      instanceId: instanceId as InstanceId,
      machineId: machine.InstanceId,
      state: machine.State?.Name ?? "unknown",
      reason,
    },
  ];
}
