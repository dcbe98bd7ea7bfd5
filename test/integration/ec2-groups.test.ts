import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { InstanceId, OfferId } from "../../src/model/ids.ts";
import type { CapacityProvider, LaunchOrder } from "../../src/ports/capacity-provider.ts";
import { systemClock } from "../../src/ports/clock.ts";
import { createEc2Provider } from "../../src/provider/ec2/ec2-provider.ts";
import { Ec2Place } from "./ec2-fixture/ec2-place.ts";
import { priceHistoryXml } from "./ec2-fixture/ec2-proxy.ts";
import { InvitedHosts } from "./ec2-fixture/invited-hosts.ts";
import { needsMoto } from "./moto-server.ts";

const GROUPS = { instanceTypes: types(["m6i.large", 0.107], ["m7i.xlarge", 0.2246], ["c6i.large", 0.0912]) };
const GROUPED = { ...GROUPS, groups: { general: ["m6i.large", "m7i.xlarge"] } };
const SPOT = "ec2/eu-west-1/general/spot" as OfferId;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

function types(...prices: [string, number][]) {
  return Object.fromEntries(prices.map(([type, onDemandUsdPerHour]) => [type, { onDemandUsdPerHour }]));
}

describe("groups of EC2 types, with moto as EC2", needsMoto, () => {
  let place: Ec2Place;
  let provider: CapacityProvider;
  let hosts: InvitedHosts;

  beforeAll(async () => {
    place = await Ec2Place.open();
  });
  afterAll(() => place.close());

  beforeEach(async () => {
    place.proxy.fateOf = ({ action }) => {
      if (action !== "DescribeSpotPriceHistory") return undefined;
      const at = "2026-05-01T10:00:00.000Z";
      const [a, b] = ["eu-west-1a", "eu-west-1b"];
      return {
        kind: "answer",
        xml: priceHistoryXml([
          { type: "m6i.large", zone: a, usd: "0.0400", at },
          { type: "m6i.large", zone: b, usd: "0.0600", at },
          { type: "m7i.xlarge", zone: a, usd: "0.0900", at },
          { type: "m7i.xlarge", zone: b, usd: "0.9000", at },
        ]),
      };
    };
    provider = await open();
  });

  afterEach(async () => {
    place.proxy.fateOf = () => undefined;
    await provider.close();
    for (const { InstanceId } of await place.running())
      await place.ec2.terminateInstances({ InstanceIds: [InstanceId!] });
  });

  async function open(): Promise<CapacityProvider> {
    hosts = new InvitedHosts();
    const settings = place.settings(GROUPED);
    const opened = await createEc2Provider({ settings, dataDir: place.dataDir, hosts, clock: systemClock, log: quiet });
    await opened.list();
    return opened;
  }

  function orderOf(offerId: OfferId, bidUsdPerHour?: number): LaunchOrder {
    const { subPool, shape } = provider.offers().find(({ id }) => id === offerId)!;
    const instanceId = `i-${randomUUID()}` as InstanceId;
    return { instanceId, offerId, subPool, shape, bidUsdPerHour, serverSocketPath: "/nowhere", token: "secret" };
  }

  const templates = async () => (await place.ec2.describeLaunchTemplates({})).LaunchTemplates ?? [];

  test("are one offer, of which all that is said holds for each machine; the other types have their own", () => {
    expect(
      provider
        .offers()
        .map(({ id }) => id)
        .toSorted(),
    ).toEqual([
      "ec2/eu-west-1/general/on-demand",
      "ec2/eu-west-1/general/spot",
      "ec2/eu-west-1a/c6i.large/on-demand",
      "ec2/eu-west-1a/c6i.large/spot",
      "ec2/eu-west-1b/c6i.large/on-demand",
      "ec2/eu-west-1b/c6i.large/spot",
    ]);
    // The least of the shapes, and the dearest price that anybody would bid.
    expect(provider.offers().find(({ id }) => id === SPOT)).toMatchObject({
      shape: { memoryMiB: 6809, cpuMilli: 2000 },
      priceUsdPerHour: 0.09,
      isAvailable: true,
    });
    expect(provider.offers().find(({ id }) => id === "ec2/eu-west-1/general/on-demand")).toMatchObject({
      priceUsdPerHour: 0.2246,
    });
  });

  test("leave the choice of type and zone to EC2, each with its own bid", async () => {
    const order = orderOf(SPOT, 0.15);
    await provider.launch(order);
    const { parameters } = place.proxy.requests.findLast(({ action }) => action === "CreateFleet")!;
    const of = (name: string) => [...parameters].flatMap(([key, value]) => (key.endsWith(`.${name}`) ? [value] : []));
    expect(of("InstanceType")).toEqual(["m6i.large", "m6i.large", "m7i.xlarge", "m7i.xlarge"]);
    expect(of("MaxPrice")).toEqual(["0.107000", "0.107000", "0.150000", "0.150000"]);
    expect(parameters.get("SpotOptions.AllocationStrategy")).toBe("price-capacity-optimized");
    expect(parameters.get("Type")).toBe("instant");
    const [machine, ...others] = await place.running();
    expect(others).toEqual([]);
    expect(machine?.InstanceLifecycle).toBe("spot");
    expect(await place.userDataOf(machine!.InstanceId!)).toContain(hosts.tokenOf(order.instanceId));
    expect(await provider.list()).toEqual([order.instanceId]);
    expect(await templates(), "the launch template is gone").toEqual([]);
    await provider.terminate(order.instanceId);
    expect(await place.running()).toEqual([]);
  });

  test("on-demand likewise", async () => {
    await provider.launch(orderOf("ec2/eu-west-1/general/on-demand" as OfferId));
    const [machine] = await place.running();
    expect(machine?.InstanceLifecycle).toBeUndefined();
  });

  test("a fleet that gets nothing is INSUFFICIENT_CAPACITY, and leaves nothing", async () => {
    place.proxy.fateOf = ({ action }) =>
      action === "CreateFleet"
        ? {
            kind: "answer",
            xml: `<CreateFleetResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><fleetId>fleet-1</fleetId><errorSet><item><errorCode>InsufficientInstanceCapacity</errorCode><errorMessage>none left</errorMessage></item><item><errorCode>UnfulfillableCapacity</errorCode><errorMessage>none at all</errorMessage></item></errorSet><fleetInstanceSet/></CreateFleetResponse>`,
          }
        : undefined;
    const order = orderOf(SPOT);
    await expect(provider.launch(order)).rejects.toMatchObject({
      code: "INSUFFICIENT_CAPACITY",
      message: expect.stringContaining("none left"),
    });
    expect(await templates()).toEqual([]);
    expect(await provider.list()).toEqual([]);
  });

  test("a fleet whose answer is lost makes no second machine", async () => {
    let lost = 0;
    place.proxy.fateOf = ({ action }) => (action === "CreateFleet" && lost++ === 0 ? { kind: "lose" } : undefined);
    await provider.launch(orderOf(SPOT));
    expect(lost).toBe(1);
    expect(await place.running()).toHaveLength(1);
    expect(await templates()).toEqual([]);
  });

  test("a template that a killed server has left goes with the next start", async () => {
    place.proxy.fateOf = ({ action }) =>
      action === "DeleteLaunchTemplate" ? { kind: "error", status: 503, code: "Unavailable" } : undefined;
    await provider.launch(orderOf(SPOT));
    expect(await templates()).toHaveLength(1);
    await provider.close();
    place.proxy.fateOf = () => undefined;
    provider = await open();
    expect(await templates()).toEqual([]);
    expect(await place.running()).toHaveLength(1);
  });
});
