import { describe, expect, test } from "vitest";
import type { Offer, ProviderKind } from "../../model/capacity.ts";
import { HearthError } from "../../model/error-code.ts";
import type { InstanceId, OfferId } from "../../model/ids.ts";
import type { CapacityListener, CapacityProvider, LaunchOrder } from "../../ports/capacity-provider.ts";
import { createFleet } from "./fleet.ts";

const SHAPE = { memoryMiB: 1024, cpuMilli: 1000 };
const EARLIER = "i-earlier" as InstanceId;

/** Instances that are names in a list. */
class ListedProvider implements CapacityProvider {
  readonly kind: ProviderKind;
  readonly isolation = "none";
  readonly instances: Set<InstanceId>;
  readonly calls: string[];
  listener: CapacityListener | undefined;
  fails = false;

  constructor(kind: ProviderKind, calls: string[] = [], instances: readonly InstanceId[] = []) {
    this.kind = kind;
    this.calls = calls;
    this.instances = new Set(instances);
  }

  offers(): readonly Offer[] {
    const id = `${this.kind}/host/slice/terms` as OfferId;
    const place = { provider: this.kind, zone: "host", instanceType: "slice", subPool: "fixed" } as const;
    const terms = { priceUsdPerHour: 1, demandLevel: 0, isAvailable: true, noticeMs: Infinity };
    return [{ id, ...place, ...terms, shape: SHAPE, isElastic: true, capacity: SHAPE }];
  }

  watch(listener: CapacityListener): void {
    this.listener = listener;
  }

  async launch({ instanceId }: LaunchOrder): Promise<void> {
    this.#call(`launch ${instanceId}`);
    this.instances.add(instanceId);
  }

  async terminate(instanceId: InstanceId): Promise<void> {
    this.#call(`terminate ${instanceId}`);
    this.instances.delete(instanceId);
  }

  async list(): Promise<readonly InstanceId[]> {
    this.#call("list");
    return [...this.instances];
  }

  async close(): Promise<void> {
    this.#call("close");
  }

  #call(what: string): void {
    this.calls.push(`${this.kind} ${what}`);
    if (this.fails) throw new HearthError("PROVIDER_UNAVAILABLE", "the region is down");
  }
}

function orderOf(name: string, kind: string): LaunchOrder {
  const offerId = `${kind}/host/slice/terms` as OfferId;
  const who = { instanceId: name as InstanceId, offerId, subPool: "fixed", shape: SHAPE } as const;
  return { ...who, bidUsdPerHour: undefined, serverSocketPath: "agents.sock", token: "secret" };
}

describe("a fleet", () => {
  test("offers and lists what all of them have, and tells who they are", async () => {
    const fleet = createFleet([new ListedProvider("sandbox", [], [EARLIER]), new ListedProvider("harvest")]);
    expect(fleet.offers().map(({ id }) => id)).toEqual(["sandbox/host/slice/terms", "harvest/host/slice/terms"]);
    await fleet.launch(orderOf("i-1", "harvest"));
    expect(await fleet.list()).toEqual([EARLIER, "i-1"]);
    expect([fleet.kind, fleet.isolation]).toEqual(["sandbox, harvest", "sandbox: none; harvest: none"]);
  });

  test("sends an order to whose offer it is, and the end to whose instance it is", async () => {
    const calls: string[] = [];
    const fleet = createFleet([new ListedProvider("sandbox", calls), new ListedProvider("harvest", calls)]);
    await fleet.launch(orderOf("i-1", "harvest"));
    await fleet.launch(orderOf("i-2", "sandbox"));
    await fleet.terminate("i-1" as InstanceId);
    await fleet.terminate("i-2" as InstanceId);
    const ends = ["harvest terminate i-1", "sandbox terminate i-2"];
    expect(calls).toEqual(["harvest launch i-1", "sandbox launch i-2", ...ends]);
  });

  test("finds an instance of an earlier server by asking; one that is nowhere is ended by all", async () => {
    const calls: string[] = [];
    const fleet = createFleet([new ListedProvider("sandbox", calls), new ListedProvider("harvest", calls, [EARLIER])]);
    await fleet.terminate(EARLIER);
    expect(calls).toEqual(["sandbox list", "harvest list", `harvest terminate ${EARLIER}`]);
    calls.length = 0;
    await fleet.terminate(EARLIER);
    expect(calls.slice(2)).toEqual([`sandbox terminate ${EARLIER}`, `harvest terminate ${EARLIER}`]);
  });

  test("refuses an offer of nobody, and a name that another provider has", async () => {
    const fleet = createFleet([new ListedProvider("sandbox", [], [EARLIER]), new ListedProvider("harvest")]);
    await fleet.list();
    for (const order of [orderOf("i-1", "ec2"), orderOf(EARLIER, "harvest")]) {
      await expect(fleet.launch(order)).rejects.toMatchObject({ code: "LAUNCH_FAILED" });
    }
    expect(await fleet.list()).toEqual([EARLIER]);
  });

  test("names the provider that fails; what failed to launch can be launched elsewhere", async () => {
    const broken = new ListedProvider("ec2");
    broken.fails = true;
    const fleet = createFleet([new ListedProvider("sandbox"), broken]);
    const failure = { code: "PROVIDER_UNAVAILABLE", message: expect.stringMatching(/^ec2: .*the region is down/) };
    await expect(fleet.launch(orderOf("i-1", "ec2"))).rejects.toMatchObject(failure);
    await expect(fleet.list()).rejects.toMatchObject(failure);
    await fleet.launch(orderOf("i-1", "sandbox"));
    await fleet.terminate("i-1" as InstanceId);
    // It may be there: only who was asked in vain would know.
    await expect(fleet.terminate(EARLIER)).rejects.toMatchObject(failure);
  });

  test("has one listener", () => {
    const exits: string[] = [];
    const members = [new ListedProvider("sandbox"), new ListedProvider("harvest")];
    createFleet(members).watch({ onOffers() {}, onAtRisk() {}, onReclaim() {}, onExit: (id) => exits.push(id) });
    for (const { listener, kind } of members) listener?.onExit(`i-${kind}` as InstanceId, "killed");
    expect(exits).toEqual(["i-sandbox", "i-harvest"]);
  });

  test("closes all, the last one first, even if some fail", async () => {
    const calls: string[] = [];
    const members = (["sandbox", "harvest", "ec2"] as const).map((kind) => new ListedProvider(kind, calls));
    const [, harvest, ec2] = members as [ListedProvider, ListedProvider, ListedProvider];
    ec2.fails = true;
    await expect(createFleet(members).close()).rejects.toThrow(/^ec2: .*the region is down/);
    expect(calls).toEqual(["ec2 close", "harvest close", "sandbox close"]);
    harvest.fails = true;
    await expect(createFleet(members).close()).rejects.toThrow(/ec2: .*harvest: /);
  });
});
