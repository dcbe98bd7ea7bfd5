import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, type TestOptions, test } from "vitest";
import type { Offer } from "../../model/capacity.ts";
import type { InstanceId } from "../../model/ids.ts";
import type { InstanceReport, Shape } from "../../model/instance.ts";
import type { CapacityListener, CapacityProvider, LaunchOrder } from "../capacity-provider.ts";

/** The server's end of one test, and eyes for what a provider leaves behind. */
export type ProviderWorld = {
  /** A provider on this world's data. Called again it is the one of the next server; the first one is used no more. */
  open(): Promise<CapacityProvider>;
  /** Where agents on this host dial in. */
  readonly serverSocketPath: string;
  /** What the instance's agent said when it joined; waits for it, for as long as a boot may take. */
  joined(instanceId: InstanceId): Promise<Pick<InstanceReport, "instanceId" | "offerId" | "subPool" | "shape">>;
  /** False when the agent's connection has ended, or there was none. */
  isJoined(instanceId: InstanceId): boolean;
  /** Kills the agent, or its machine, as a crash would. */
  crash(instanceId: InstanceId): Promise<void>;
  /** Processes, control groups, mounts, files of instances, machines that belong to this world; a line for each. */
  traces(): Promise<readonly string[]>;
  /** After the test, which has ended its instances. */
  close(): Promise<void>;
};

export type ProviderContract = {
  readonly openWorld: () => Promise<ProviderWorld>;
  /** Two that fit at once, for elastic offers; those of a catalogue have theirs. */
  readonly elasticShapes: readonly [Shape, Shape];
  /** More than the place can ever give. */
  readonly impossibleShape: Shape;
  /** For one test, and for one wait in it: several boots, one after the other. */
  readonly timeoutMs: number;
  /** Skips with its reason where the machine lacks what the provider needs, see test/skip.ts. */
  readonly needs?: TestOptions;
};

/** What every provider promises, see `CapacityProvider`. Each test has a world of its own. */
export function describeCapacityProvider(name: string, contract: ProviderContract): void {
  const { timeoutMs } = contract;
  const inTime = { timeout: timeoutMs, interval: 50 };

  describe(`${name} keeps the provider's contract`, { ...contract.needs, timeout: timeoutMs }, () => {
    let world: ProviderWorld;
    let provider: CapacityProvider;
    let told: Told;

    beforeEach(async () => {
      world = await contract.openWorld();
      await openProvider();
    }, timeoutMs);

    afterEach(async () => {
      for (const instanceId of await provider.list()) await provider.terminate(instanceId);
      await provider.close();
      await world.close();
    }, timeoutMs);

    async function openProvider(): Promise<void> {
      provider = await world.open();
      told = listen(provider);
    }

    /** What can be had, as soon as there is something: some offers only come after a look at the place. */
    async function availableOffers(): Promise<readonly Offer[]> {
      const available = () => provider.offers().filter((offer) => offer.isAvailable);
      await expect.poll(() => available().length, inTime).toBeGreaterThan(0);
      return available();
    }

    /** @param at which of the two shapes, or of the offers that come with one. */
    async function order(at: 0 | 1 = 0): Promise<LaunchOrder> {
      const offers = await availableOffers();
      const offer = offers[at % offers.length] as Offer;
      return orderOf(offer, offer.isElastic ? contract.elasticShapes[at] : offer.shape);
    }

    function orderOf({ id: offerId, subPool }: Offer, shape: Shape): LaunchOrder {
      const instanceId = `i-${randomUUID()}` as InstanceId;
      const { serverSocketPath } = world;
      return { instanceId, offerId, subPool, shape, bidUsdPerHour: undefined, serverSocketPath, token: "secret" };
    }

    async function launchJoined(at: 0 | 1 = 0): Promise<LaunchOrder> {
      const ordered = await order(at);
      await provider.launch(ordered);
      await world.joined(ordered.instanceId);
      return ordered;
    }

    async function expectNothingOf(instanceId: InstanceId): Promise<void> {
      expect(await provider.list()).not.toContain(instanceId);
      await expect.poll(() => tracesOf(instanceId), inTime).toEqual([]);
    }

    async function tracesOf(instanceId: InstanceId): Promise<readonly string[]> {
      return (await world.traces()).filter((trace) => trace.includes(instanceId));
    }

    test("offers say what they are, and are the same ones for the next server", async () => {
      const offers = await availableOffers();
      for (const offer of offers) expectWellFormed(offer, provider);
      const ids = offers.map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      await openProvider();
      expect((await availableOffers()).map(({ id }) => id)).toEqual(ids);
    });

    test("what it tells of offers is well formed as well", async () => {
      await launchJoined();
      for (const offer of told.offers) expectWellFormed(offer, provider);
      const known = new Set(provider.offers().map(({ id }) => id));
      expect(told.offers.map(({ id }) => id).filter((id) => !known.has(id))).toEqual([]);
    });

    test("an agent joins as it was ordered", async () => {
      const { instanceId, offerId, subPool, shape } = await launchJoined();
      expect(await world.joined(instanceId)).toMatchObject({ instanceId, offerId, subPool, shape });
      expect(await provider.list()).toEqual([instanceId]);
      expect(told.exits).toEqual([]);
    });

    test("several at once have the shapes that were ordered", async () => {
      const orders = [await order(0), await order(1)];
      await Promise.all(orders.map((ordered) => provider.launch(ordered)));
      for (const { instanceId, shape } of orders) expect(await world.joined(instanceId)).toMatchObject({ shape });
      expect((await provider.list()).toSorted()).toEqual(orders.map(({ instanceId }) => instanceId).toSorted());
      const [first, second] = orders as [LaunchOrder, LaunchOrder];
      await provider.terminate(first.instanceId);
      await expectNothingOf(first.instanceId);
      expect(await provider.list()).toEqual([second.instanceId]);
      expect(world.isJoined(second.instanceId)).toBe(true);
    });

    test("the end of an agent that nobody asked for is told", async () => {
      const { instanceId } = await launchJoined();
      await world.crash(instanceId);
      await expect.poll(() => told.exits, inTime).toContain(instanceId);
      await provider.terminate(instanceId);
      await expectNothingOf(instanceId);
    });

    test("ending is idempotent, and complete", async () => {
      const { instanceId } = await launchJoined();
      await Promise.all([provider.terminate(instanceId), provider.terminate(instanceId)]);
      await provider.terminate(instanceId);
      await expectNothingOf(instanceId);
      await expect.poll(() => world.isJoined(instanceId), inTime).toBe(false);
    });

    test("ending what never was is no error, and touches nothing else", async () => {
      const { instanceId } = await launchJoined();
      await provider.terminate(`i-${randomUUID()}` as InstanceId);
      expect(await provider.list()).toEqual([instanceId]);
    });

    test("an instance that is ended while it is launched is gone when both are through", async () => {
      const ordered = await order();
      const launch = provider.launch(ordered);
      await Promise.allSettled([launch, provider.terminate(ordered.instanceId)]);
      await expectNothingOf(ordered.instanceId);
    });

    test("instances outlive their server: the next one lists and ends them", async () => {
      const { instanceId } = await launchJoined();
      await openProvider();
      expect(await provider.list()).toEqual([instanceId]);
      expect(world.isJoined(instanceId)).toBe(true);
      const another = await launchJoined(1);
      expect((await provider.list()).toSorted()).toEqual([instanceId, another.instanceId].toSorted());
      await provider.terminate(instanceId);
      await expectNothingOf(instanceId);
      expect(world.isJoined(another.instanceId)).toBe(true);
    });

    test("a name that exists is refused, and whose it is suffers nothing", async () => {
      const ordered = await launchJoined();
      await expect(provider.launch(ordered)).rejects.toMatchObject({ code: "LAUNCH_FAILED" });
      expect(await provider.list()).toEqual([ordered.instanceId]);
      expect(world.isJoined(ordered.instanceId)).toBe(true);
      expect(told.exits).toEqual([]);
    });

    test("a shape that cannot be is refused, and leaves nothing", async () => {
      const [offer] = (await availableOffers()) as [Offer];
      const shapes = [contract.impossibleShape, { memoryMiB: -5, cpuMilli: 1000 }, { memoryMiB: 512, cpuMilli: 0 }];
      for (const shape of shapes) {
        const ordered = orderOf(offer, shape);
        await expect(provider.launch(ordered)).rejects.toMatchObject({ code: REFUSED });
        await expectNothingOf(ordered.instanceId);
      }
      expect(await provider.list()).toEqual([]);
    });

    test("nothing is left of it after its end", async () => {
      const { instanceId } = await launchJoined();
      expect(await tracesOf(instanceId)).not.toEqual([]);
      await provider.terminate(instanceId);
      await provider.close();
      await expect.poll(() => world.traces(), inTime).toEqual([]);
      await openProvider();
    });
  });
}

const REFUSED = expect.stringMatching(/^(LAUNCH_FAILED|INSUFFICIENT_CAPACITY)$/);

type Told = { readonly offers: readonly Offer[]; readonly exits: readonly InstanceId[] };

/** Also holds the provider to answering nothing while it is called. */
function listen(provider: CapacityProvider): Told {
  const told = { offers: [] as Offer[], exits: [] as InstanceId[] };
  let isCalling = true;
  const later = (record: () => void) => {
    expect(isCalling, "told before `watch` returned").toBe(false);
    record();
  };
  const listener: CapacityListener = {
    onOffers: (offers) => later(() => told.offers.push(...offers)),
    onAtRisk: () => later(() => {}),
    onReclaim: () => later(() => {}),
    onExit: (instanceId) => later(() => told.exits.push(instanceId)),
  };
  provider.watch(listener);
  isCalling = false;
  return told;
}

function expectWellFormed(offer: Offer, { kind }: CapacityProvider): void {
  const { id, zone, instanceType, shape, capacity, priceUsdPerHour, demandLevel, noticeMs } = offer;
  expect(id).toMatch(/^[^/\s]+\/[^/\s]+\/[^/\s]+\/[^/\s]+$/);
  expect(id.split("/").slice(0, 3)).toEqual([kind, zone, instanceType]);
  expect(offer.provider).toBe(kind);
  expect(["fixed", "variable"]).toContain(offer.subPool);
  expect(shape.memoryMiB).toBeGreaterThan(0);
  expect(shape.cpuMilli).toBeGreaterThan(0);
  if (capacity !== undefined) expect(Math.min(capacity.memoryMiB, capacity.cpuMilli)).toBeGreaterThanOrEqual(0);
  expect(priceUsdPerHour).toBeGreaterThanOrEqual(0);
  expect(demandLevel).toBeGreaterThanOrEqual(0);
  expect(demandLevel).toBeLessThanOrEqual(1);
  expect(noticeMs).toBeGreaterThanOrEqual(0);
  if (offer.subPool === "fixed") expect(noticeMs).toBe(Number.POSITIVE_INFINITY);
}
