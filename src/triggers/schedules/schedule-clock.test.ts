import { Cron } from "croner";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { FunctionVersion } from "../../model/function-version.ts";
import type { AccountId } from "../../model/ids.ts";
import type { InvokeRequest } from "../../ports/invoker.ts";
import type { ScheduleSettings, ScheduleTick } from "../../ports/schedule.ts";
import { createMemoryStore } from "../../store/memory/memory-store.ts";
import { ScheduleClock, type ScheduleClockOptions } from "./schedule-clock.ts";

const account = "000000000000" as AccountId;
const log = { debug() {}, info() {}, warn() {}, error() {} };
const start = Date.parse("2026-12-01T00:00:00Z");
const hourly: ScheduleSettings = {
  expression: "rate(1 hour)",
  timezone: "UTC",
  functionName: "f",
  qualifier: undefined,
  input: undefined,
  onMissed: "latest",
};
const HOUR = 3_600_000;

// Only time is made up: it is what is tested.
beforeEach(() => void vi.useFakeTimers({ now: start }));
afterEach(() => void vi.useRealTimers());

function serverOn(store: ReturnType<typeof createMemoryStore>, options: Partial<ScheduleClockOptions> = {}) {
  const ticks: { at: string; request: InvokeRequest }[] = [];
  const clock = new ScheduleClock({
    store: store.schedules,
    resolve: () => ({ name: "f", arn: "arn:f" }) as FunctionVersion,
    accept: async (request: InvokeRequest, tick: ScheduleTick) => {
      await store.schedules.skip(tick);
      ticks.push({ at: new Date(tick.tickMs).toISOString().slice(8, 16), request });
    },
    region: "us-east-1",
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    log,
    ...options,
  });
  return { clock, ticks, times: () => ticks.map(({ at }) => at) };
}

test("each tick is one event in the shape of EventBridge, with an id of its own", async () => {
  const { clock, ticks, times } = serverOn(createMemoryStore());
  clock.start();
  await clock.put(account, "s", hourly);
  await vi.advanceTimersByTimeAsync(3 * HOUR + 1000);
  expect(times()).toEqual(["01T01:00", "01T02:00", "01T03:00"]);
  expect(new Set(ticks.map(({ request }) => request.id)).size).toBe(3);
  const [first] = ticks;
  expect(first?.request.trigger).toBe("timer");
  expect(JSON.parse(first?.request.payload.toString() ?? "")).toEqual({
    version: "0",
    id: first?.request.id,
    "detail-type": "Scheduled Event",
    source: "aws.events",
    account,
    time: "2026-12-01T01:00:00Z",
    region: "us-east-1",
    resources: [`arn:aws:events:us-east-1:${account}:rule/s`],
    detail: {},
  });
  await clock.close();
});

test.for([
  ["latest", ["01T01:00", "01T05:00", "01T06:00"]],
  ["skip", ["01T01:00", "01T06:00"]],
] as const)("ticks that were missed while no server ran: %s", async ([onMissed, expected]) => {
  const store = createMemoryStore();
  const first = serverOn(store);
  first.clock.start();
  await first.clock.put(account, "s", { ...hourly, onMissed });
  await vi.advanceTimersByTimeAsync(HOUR + 1000);
  await first.clock.close();
  await vi.advanceTimersByTimeAsync(4.5 * HOUR);
  const second = serverOn(store);
  await second.clock.load();
  second.clock.start();
  await vi.advanceTimersByTimeAsync(HOUR);
  await second.clock.close();
  expect([...first.times(), ...second.times()]).toEqual(expected);
});

test("a clock that is set back repeats no tick; one that is set forward misses those between", async () => {
  const { clock, times } = serverOn(createMemoryStore());
  clock.start();
  await clock.put(account, "s", hourly);
  await vi.advanceTimersByTimeAsync(2 * HOUR + 1000);
  vi.setSystemTime(start + 0.5 * HOUR);
  await vi.advanceTimersByTimeAsync(2 * HOUR);
  expect(times()).toEqual(["01T01:00", "01T02:00"]);
  vi.setSystemTime(start + 9.5 * HOUR);
  await vi.advanceTimersByTimeAsync(HOUR);
  expect(times()).toEqual(["01T01:00", "01T02:00", "01T09:00", "01T10:00"]);
  await clock.close();
});

test("a tick that could not be accepted is tried again, under the same id", async () => {
  let refusals = 3;
  const ids: string[] = [];
  const store = createMemoryStore();
  const { clock } = serverOn(store, {
    accept: async ({ id }, tick) => {
      ids.push(id);
      if (refusals-- > 0) throw new Error("full");
      await store.schedules.skip(tick);
    },
  });
  clock.start();
  await clock.put(account, "s", hourly);
  await vi.advanceTimersByTimeAsync(HOUR + 30_000);
  expect([ids.length, new Set(ids).size]).toEqual([4, 1]);
  await clock.close();
});

test("once is once, and late if no server ran at that time", async () => {
  const store = createMemoryStore();
  const first = serverOn(store);
  first.clock.start();
  await first.clock.put(account, "s", { ...hourly, expression: "at(2026-12-01T02:00:00)" });
  await first.clock.close();
  await vi.advanceTimersByTimeAsync(5 * HOUR);
  const second = serverOn(store);
  await second.clock.load();
  second.clock.start();
  await vi.advanceTimersByTimeAsync(24 * HOUR);
  expect(second.times()).toEqual(["01T02:00"]);
  expect(second.clock.list(account)).toMatchObject([{ nextTickMs: undefined, isPaused: false }]);
  await second.clock.close();
});

test("paused it does not tick, resumed it does not make up for it; a removed one is gone", async () => {
  const { clock, times } = serverOn(createMemoryStore());
  clock.start();
  await clock.put(account, "s", hourly);
  expect(await clock.pause(account, "s", true)).toMatchObject({ isPaused: true, nextTickMs: undefined });
  await vi.advanceTimersByTimeAsync(3 * HOUR + 1000);
  expect(times()).toEqual([]);
  expect(await clock.pause(account, "s", false)).toMatchObject({ nextTickMs: start + 4 * HOUR });
  await vi.advanceTimersByTimeAsync(HOUR);
  expect(times()).toEqual(["01T04:00"]);
  expect([await clock.delete(account, "s"), await clock.delete(account, "s")]).toEqual([true, false]);
  await vi.advanceTimersByTimeAsync(5 * HOUR);
  expect([times().length, clock.list(account)]).toEqual([1, []]);
  expect(await clock.pause(account, "s", true)).toBeUndefined();
  await clock.close();
});

test("what is no schedule is refused with the reason; functions that are gone are skipped", async () => {
  const store = createMemoryStore();
  let isThere = true;
  const resolve = () => (isThere ? ({ name: "f", arn: "arn:f" } as FunctionVersion) : undefined);
  const { clock, times } = serverOn(store, { resolve });
  clock.start();
  expect(await clock.put(account, "s", { ...hourly, expression: "at(2026-11-30T23:59:59)" })).toContain("no tick");
  expect(await clock.put(account, "s", { ...hourly, expression: "rate(1 hours)" })).toContain("rate(1 …) wants hour");
  expect(clock.list(account)).toEqual([]);
  await clock.put(account, "s", hourly);
  isThere = false;
  expect(await clock.put(account, "t", { ...hourly, qualifier: "live" })).toBe("there is no function f:live");
  await vi.advanceTimersByTimeAsync(2 * HOUR + 1000);
  expect(times()).toEqual([]);
  expect((await store.schedules.load())[0]?.lastTickMs).toBe(start + 2 * HOUR);
  await clock.close();
});

test("an expression is asked when its schedule ticks, and not each time that others do", async () => {
  const { clock, times } = serverOn(createMemoryStore());
  clock.start();
  await clock.put(account, "minute", { ...hourly, expression: "rate(1 minute)" });
  await clock.put(account, "noon", { ...hourly, expression: "cron(0 12 * * ? *)" });
  const asked = [vi.spyOn(Cron.prototype, "nextRun"), vi.spyOn(Cron.prototype, "previousRuns")];
  const counts = () => asked.map(({ mock }) => mock.calls.length);
  await vi.advanceTimersByTimeAsync(HOUR);
  expect([times().length, counts(), clock.list(account).length]).toEqual([60, [0, 0], 2]);
  await vi.advanceTimersByTimeAsync(11 * HOUR);
  expect([times().filter((at) => at === "01T12:00").length, counts()]).toEqual([2, [1, 1]]);
  for (const spy of asked) spy.mockRestore();
  await clock.close();
});

test("changes of a schedule that are asked for at once follow each other", async () => {
  const store = createMemoryStore();
  const { clock } = serverOn(store);
  clock.start();
  await clock.put(account, "s", hourly);
  await Promise.all([clock.put(account, "s", { ...hourly, input: "{}" }), clock.pause(account, "s", true)]);
  expect(clock.list(account)).toMatchObject([{ input: "{}", isPaused: true }]);
  expect(await store.schedules.load()).toMatchObject([{ input: "{}", isPaused: true }]);
  const [isDeleted, resumed] = await Promise.all([clock.delete(account, "s"), clock.pause(account, "s", false)]);
  expect([isDeleted, resumed, clock.list(account), await store.schedules.load()]).toEqual([true, undefined, [], []]);
  await clock.close();
});

test("many schedules that tick together on a slow disk are all on time", async () => {
  const store = createMemoryStore();
  const lateMs: number[] = [];
  const { clock } = serverOn(store, {
    accept: async (_request, tick) => {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      await store.schedules.skip(tick);
      lateMs.push(Date.now() - tick.tickMs);
    },
  });
  clock.start();
  for (let i = 0; i < 120; i++) await clock.put(account, `s${i}`, { ...hourly, onMissed: "skip" });
  await vi.advanceTimersByTimeAsync(HOUR + 500);
  await clock.delete(account, "s119"); // While others are being recorded before it.
  await vi.advanceTimersByTimeAsync(150_000);
  expect(lateMs.length).toBe(119);
  expect(Math.max(...lateMs)).toBeLessThan(10_000);
  await clock.close();
});
