import { expect, test } from "vitest";
import { HearthError } from "../../src/model/error-code.ts";
import type { InstanceId } from "../../src/model/ids.ts";
import { type ScriptedProvider, ScriptedServer, variableOffer } from "./capacity-fixture/scripted-server.ts";

/** Real agents behind a provider that breaks its promises. */

const IN_TIME = { timeout: 30_000 };
const TIMEOUT_MS = 90_000;
const LAUNCH_MS_MAX = 2_000;
/** One instance is enough for them. */
const CALLERS = 5;
const ENDING_MS_MAX = 1_500;
/** In which a thing that must not happen would. */
const QUIET_MS = 2_500;
/** Launches for those who wait only. */
const NONE_READY = { fixed: { min: 0, max: 0 }, variable: { min: 0, max: 0 } };
const OTHER = variableOffer("b", { priceUsdPerHour: 0.02 });
const quiet = () => new Promise((resolve) => setTimeout(resolve, QUIET_MS));
const offersOf = ({ launches }: ScriptedProvider) => launches.map(({ offerId }) => offerId.split("/")[2]);
const never = () => new Promise<never>(() => {});

test("a launch that takes too long is given up for another offer; the late agent may not join, and is ended", {
  timeout: TIMEOUT_MS,
}, async () => {
  await using scripted = await ScriptedServer.start({
    offers: [variableOffer("a"), OTHER],
    settings: { launchMsMax: LAUNCH_MS_MAX, warming: NONE_READY },
  });
  const { provider } = scripted;
  const late = Promise.withResolvers<void>();
  provider.onLaunch = async ({ offerId }, start) => {
    if (!offerId.includes("/a/")) return start();
    await late.promise;
    return start();
  };
  const answer = scripted.invoke();
  await expect.poll(() => offersOf(provider), IN_TIME).toContain("a");
  expect(await answer).toBe("ok");
  const [givenUp] = provider.launches.filter(({ offerId }) => offerId.includes("/a/"));
  expect(provider.ends).toContain(givenUp?.instanceId);
  expect(await provider.instances()).not.toContain(givenUp?.instanceId);

  provider.ends.length = 0;
  late.resolve();
  // Started after all, and after its end was ordered: it is ended again.
  await expect.poll(() => provider.ends, IN_TIME).toContain(givenUp?.instanceId);
  await expect
    .poll(async () => (await provider.instances()).includes(givenUp?.instanceId as InstanceId), IN_TIME)
    .toBe(false);
  expect(scripted.instances.map(({ id }) => id)).not.toContain(givenUp?.instanceId);
  expect(await scripted.invoke()).toBe("ok");
  expect(scripted.broken).toEqual([]);
});

test("a launch that never ends and never fails costs one launch time, and no end of the server", {
  timeout: TIMEOUT_MS,
}, async () => {
  await using scripted = await ScriptedServer.start({
    settings: { launchMsMax: LAUNCH_MS_MAX },
    capacity: { onShortage: { kind: "fixed", afterMs: 500 } },
    endingMsMax: ENDING_MS_MAX,
  });
  scripted.provider.onLaunch = never;
  expect(await scripted.invoke()).toBe("ok");
  await expect.poll(() => scripted.provider.ends.length, IN_TIME).toBeGreaterThan(0);
  // Not one after the other without a pause.
  await quiet();
  expect(scripted.provider.launches.length).toBeLessThanOrEqual(3);
  expect(scripted.broken).toEqual([]);
  await scripted.stop();
});

test("an offer that has nothing is asked rarely, and another one serves", { timeout: TIMEOUT_MS }, async () => {
  await using scripted = await ScriptedServer.start({ offers: [variableOffer("a"), OTHER] });
  const { provider } = scripted;
  provider.onLaunch = async ({ offerId }, start) => {
    if (offerId.includes("/a/")) throw new HearthError("INSUFFICIENT_CAPACITY", "none left");
    return start();
  };
  for (let call = 0; call < 5; call++) expect(await scripted.invoke()).toBe("ok");
  await quiet();
  expect(offersOf(provider).filter((name) => name === "a").length).toBeLessThanOrEqual(2);
  expect(scripted.broken).toEqual([]);
});

test("while no offer has anything callers wait, launches pause, and the first success serves them all", {
  timeout: TIMEOUT_MS,
}, async () => {
  await using scripted = await ScriptedServer.start({
    offers: [variableOffer("a"), OTHER],
    settings: { warming: NONE_READY },
  });
  const { provider } = scripted;
  provider.onLaunch = async () => {
    throw new HearthError("INSUFFICIENT_CAPACITY", "none left");
  };
  const answers = Promise.all(Array.from({ length: CALLERS }, () => scripted.invoke()));
  await expect.poll(() => provider.launches.length, IN_TIME).toBeGreaterThan(0);
  await quiet();
  expect(provider.launches.length).toBeLessThanOrEqual(6);
  provider.onLaunch = (_, start) => start();
  // It is tried again by itself when its pause is over.
  expect(await answers).toEqual(Array.from({ length: CALLERS }, () => "ok"));
  expect(scripted.broken).toEqual([]);
});

test("notices that come twice, too late, for nobody, and ends that are told twice", {
  timeout: TIMEOUT_MS,
}, async () => {
  await using scripted = await ScriptedServer.start({ offers: [variableOffer("a"), OTHER] });
  const { provider } = scripted;
  expect(await scripted.invoke()).toBe("ok");
  const { listener } = provider;
  const stranger = "i-stranger" as InstanceId;
  const nowMs = performance.timeOrigin + performance.now();
  listener.onAtRisk(stranger, "nobody's");
  listener.onReclaim(stranger, nowMs + 1000, "nobody's");
  listener.onExit(stranger, "nobody's");
  expect(provider.ends).toEqual([]);

  const running = scripted.invoke({ ms: 60_000 });
  await expect.poll(() => scripted.runningInstanceIds.length, IN_TIME).toBe(1);
  const [noticed] = scripted.runningInstanceIds as [InstanceId];
  const launchesBefore = provider.launches.length;
  listener.onReclaim(noticed, nowMs + 3_600_000, "first");
  listener.onReclaim(noticed, nowMs + 3_600_000, "again");
  listener.onAtRisk(noticed, "known by now");
  expect(scripted.instances.find(({ id }) => id === noticed)).toMatchObject({ state: "draining" });
  // Nothing more is placed there, although it would still be there for an hour.
  const other = scripted.invoke({ ms: 300 });
  expect(await other).toBe("ok");
  expect(scripted.runningInstanceIds).toEqual([noticed]);
  expect(provider.launches.length - launchesBefore).toBeGreaterThan(0);

  // A deadline that has passed: it is cut off at once, and answered once.
  listener.onReclaim(noticed, nowMs - 60_000, "in the past");
  listener.onReclaim(noticed, nowMs - 60_000, "in the past");
  expect(await running).toBe("RECLAIMED");
  await expect.poll(() => scripted.instances.some(({ id }) => id === noticed), IN_TIME).toBe(false);
  listener.onExit(noticed, "it ended");
  listener.onExit(noticed, "it ended");
  listener.onReclaim(noticed, nowMs + 1000, "long gone");
  expect(await scripted.invoke()).toBe("ok");
  expect(provider.ends.filter((id) => id === noticed)).toHaveLength(1);
  expect(scripted.broken).toEqual([]);
});

test("an end before the agent has joined, told twice, is one failed launch", { timeout: TIMEOUT_MS }, async () => {
  await using scripted = await ScriptedServer.start({ offers: [variableOffer("a"), OTHER] });
  const { provider } = scripted;
  let failures = 0;
  provider.onLaunch = async ({ instanceId, offerId }, start) => {
    if (!offerId.includes("/a/")) return start();
    failures++;
    provider.listener.onExit(instanceId, "its machine ended");
    provider.listener.onExit(instanceId, "its machine ended");
  };
  expect(await scripted.invoke()).toBe("ok");
  await quiet();
  expect(failures).toBeLessThanOrEqual(2);
  expect(scripted.broken).toEqual([]);
});

test("ends that never end hold up neither callers nor the end of the server", { timeout: TIMEOUT_MS }, async () => {
  await using scripted = await ScriptedServer.start({
    offers: [variableOffer("a"), OTHER],
    endingMsMax: ENDING_MS_MAX,
  });
  const { provider } = scripted;
  expect(await scripted.invoke()).toBe("ok");
  provider.onTerminate = never;
  provider.onList = never;
  const [first] = scripted.instances.filter(({ state }) => state === "active");
  provider.listener.onReclaim(first?.id as InstanceId, performance.timeOrigin + performance.now(), "now");
  expect(await scripted.invoke()).toBe("ok");
  await scripted.stop();
  expect(scripted.log.join("\n")).toContain("instances could not be ended");
  expect(scripted.broken).toEqual([]);
});

test("an end that fails at first is tried again", { timeout: TIMEOUT_MS }, async () => {
  await using scripted = await ScriptedServer.start();
  const { provider } = scripted;
  expect(await scripted.invoke()).toBe("ok");
  let tries = 0;
  provider.onTerminate = async (_, end) => {
    if (++tries < 3) throw new HearthError("PROVIDER_UNAVAILABLE", "the region is down");
    await end();
  };
  const [first] = scripted.instances.filter(({ state }) => state === "active");
  provider.listener.onReclaim(first?.id as InstanceId, performance.timeOrigin + performance.now(), "now");
  await expect.poll(async () => (await provider.instances()).includes(first?.id as InstanceId), IN_TIME).toBe(false);
  await expect.poll(() => scripted.instances.some(({ id }) => id === first?.id), IN_TIME).toBe(false);
  expect(tries).toBe(3);
  expect(scripted.broken).toEqual([]);
});
