import { randomUUID } from "node:crypto";
import { mkdtempDisposableSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Instance } from "@aws-sdk/client-ec2";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { InstanceId, OfferId } from "../../src/model/ids.ts";
import type { CapacityProvider, LaunchOrder } from "../../src/ports/capacity-provider.ts";
import { systemClock } from "../../src/ports/clock.ts";
import { createEc2Provider } from "../../src/provider/ec2/ec2-provider.ts";
import { Ec2Place, ON_DEMAND_USD } from "./ec2-fixture/ec2-place.ts";
import { InvitedHosts } from "./ec2-fixture/invited-hosts.ts";
import { needsMoto } from "./moto-server.ts";

const SPOT = "ec2/eu-west-1a/m6i.large/spot" as OfferId;
const ON_DEMAND = "ec2/eu-west-1b/m7i.large/on-demand" as OfferId;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const inTime = { timeout: 20_000, interval: 50 };

describe("EC2 machines, with moto as EC2", needsMoto, () => {
  let place: Ec2Place;
  let hosts: InvitedHosts;
  let provider: CapacityProvider;
  let exits: [InstanceId, string][];

  beforeAll(async () => {
    place = await Ec2Place.open();
  });
  afterAll(() => place.close());

  beforeEach(async () => {
    hosts = new InvitedHosts();
    provider = await open();
  });

  afterEach(async () => {
    place.proxy.fateOf = () => undefined;
    await provider.close();
    for (const { InstanceId } of await place.running())
      await place.ec2.terminateInstances({ InstanceIds: [InstanceId!] });
  });

  async function open(changes: Record<string, unknown> = {}, dataDir = place.dataDir): Promise<CapacityProvider> {
    const settings = place.settings(changes);
    const opened = await createEc2Provider({ settings, dataDir, hosts, clock: systemClock, log: quiet });
    exits = [];
    await opened.list();
    opened.watch({
      onOffers() {},
      onAtRisk() {},
      onReclaim() {},
      onExit: (instanceId, reason) => exits.push([instanceId, reason]),
    });
    return opened;
  }

  function orderOf(offerId: OfferId, changes: Partial<LaunchOrder> = {}): LaunchOrder {
    const offer = provider.offers().find(({ id }) => id === offerId)!;
    return {
      instanceId: `i-${randomUUID()}` as InstanceId,
      offerId,
      subPool: offer.subPool,
      shape: offer.shape,
      bidUsdPerHour: undefined,
      serverSocketPath: "/nowhere",
      token: "secret of the instance",
      ...changes,
    };
  }

  const tagsOf = (machine: Instance) => Object.fromEntries((machine.Tags ?? []).map(({ Key, Value }) => [Key, Value]));

  test("an on-demand machine is launched in its zone, tagged, and with metadata that containers cannot reach", async () => {
    const order = orderOf(ON_DEMAND);
    await provider.launch(order);
    const [machine, ...others] = await place.running();
    expect(others).toEqual([]);
    expect(machine).toMatchObject({
      InstanceType: "m7i.large",
      Placement: { AvailabilityZone: "eu-west-1b" },
      MetadataOptions: { HttpTokens: "required", HttpPutResponseHopLimit: 1 },
    });
    expect(machine!.InstanceLifecycle).toBeUndefined();
    expect(tagsOf(machine!)).toMatchObject({
      "hearth:instance-id": order.instanceId,
      "hearth:data-id": expect.stringMatching(/^[0-9a-f]{16}$/),
    });
    expect(await provider.list()).toEqual([order.instanceId]);
  });

  test("its user data holds the one-time token and nothing that lasts", async () => {
    const order = orderOf(ON_DEMAND);
    await provider.launch(order);
    const [machine] = await place.running();
    const script = await place.userDataOf(machine!.InstanceId!);
    expect(script).toContain(hosts.tokenOf(order.instanceId));
    expect(script).not.toContain(order.token);
    expect(hosts.invitations).toMatchObject([
      { terms: { provider: "ec2", subPool: "fixed", priceUsdPerHour: ON_DEMAND_USD["m7i.large"] }, order },
    ]);
  });

  test("a spot machine is bid for with the order's bid, and never with more than on-demand costs", async () => {
    await provider.launch(orderOf(SPOT, { bidUsdPerHour: 0.04 }));
    await provider.launch(orderOf(SPOT, { bidUsdPerHour: 5 }));
    await provider.launch(orderOf(SPOT));
    const machines = await place.running();
    expect(machines.map(({ InstanceLifecycle }) => InstanceLifecycle)).toEqual(["spot", "spot", "spot"]);
    const bids = place.proxy.requests
      .filter(({ action }) => action === "RunInstances")
      .slice(-3)
      .map(({ parameters }) => parameters.get("InstanceMarketOptions.SpotOptions.MaxPrice"));
    expect(bids).toEqual(["0.040000", "0.107000", "0.107000"]);
  });

  test("the next server on the same data finds them; another server does not", async () => {
    const order = orderOf(SPOT);
    await provider.launch(order);
    await provider.close();
    provider = await open();
    expect(await provider.list()).toEqual([order.instanceId]);
    const otherDir = mkdtempDisposableSync(join(tmpdir(), "hearth-ec2-other-"));
    const other = await open({}, otherDir.path);
    expect(await other.list()).toEqual([]);
    await other.terminate(order.instanceId);
    await other.close();
    otherDir.remove();
    expect(await place.running()).toHaveLength(1);
    await provider.terminate(order.instanceId);
    expect(await provider.list()).toEqual([]);
    expect(await place.running()).toEqual([]);
  });

  test("a launch whose answer is lost makes no second machine", async () => {
    let lost = 0;
    place.proxy.fateOf = ({ action }) => (action === "RunInstances" && lost++ === 0 ? { kind: "lose" } : undefined);
    const order = orderOf(ON_DEMAND);
    await provider.launch(order);
    expect(lost).toBe(1);
    expect((await place.running()).map((machine) => tagsOf(machine)["hearth:instance-id"])).toEqual([order.instanceId]);
  });

  test("a launch of a server that was killed in it is found again by the next", async () => {
    const order = orderOf(ON_DEMAND);
    await provider.launch(order);
    await provider.close();
    // A new process, which has not listed: it knows of none.
    const next = await createEc2Provider({
      settings: place.settings(),
      dataDir: place.dataDir,
      hosts: new InvitedHosts(),
      clock: systemClock,
      log: quiet,
    });
    await next.launch(order);
    await next.close();
    expect(await place.running()).toHaveLength(1);
  });

  test("requests carry a token of their own for each instance, the same in every try", async () => {
    const before = place.proxy.requests.length;
    let tries = 0;
    place.proxy.fateOf = ({ action }) =>
      action === "RunInstances" && ++tries < 3
        ? { kind: "error", status: 503, code: "RequestLimitExceeded" }
        : undefined;
    await provider.launch(orderOf(ON_DEMAND));
    await provider.launch(orderOf(ON_DEMAND));
    const tokens = place.proxy.requests
      .slice(before)
      .filter(({ action }) => action === "RunInstances")
      .map(({ parameters }) => parameters.get("ClientToken")!);
    expect(tokens).toHaveLength(4);
    expect(new Set(tokens.slice(0, 3)).size).toBe(1);
    expect(new Set(tokens).size).toBe(2);
    for (const token of tokens) expect(token.length).toBeLessThanOrEqual(64);
  });

  for (const [code, expected] of [
    ["InsufficientInstanceCapacity", "INSUFFICIENT_CAPACITY"],
    ["SpotMaxPriceTooLow", "INSUFFICIENT_CAPACITY"],
    ["MaxSpotInstanceCountExceeded", "INSUFFICIENT_CAPACITY"],
    ["VcpuLimitExceeded", "INSUFFICIENT_CAPACITY"],
    ["UnauthorizedOperation", "LAUNCH_FAILED"],
    ["RequestLimitExceeded", "LAUNCH_FAILED"],
  ] as const) {
    test(`${code} is ${expected}, with what EC2 said, and leaves nothing`, async () => {
      const status = code === "RequestLimitExceeded" ? 503 : 400;
      place.proxy.fateOf = ({ action }) => (action === "RunInstances" ? { kind: "error", status, code } : undefined);
      const order = orderOf(SPOT);
      await expect(provider.launch(order)).rejects.toMatchObject({
        code: expected,
        message: expect.stringMatching(new RegExp(`${code}: said by the test; .{20,}`)),
      });
      expect(await provider.list()).toEqual([]);
      expect(hosts.forgotten).toContain(order.instanceId);
      place.proxy.fateOf = () => undefined;
      await provider.launch(orderOf(SPOT));
    });
  }

  test("an EC2 that never answers fails a launch in time, and what came of it is ended when it is seen", async () => {
    await provider.close();
    provider = await open({ intervals: { pricesMs: 200, machinesMs: 200, requestMsMax: 300 } });
    // Performed, and not answered; then nothing is answered for a while.
    let isDead = false;
    place.proxy.fateOf = ({ action }) => {
      if (isDead) return { kind: "hang" };
      if (action !== "RunInstances") return undefined;
      isDead = true;
      return { kind: "lose" };
    };
    await expect(provider.launch(orderOf(ON_DEMAND))).rejects.toMatchObject({ code: "LAUNCH_FAILED" });
    expect(await place.running()).toHaveLength(1);
    place.proxy.fateOf = () => undefined;
    await expect.poll(() => place.running(), inTime).toEqual([]);
  }, 60_000);

  test("a stray with our tags is ended; what is not ours is not touched", async () => {
    const order = orderOf(ON_DEMAND);
    await provider.launch(order);
    const [ours] = await place.running();
    const run = async (Tags: { Key: string; Value: string }[]) => {
      const { Instances } = await place.ec2.runInstances({
        ImageId: ours!.ImageId!,
        InstanceType: "m6i.large",
        MinCount: 1,
        MaxCount: 1,
        TagSpecifications: [{ ResourceType: "instance", Tags }],
      });
      return Instances![0]!.InstanceId!;
    };
    const dataId = tagsOf(ours!)["hearth:data-id"]!;
    const stray = await run([
      { Key: "hearth:data-id", Value: dataId },
      { Key: "hearth:instance-id", Value: "i-nobody-knows" },
    ]);
    const others = [
      await run([{ Key: "Name", Value: "a database" }]),
      await run([
        { Key: "hearth:data-id", Value: "0123456789abcdef" },
        { Key: "hearth:instance-id", Value: "i-of-another-server" },
      ]),
    ];
    const ids = async () => (await place.running()).map(({ InstanceId }) => InstanceId);
    await expect.poll(ids, inTime).not.toContain(stray);
    expect((await ids()).toSorted()).toEqual([ours!.InstanceId, ...others].toSorted());
    expect(exits).toEqual([]);
  });

  test("nothing of an earlier server is a stray before it was listed", async () => {
    const order = orderOf(ON_DEMAND);
    await provider.launch(order);
    await provider.close();
    const next = await createEc2Provider({
      settings: place.settings(),
      dataDir: place.dataDir,
      hosts,
      clock: systemClock,
      log: quiet,
    });
    next.watch({ onOffers() {}, onAtRisk() {}, onReclaim() {}, onExit() {} });
    const looks = place.proxy.count("DescribeInstances");
    await expect.poll(() => place.proxy.count("DescribeInstances"), inTime).toBeGreaterThan(looks + 3);
    expect(await place.running()).toHaveLength(1);
    await next.close();
  });

  test.each(["terminateInstances", "stopInstances"] as const)(
    "a machine that ends outside (%s) is told, and ended",
    async (end) => {
      const order = orderOf(ON_DEMAND);
      const bystander = orderOf(SPOT);
      await provider.launch(order);
      await provider.launch(bystander);
      const machine = (await place.running()).find((each) => tagsOf(each)["hearth:instance-id"] === order.instanceId);
      await place.ec2[end]({ InstanceIds: [machine!.InstanceId!] });
      await expect.poll(() => exits, inTime).toHaveLength(1);
      expect(exits[0]).toEqual([order.instanceId, expect.stringContaining(machine!.InstanceId!)]);
      expect(await provider.list()).toEqual([bystander.instanceId]);
      const stateOf = async () =>
        (await place.machines()).find(({ InstanceId }) => InstanceId === machine!.InstanceId)?.State?.Name;
      await expect.poll(stateOf, inTime).toBe("terminated");
      expect(exits).toHaveLength(1);
      expect(hosts.forgotten).toContain(order.instanceId);
    },
  );

  test("a machine whose agent does not join in time is told, and ended", async () => {
    await provider.close();
    provider = await open({ intervals: { pricesMs: 200, machinesMs: 200, joinMsMax: 1000 } });
    const silent = orderOf(ON_DEMAND);
    const good = orderOf(SPOT);
    hosts.join(good.instanceId);
    await provider.launch(silent);
    await provider.launch(good);
    await expect.poll(() => exits, inTime).toEqual([[silent.instanceId, expect.stringContaining("did not join")]]);
    await expect.poll(async () => (await place.running()).length, inTime).toBe(1);
    expect(await provider.list()).toEqual([good.instanceId]);
  });

  test("an EC2 that is away ends nothing and tells nothing; instances can be listed from what is known", async () => {
    await provider.close();
    provider = await open({ intervals: { pricesMs: 200, machinesMs: 200, requestMsMax: 200 } });
    const order = orderOf(ON_DEMAND);
    await provider.launch(order);
    place.proxy.fateOf = () => ({ kind: "hang" });
    const asked = place.proxy.requests.length;
    await expect.poll(() => place.proxy.requests.length, inTime).toBeGreaterThan(asked + 4);
    expect(await provider.list()).toEqual([order.instanceId]);
    await expect(provider.terminate(order.instanceId)).rejects.toThrow();
    expect(exits).toEqual([]);
    place.proxy.fateOf = () => undefined;
    await provider.terminate(order.instanceId);
    expect(await place.running()).toEqual([]);
  });

  test("there are never more machines than the settings allow, also of several launches at once", async () => {
    await provider.close();
    provider = await open({ machinesMax: 2 });
    const launches = await Promise.allSettled([1, 2, 3, 4].map(() => provider.launch(orderOf(ON_DEMAND))));
    expect(launches.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
    for (const launch of launches)
      if (launch.status === "rejected") expect(launch.reason).toMatchObject({ code: "INSUFFICIENT_CAPACITY" });
    expect(await place.running()).toHaveLength(2);
  });
});
