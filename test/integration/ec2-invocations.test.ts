import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ACTION, MetadataService, REBALANCE } from "../../src/host-agent/notice/metadata-service-fixture.ts";
import { DEFAULT_CAPACITY } from "../../src/model/capacity.ts";
import type { InstanceSnapshot } from "../../src/model/snapshot.ts";
import { Ec2Place } from "./ec2-fixture/ec2-place.ts";
import { Ec2Server } from "./ec2-fixture/ec2-server.ts";
import { MachineRoom } from "./ec2-fixture/machine-room.ts";
import { needsMoto } from "./moto-server.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";

const FIXED = "111111111111";
const VARIABLE = "222222222222";
/** The smallest that hold a few containers: the machines of this test are all on one. */
const TYPES = { instanceTypes: { "t3.small": { onDemandUsdPerHour: 0.0228 } } };
const inTime = { timeout: 90_000, interval: 100 };
const SOURCE = {
  "index.js":
    "exports.handler = async ({ ms = 0 }) => { await new Promise((r) => setTimeout(r, ms)); return 'served'; };",
};

describe("invocations on EC2 machines, which moto reports and this host runs", {
  ...needsMoto,
  ...needsSandbox,
  timeout: 180_000,
}, () => {
  let place: Ec2Place;
  let room: MachineRoom;
  let server: Ec2Server;
  const metadata = new MetadataService();

  beforeAll(async () => {
    await metadata.listen();
    place = await Ec2Place.open();
    room = MachineRoom.open(place, (instanceId) => ({ metadataUrl: `${metadata.url}/${instanceId}` }));
    server = await Ec2Server.start(place, TYPES);
    server.setCapacity(VARIABLE, { ...DEFAULT_CAPACITY, class: "variable" });
  }, 120_000);

  afterAll(async () => {
    await server.stop();
    expect(await place.running(), "a stopped server leaves no machine").toEqual([]);
    await room.close();
    expect(room.traces()).toEqual([]);
    await place.close();
    await metadata.close();
  }, 120_000);

  const instancesOf = (accountId: string): InstanceSnapshot[] =>
    server.pools().instances.filter((instance) => instance.accountId === accountId);
  const lifecycleOf = async (instanceId: string) =>
    (await place.running()).find(({ InstanceId }) => InstanceId === room.machineOf(instanceId))?.InstanceLifecycle;

  async function served(accountId: string, event: unknown = {}): Promise<void> {
    const answer = await server.invoke(await server.deploy(accountId, "serve", SOURCE), event);
    expect(answer).toMatchObject({ kind: "finished", outcome: "ok" });
    if (answer.kind === "finished") expect(answer.payload.toString()).toBe('"served"');
  }

  test("a fixed account is served by an on-demand machine, with its code", async () => {
    await served(FIXED);
    const [instance] = instancesOf(FIXED);
    expect(instance).toMatchObject({ subPool: "fixed", shape: { memoryMiB: 1126, cpuMilli: 2000 } });
    expect(instance!.offerId).toMatch(/^ec2\/eu-west-1[ab]\/t3\.small\/on-demand$/);
    expect(await lifecycleOf(instance!.id)).toBeUndefined();
    await served(FIXED);
    expect(instancesOf(FIXED)).toHaveLength(1);
  });

  test("a variable account is served by a spot machine, and moves when that is noticed to go", async () => {
    await served(VARIABLE);
    const [first] = instancesOf(VARIABLE);
    expect(first!.offerId).toMatch(/^ec2\/eu-west-1[ab]\/t3\.small\/spot$/);
    expect(await lifecycleOf(first!.id)).toBe("spot");

    metadata.documents.set(`/${first!.id}${REBALANCE}`, { body: `{"noticeTime":"${new Date().toISOString()}"}` });
    await expect.poll(() => instancesOf(VARIABLE).find(({ id }) => id === first!.id)?.isAtRisk, inTime).toBe(true);

    const time = new Date(Date.now() + 60_000).toISOString();
    metadata.documents.set(`/${first!.id}${ACTION}`, { body: `{"action":"terminate","time":"${time}"}` });
    const draining = () => server.pools().instances.find(({ id }) => id === first!.id);
    await expect.poll(() => draining()?.state ?? "gone", inTime).toMatch(/draining|gone/);
    await served(VARIABLE);
    const [second] = instancesOf(VARIABLE).filter(({ id }) => id !== first!.id);
    expect(second!.offerId).toMatch(/\/spot$/);
    // Nothing runs on the first any more, so it is ended before its time.
    await expect.poll(() => room.machineOf(first!.id), inTime).toBeUndefined();
  });

  test("a machine that EC2 takes without a notice fails what runs on it, and the account is served by another", async () => {
    await served(VARIABLE);
    const running = server.invoke(await server.deploy(VARIABLE, "serve", SOURCE), { ms: 50_000 });
    const busy = () =>
      instancesOf(VARIABLE).find(({ containers }) => containers.some(({ state }) => state === "running"));
    await expect.poll(() => busy()?.id, inTime).toBeDefined();
    await place.ec2.terminateInstances({ InstanceIds: [room.machineOf(busy()!.id)!] });
    expect(await running).toEqual({ kind: "rejected", code: "INSTANCE_LOST" });
    await served(VARIABLE);
  });
});
