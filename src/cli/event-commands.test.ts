import { expect, test } from "vitest";
import { serveEventRoutes, stranger, url } from "../frontend/admin/event-fixture.ts";
import type { ScheduleDescription } from "../ports/schedule.ts";
import { runCommandLine } from "./command-line-fixture.ts";

serveEventRoutes();

let env: Record<string, string> = {};
const run = (...args: string[]) => runCommandLine(args, { HEARTH_DATA: "/nowhere", HEARTH_SERVER: url, ...env });

const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;
const schedules = async () => JSON.parse((await run("schedule", "list", "--json")).out) as ScheduleDescription[];

test("a schedule is made, listed, paused, resumed, replaced and deleted", async () => {
  expect((await run("schedule", "list")).err).toContain("hearth schedule create");
  const made = await run("schedule", "create", "nightly", "cron(0 3 * * ? *)", "--function", "f");
  expect([made.exitCode, made.out]).toEqual([
    0,
    expect.stringMatching(/^nightly invokes f next at .*T03:00:00.000Z\n$/),
  ]);
  const [header, row] = (await run("schedule", "list")).out.split("\n");
  expect(header?.split(/ {2,}/)).toEqual(["NAME", "WHEN", "TIMEZONE", "FUNCTION", "NEXT"]);
  expect(row?.split(/ {2,}/)).toEqual(["nightly", "cron(0 3 * * ? *)", "UTC", "f", expect.stringMatching(TIME)]);
  expect((await run("schedule", "pause", "nightly")).out).toBe("nightly is paused\n");
  expect((await run("schedule", "list")).out).toMatch(/paused$/m);
  expect((await run("schedule", "resume", "nightly")).out).toMatch(/^nightly is next at /);
  const options = ["--qualifier", "live", "--input", '{"depth":2}', "--on-missed", "skip", "--json"];
  const again = await run("schedule", "create", "nightly", "rate(2 hours)", "--function", "f", ...options);
  const changed = { functionName: "f", qualifier: "live", input: '{"depth":2}', onMissed: "skip" };
  expect(JSON.parse(again.out)).toMatchObject(changed);
  expect(await schedules()).toMatchObject([{ name: "nightly", expression: "rate(2 hours)", ...changed }]);
  expect((await run("schedule", "delete", "nightly")).out).toBe("deleted nightly\n");
  expect(await schedules()).toEqual([]);
  for (const verb of ["delete", "pause", "resume"]) {
    const missing = await run("schedule", verb, "nightly");
    expect([missing.exitCode, missing.err]).toEqual([1, expect.stringContaining("There is no schedule nightly.")]);
    expect(missing.err).toContain("\n       `hearth schedule list` shows the schedules\n");
  }
});

test.for([
  [["rate(1 hours)", "--function", "f"], "rate(1 …) wants hour"],
  [["at(2020-01-01T00:00:00)", "--function", "f"], "has no tick after now"],
  [["cron(0 3 * * ? *)", "--function", "f", "--timezone", "Middle/Earth"], "not valid"],
  [["rate(1 hour)", "--function", "f", "--timezone", "Middle/Earth"], 'not valid: "Middle/Earth" is no IANA time zone'],
  [["rate(1 hour)", "--function", "none"], "there is no function none"],
  [
    ["rate(1 hour)", "--function", "f", "--on-missed", "never"],
    'onMissed: "never" is no policy; it is one of latest, skip',
  ],
  [["rate(1 hour)", "--function", "f", "--input", "{"], "--input is no JSON"],
  [["rate(1 hour)"], "--function"],
] as const)("%j is refused", async ([args, says]) => {
  const { exitCode, err } = await run("schedule", "create", "s", ...args);
  expect(exitCode).toBeGreaterThan(0);
  expect(err).toContain(says);
  expect(await schedules()).toEqual([]);
});

test("an account sees and changes its own schedules only", async () => {
  await run("schedule", "create", "mine", "rate(1 hour)", "--function", "f");
  env = { HEARTH_ACCESS_KEY_ID: stranger.accessKeyId, HEARTH_SECRET_ACCESS_KEY: stranger.secretAccessKey };
  try {
    expect(await schedules()).toEqual([]);
    expect((await run("schedule", "delete", "mine")).err).toContain("There is no schedule mine.");
    const theirs = await run("schedule", "create", "theirs", "rate(1 hour)", "--function", "f");
    expect(theirs.err).toContain("there is no function f");
  } finally {
    env = {};
  }
  expect(await schedules()).toMatchObject([{ name: "mine" }]);
});

test("what is no source is refused, and kept nowhere", async () => {
  expect((await run("source", "list")).err).toContain("hearth source create");
  const create = (url: string, ...args: string[]) =>
    run("source", "create", "s", "--url", url, "--table", "jobs", "--function", "f", ...args);
  const nobody = "postgres://u:secret@127.0.0.1:1/d";
  const answers = await Promise.all([
    create("mysql://h/d"),
    create(nobody, "--table", "Jobs"),
    create(nobody, "--batch-size", "0"),
    create(nobody, "--attempts", "some"),
    create(nobody, "--function", "none"),
    create(nobody),
  ]);
  const says = [
    "postgres://",
    "in lower case",
    "give a whole number from 1 to 1000",
    "whole number",
    "no function none",
    "ECONNREFUSED",
  ];
  answers.forEach(({ exitCode, err }, index) => {
    expect(exitCode).toBeGreaterThan(0);
    expect(err).toContain(says[index]);
    expect(err).not.toContain("secret");
  });
  for (const verb of ["show", "retry", "pause", "resume", "delete"]) {
    expect((await run("source", verb, "s")).err, verb).toContain("There is no source s.");
  }
  expect((await run("source", "list", "--json")).out).toBe("[]\n");
});

test("only the operator has sources", async () => {
  env = { HEARTH_ACCESS_KEY_ID: stranger.accessKeyId, HEARTH_SECRET_ACCESS_KEY: stranger.secretAccessKey };
  try {
    for (const args of [["list"], ["show", "s"], ["retry", "s"], ["pause", "s"], ["delete", "s"]]) {
      expect((await run("source", ...args)).err, args.join(" ")).toContain("Only the operator's account");
    }
  } finally {
    env = {};
  }
});

test("help teaches", async () => {
  const { out: ofSources } = await run("source", "--help");
  for (const text of ["hearth source create jobs", "INSERT INTO jobs", "at least once"])
    expect(ofSources).toContain(text);
  const { out } = await run("schedule", "--help");
  for (const text of ["rate(5 minutes)", "cron(0 9 ? * MON-FRI *)", "at(2026-12-24T18:00:00)", "--on-missed skip"]) {
    expect(out).toContain(text);
  }
});
