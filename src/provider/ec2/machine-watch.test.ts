import type { EC2 } from "@aws-sdk/client-ec2";
import { expect, test } from "vitest";
import type { InstanceId } from "../../model/ids.ts";
import type { Log } from "../../ports/log.ts";
import type { Ec2Client } from "./ec2-client.ts";
import { DATA_TAG, INSTANCE_TAG } from "./machine.ts";
import { endMachines } from "./machine-launch.ts";
import { MachineWatch } from "./machine-watch.ts";

const DATA_ID = "d-1";

/** EC2 refuses a request with one id that it does not like as a whole. */
class ScriptedEc2 {
  readonly machines = new Map<string, string>();
  readonly protectedIds = new Set<string>();
  isThrottled = false;
  readonly client: Ec2Client;

  constructor() {
    const ec2 = {
      describeInstances: async () => ({ Reservations: [{ Instances: [...this.machines].map(instanceOf) }] }),
      terminateInstances: async ({ InstanceIds }: { InstanceIds: string[] }) => this.#terminate(InstanceIds),
    } as unknown as EC2;
    this.client = {
      ec2,
      once: ec2,
      call: (request) => request(),
      pages: async (request) => [await request({})],
      close() {},
    };
  }

  #terminate(machineIds: readonly string[]): void {
    if (this.isThrottled) throw named("RequestLimitExceeded", 503);
    if (machineIds.some((id) => this.protectedIds.has(id))) throw named("OperationNotPermitted", 400);
    if (machineIds.some((id) => !this.machines.has(id))) throw named("InvalidInstanceID.NotFound", 400);
    for (const id of machineIds) this.machines.delete(id);
  }
}

function instanceOf([machineId, instanceId]: [string, string]) {
  const Tags = [
    { Key: DATA_TAG, Value: DATA_ID },
    { Key: INSTANCE_TAG, Value: instanceId },
  ];
  return { InstanceId: machineId, State: { Name: "running" }, Tags };
}

function named(name: string, httpStatusCode: number): Error {
  return Object.assign(new Error(name), { name, $metadata: { httpStatusCode } });
}

function watched(ec2: ScriptedEc2) {
  const logged: object[] = [];
  const note = (fields: object) => void logged.push(fields);
  const log = { debug() {}, info() {}, warn() {}, error: note } as unknown as Log;
  const forgotten: string[] = [];
  const watch = new MachineWatch({
    client: ec2.client,
    dataId: DATA_ID,
    machinesMs: 1,
    joinMsMax: 60_000,
    hasJoined: () => true,
    onExit() {},
    onStrayEnded: (instanceId) => forgotten.push(instanceId),
    clock: { nowMs: Date.now, monotonicMs: () => performance.now() },
    log,
  });
  return { watch, logged, forgotten };
}

test("a machine whose end failed is terminated when EC2 can be asked again, whoever gave up", async () => {
  const ec2 = new ScriptedEc2();
  const { watch, forgotten } = watched(ec2);
  const instanceId = "i-1" as InstanceId;
  ec2.machines.set("i-aws", instanceId);
  await watch.list();
  ec2.isThrottled = true;
  const end = () => watch.ending(instanceId, (machineId) => endMachines(ec2.client, DATA_ID, instanceId, machineId));
  await expect(end()).rejects.toThrow("RequestLimitExceeded");
  ec2.isThrottled = false;
  watch.start();
  await expect.poll(() => ec2.machines.size).toBe(0);
  await expect.poll(() => forgotten).toEqual([instanceId]);
  expect(await watch.list()).toEqual([]);
  watch.stop();
});

test("a stray that EC2 does not terminate keeps no other one alive, and is told of once", async () => {
  const ec2 = new ScriptedEc2();
  const { watch, logged, forgotten } = watched(ec2);
  await watch.list();
  for (const name of ["a", "b", "c"]) ec2.machines.set(`i-aws-${name}`, `i-${name}`);
  ec2.protectedIds.add("i-aws-b");
  watch.start();
  await expect.poll(() => [...ec2.machines.keys()]).toEqual(["i-aws-b"]);
  await expect.poll(() => forgotten).toEqual(["i-a", "i-c"]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(logged).toMatchObject([{ machineId: "i-aws-b" }]);
  ec2.protectedIds.clear();
  await expect.poll(() => ec2.machines.size).toBe(0);
  watch.stop();
});

test("a machine that EC2 lists is terminated although it does not know another one's id yet", async () => {
  const ec2 = new ScriptedEc2();
  ec2.machines.set("i-aws", "i-1");
  await endMachines(ec2.client, DATA_ID, "i-1" as InstanceId, "i-not-yet");
  expect(ec2.machines.size).toBe(0);
});
