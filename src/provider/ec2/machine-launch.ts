import { setTimeout as delay } from "node:timers/promises";
import type { RunInstancesCommandInput } from "@aws-sdk/client-ec2";
import type { InstanceId } from "../../model/ids.ts";
import type { Ec2Client } from "./ec2-client.ts";
import { launchError, launchFaultOf } from "./ec2-error.ts";
import type { Ec2Settings } from "./ec2-settings.ts";
import { createFleet } from "./fleet-launch.ts";
import { isNotEnded, readMachines } from "./machine.ts";
import { type MachineLaunch, runInstancesInput } from "./machine-request.ts";

/** How often a launch whose outcome is unclear is asked for before it is given up. */
const TRIES_MAX = 3;
const PAUSE_MS = 1_000;
/**
 * Launches the machine of an order, or finds the one that an earlier attempt launched: by its tags before each
 * attempt, and EC2 itself by the client token, so that a lost answer makes no second machine.
 *
 * @returns EC2's id of it.
 * @throws HearthError INSUFFICIENT_CAPACITY or LAUNCH_FAILED, with what EC2 said and the remedy.
 */
export async function launchMachine(client: Ec2Client, settings: Ec2Settings, launch: MachineLaunch): Promise<string> {
  const [place, ...others] = launch.pool.places;
  const attempt =
    place !== undefined && others.length === 0
      ? () => runInstance(client, runInstancesInput(settings, launch, place))
      : () => createFleet(client, settings, launch);
  for (let tries = 1; ; tries++) {
    try {
      const found = await findMachine(client, launch);
      if (found !== undefined) return found;
      return await attempt();
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
  const terminate = (InstanceIds: string[]) => client.call(() => client.ec2.terminateInstances({ InstanceIds }));
  // A request with an id that EC2 does not know terminates nothing.
  if (listed.length > 0) await terminate(listed);
  if (!isUnlisted) return;
  await terminate([machineId]).catch((error: unknown) => {
    // Not listed, and not known by its id: it shows later, as a stray, or is gone for long.
    if ((error as Error).name !== "InvalidInstanceID.NotFound") throw error;
  });
}

async function runInstance(client: Ec2Client, input: RunInstancesCommandInput): Promise<string> {
  const { Instances = [] } = await client.call(() => client.once.runInstances(input));
  const machineId = Instances[0]?.InstanceId;
  if (machineId === undefined) throw new Error("the answer names no instance");
  return machineId;
}

async function findMachine(client: Ec2Client, { dataId, order }: MachineLaunch): Promise<string | undefined> {
  return (await readMachines(client, dataId, order.instanceId)).find(isNotEnded)?.machineId;
}
