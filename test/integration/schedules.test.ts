import { describe, expect, test } from "vitest";
import type { ScheduleDescription } from "../../src/ports/schedule.ts";
import { needsFaketime, SettableClock } from "./capacity-fixture/set-clock.ts";
import { eventually } from "./server-fixture/eventually.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";
import { LambdaCaller } from "./server-fixture/lambda-caller.ts";

const FILES = { "index.js": 'exports.handler = async (event) => console.log("TICK " + JSON.stringify(event));' };
const HOUR_S = 3600;
const DAY_MS = 24 * HOUR_S * 1000;
const TICK_MS_MAX = 30_000;

describe("schedules of a server whose clock is set", needsFaketime, () => {
  test("tick once each, over kill -9 and jumps; of missed ticks the latest is made up for", async () => {
    using clock = new SettableClock();
    await using hearth = await HearthProcess.start({ provider: "process", env: clock.env });
    const lambda = new LambdaCaller(() => hearth.url);
    await lambda.deploy("ticks", { files: FILES });
    const put = async (name: string, schedule: object) => {
      const answer = await lambda.request("PUT", `/_hearth/schedules/${name}`, JSON.stringify(schedule));
      expect(answer.status, answer.body.toString()).toBe(200);
      return JSON.parse(answer.body.toString()) as ScheduleDescription;
    };
    const ticks = async (): Promise<string[]> =>
      ((await hearth.functionLog("ticks")).match(/(?<=TICK ).*$/gm) ?? []).map((line) => {
        const event = JSON.parse(line);
        return event.name ?? event.time;
      });
    const ticked = (count: number) => eventually(ticks, (found) => found.length >= count, TICK_MS_MAX);
    const timeOf = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

    // All of them in the hour that lies twelve hours ahead.
    const at = new Date(clock.nowMs + 12 * HOUR_S * 1000);
    const daily = `cron(0 ${at.getUTCHours()} * * ? *)`;
    const { nextTickMs = 0 } = await put("made-up-for", { expression: daily, functionName: "ticks" });
    const named = (name: string) => ({ functionName: "ticks", input: { name } });
    await put("skipped", { expression: daily, onMissed: "skip", ...named("skipped") });
    await put("once", { expression: `at(${timeOf(nextTickMs).slice(0, 19)})`, ...named("once") });

    // Two days pass without a server: the latest tick of the first, none of the second, the only one of the third.
    await hearth.kill();
    clock.setBy(Math.ceil((nextTickMs + DAY_MS - Date.now()) / 1000) + HOUR_S);
    await hearth.start();
    const made = [timeOf(nextTickMs + DAY_MS), "once"];
    expect((await ticked(2)).sort()).toEqual(made);

    // Back to a time at which all of that was still to come, then to the moment before the next tick.
    await hearth.kill();
    clock.setBy(0);
    await hearth.start();
    clock.setBy(Math.floor((nextTickMs + 2 * DAY_MS - Date.now()) / 1000) - 1);
    const next = [...made, timeOf(nextTickMs + 2 * DAY_MS), "skipped"].sort();
    expect((await ticked(4)).sort()).toEqual(next);

    await hearth.kill();
    await hearth.start();
    const answer = await lambda.request("GET", "/_hearth/schedules");
    const { schedules } = JSON.parse(answer.body.toString()) as { schedules: ScheduleDescription[] };
    const expected = [nextTickMs + 3 * DAY_MS, undefined, nextTickMs + 3 * DAY_MS];
    expect(schedules.map((schedule) => schedule.nextTickMs)).toEqual(expected);
    expect((await ticks()).sort()).toEqual(next);
    lambda.close();
  }, 150_000);
});
