import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AccountId } from "../../model/ids.ts";
import { type LogGroup, type LogGroups, logNameOf } from "../../ports/log-groups.ts";
import { logMessage } from "../../protocol/log-message.ts";
import { functionLogReader } from "../../server/logs/function-log-reader.ts";
import { createLogGroups } from "../../server/logs/log-groups.ts";
import { FilesLogStore } from "../../store/files/log-store.ts";
import { createMemoryRecordTable } from "../../store/memory/record-table.ts";
import type { JsonService } from "../aws/json-service.ts";
import { logsService } from "./logs-service.ts";

const alice = "000000000001" as AccountId;
const bob = "000000000002" as AccountId;
const GROUP = "/aws/lambda/f";
const [ONE, TWO] = ["2026/11/30/[$LATEST]aaaa", "2026/11/30/[7]bbbb"] as const;
const DAY_MS = 86_400_000;

let dir: string;
let nowMs: number;
let logs: FilesLogStore;
let groups: LogGroups;
let service: JsonService;
const table = () => createMemoryRecordTable<LogGroup>();

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "hearth-logs-"));
  nowMs = Date.UTC(2026, 10, 30);
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs };
  logs = new FilesLogStore({ dir, nowMs: () => nowMs });
  groups = await createLogGroups({ table: table(), logs, clock, onFailure: (_, error) => expect.fail(String(error)) });
  service = logsService({ groups, logs, clock, region: "eu-west-1" });
});
afterEach(async () => {
  await logs.close();
  rmSync(dir, { recursive: true });
});

// biome-ignore lint/suspicious/noExplicitAny: answers of many shapes
async function ask(operation: string, input: object, accountId = alice): Promise<any> {
  // As it goes over the wire, where members that are undefined are not.
  return JSON.parse(JSON.stringify((await service.operations[operation]?.(input, accountId)) ?? {}));
}

async function refused(operation: string, input: object, accountId = alice): Promise<string> {
  const error = await ask(operation, input, accountId).then(
    () => expect.fail(`${operation} was answered`),
    (thrown: { type?: string; message: string }) => thrown,
  );
  return error.type ?? service.inputError;
}

/** Writes one line at a time, a millisecond after the other. */
async function write(stream: string, ...lines: string[]): Promise<void> {
  await writeTo(GROUP, "f", stream, ...lines);
}

async function writeTo(group: string, functionName: string, stream: string, ...lines: string[]): Promise<void> {
  groups.begin(alice, group, functionName);
  await groups.change(alice, "none", () => ({})); // The group's creation is done when its turn is over.
  for (const line of lines) {
    nowMs += 1;
    logs.append(alice, logNameOf(group), stream, `${line}\n`);
  }
}

const messages = (answer: { events: { message: string }[] }) => answer.events.map(({ message }) => message.trimEnd());

describe("groups", () => {
  test("a function's is there from its first container on, of its account only", async () => {
    expect(await refused("FilterLogEvents", { logGroupName: GROUP })).toBe("ResourceNotFoundException");
    await write(ONE, "a");
    expect(await ask("DescribeLogGroups", { logGroupNamePrefix: "/aws/" })).toEqual({
      logGroups: [
        {
          logGroupName: GROUP,
          creationTime: Date.UTC(2026, 10, 30),
          metricFilterCount: 0,
          arn: `arn:aws:logs:eu-west-1:${alice}:log-group:${GROUP}:*`,
          logGroupArn: `arn:aws:logs:eu-west-1:${alice}:log-group:${GROUP}`,
          logGroupClass: "STANDARD",
        },
      ],
    });
    expect(await ask("DescribeLogGroups", {}, bob)).toEqual({ logGroups: [] });
    expect(await refused("FilterLogEvents", { logGroupName: GROUP }, bob)).toBe("ResourceNotFoundException");
    const arn = `arn:aws:logs:eu-west-1:${alice}:log-group:${GROUP}:*`;
    expect(messages(await ask("FilterLogEvents", { logGroupIdentifier: arn }))).toEqual(["a"]);
    expect(await refused("FilterLogEvents", { logGroupIdentifier: arn }, bob)).toBe("ResourceNotFoundException");
  });

  test("what Terraform does with one", async () => {
    await ask("CreateLogGroup", { logGroupName: GROUP, tags: { team: "a" } });
    expect(await refused("CreateLogGroup", { logGroupName: GROUP })).toBe("ResourceAlreadyExistsException");
    await ask("PutRetentionPolicy", { logGroupName: GROUP, retentionInDays: 7 });
    const [group] = (await ask("DescribeLogGroups", { logGroupNamePrefix: GROUP })).logGroups;
    expect(group).toMatchObject({ retentionInDays: 7, logGroupClass: "STANDARD" });
    await ask("TagResource", { resourceArn: group.logGroupArn, tags: { stage: "x" } });
    await ask("UntagResource", { resourceArn: group.logGroupArn, tagKeys: ["team"] });
    expect(await ask("ListTagsForResource", { resourceArn: group.logGroupArn })).toEqual({ tags: { stage: "x" } });
    await ask("DeleteRetentionPolicy", { logGroupName: GROUP });
    expect((await ask("DescribeLogGroups", {})).logGroups[0].retentionInDays).toBeUndefined();
    await ask("DeleteLogGroup", { logGroupName: GROUP });
    expect(await refused("DeleteLogGroup", { logGroupName: GROUP })).toBe("ResourceNotFoundException");
    expect(await refused("ListTagsForResource", { resourceArn: group.logGroupArn })).toBe("ResourceNotFoundException");
    expect(await refused("PutRetentionPolicy", { logGroupName: GROUP, retentionInDays: 2 })).toBe(
      "InvalidParameterException",
    );
  });

  test("are listed in pages, by name", async () => {
    for (const name of ["c", "a", "b"]) await ask("CreateLogGroup", { logGroupName: name });
    const one = await ask("DescribeLogGroups", { limit: 2 });
    expect(one.logGroups.map((group: { logGroupName: string }) => group.logGroupName)).toEqual(["a", "b"]);
    const two = await ask("DescribeLogGroups", { limit: 2, nextToken: one.nextToken });
    expect(two).toMatchObject({ logGroups: [{ logGroupName: "c" }] });
    expect(two.nextToken).toBeUndefined();
    expect((await ask("DescribeLogGroups", { logGroupNamePattern: "B" })).logGroups).toHaveLength(1);
  });

  test("a deleted one takes its events along", async () => {
    await write(ONE, "old");
    await ask("DeleteLogGroup", { logGroupName: GROUP });
    await write(TWO, "new");
    expect(messages(await ask("FilterLogEvents", { logGroupName: GROUP }))).toEqual(["new"]);
  });

  test("events beyond the retention are not shown", async () => {
    await write(ONE, "old");
    nowMs += 2 * DAY_MS;
    await write(ONE, "new");
    await ask("PutRetentionPolicy", { logGroupName: GROUP, retentionInDays: 1 });
    expect(messages(await ask("FilterLogEvents", { logGroupName: GROUP }))).toEqual(["new"]);
    expect(messages(await ask("GetLogEvents", { logGroupName: GROUP, logStreamName: ONE }))).toEqual(["new"]);
  });

  test("survive a restart", async () => {
    const kept = table();
    const clock = { nowMs: () => 5, monotonicMs: () => 5 };
    const options = { table: kept, logs, clock, onFailure: () => {} };
    await (await createLogGroups(options)).create(alice, GROUP, { a: "b" });
    expect((await createLogGroups(options)).list(alice)).toEqual([
      { accountId: alice, name: GROUP, createdMs: 5, tags: { a: "b" } },
    ]);
  });
});

describe("a group of one's own", () => {
  const SHARED = "/my/group";
  const OF_F = "2026/11/30/f[$LATEST]aaaa";
  const OF_G = "2026/11/30/g[$LATEST]bbbb";
  const namesOfGroups = async () => {
    const { logGroups } = await ask("DescribeLogGroups", {});
    return logGroups.map(({ logGroupName }: { logGroupName: string }) => logGroupName);
  };

  test("is listed once, and read as one log, whoever writes to it", async () => {
    await writeTo(SHARED, "f", OF_F, "one of f");
    await writeTo(SHARED, "g", OF_G, "one of g");
    await writeTo(SHARED, "f", OF_F, "two of f");
    expect(await namesOfGroups()).toEqual([SHARED]);
    expect(messages(await ask("FilterLogEvents", { logGroupName: SHARED }))).toEqual([
      "one of f",
      "one of g",
      "two of f",
    ]);
    const { logStreams } = await ask("DescribeLogStreams", {
      logGroupName: SHARED,
      logStreamNamePrefix: "2026/11/30/f",
    });
    expect(logStreams).toMatchObject([
      { logStreamName: OF_F, firstEventTimestamp: nowMs - 2, lastEventTimestamp: nowMs },
    ]);
    const get = { logGroupName: SHARED, logStreamName: OF_F };
    expect(messages(await ask("GetLogEvents", get))).toEqual(["one of f", "two of f"]);
    expect(await refused("FilterLogEvents", { logGroupName: SHARED }, bob)).toBe("ResourceNotFoundException");
  });

  test("has retention and tags as others do, and takes everybody's events along", async () => {
    await ask("CreateLogGroup", { logGroupName: SHARED, tags: { team: "a" } });
    await writeTo(SHARED, "f", OF_F, "old");
    nowMs += 2 * DAY_MS;
    await writeTo(SHARED, "g", OF_G, "new");
    await ask("PutRetentionPolicy", { logGroupName: SHARED, retentionInDays: 1 });
    expect(messages(await ask("FilterLogEvents", { logGroupName: SHARED }))).toEqual(["new"]);
    expect(await ask("ListTagsLogGroup", { logGroupName: SHARED })).toEqual({ tags: { team: "a" } });
    await write(ONE, "own");
    await ask("DeleteLogGroup", { logGroupName: SHARED });
    expect(await namesOfGroups()).toEqual([GROUP]);
    await writeTo(SHARED, "g", OF_G, "newer");
    expect(messages(await ask("FilterLogEvents", { logGroupName: SHARED }))).toEqual(["newer"]);
    expect(messages(await ask("FilterLogEvents", { logGroupName: GROUP }))).toEqual(["own"]);
  });

  test("what was written before a change of group stays where it is", async () => {
    await write(ONE, "before");
    await writeTo(SHARED, "f", OF_F, "between");
    await writeTo("other", "f", OF_F, "after");
    expect(messages(await ask("FilterLogEvents", { logGroupName: GROUP }))).toEqual(["before"]);
    expect(messages(await ask("FilterLogEvents", { logGroupName: SHARED }))).toEqual(["between"]);
    expect(messages(await ask("FilterLogEvents", { logGroupName: "other" }))).toEqual(["after"]);
    const read = functionLogReader(logs, groups);
    expect(String(await read.tail(alice, "f", 1000))).toBe("before\nbetween\nafter\n");
    expect(String(await read.tail(alice, "g", 1000))).toBe("");
  });

  test("may be named as a function, or be a function's", async () => {
    await write(ONE, "f's own");
    await writeTo("f", "g", OF_G, "in a group named f");
    await writeTo(GROUP, "g", OF_G, "in f's group");
    expect(messages(await ask("FilterLogEvents", { logGroupName: "f" }))).toEqual(["in a group named f"]);
    expect(messages(await ask("FilterLogEvents", { logGroupName: GROUP }))).toEqual(["f's own", "in f's group"]);
    const read = functionLogReader(logs, groups);
    expect(String(await read.tail(alice, "f", 1000))).toBe("f's own\n");
    expect(String(await read.tail(alice, "g", 1000))).toBe("in a group named f\nin f's group\n");
  });

  test("who wrote to it is known after a restart, of the latest thousand", async () => {
    const kept = table();
    const clock = { nowMs: () => 5, monotonicMs: () => 5 };
    const options = { table: kept, logs, clock, onFailure: () => {} };
    const before = await createLogGroups(options);
    expect(before.logNamesOf(alice, "f0")).toBeUndefined();
    for (let i = 0; i <= 1000; i++) {
      before.begin(alice, SHARED, `f${i}`);
      before.begin(alice, SHARED, `f${i}`);
    }
    before.begin(alice, "/aws/lambda/f1000", "f1000");
    await before.change(alice, SHARED, () => ({ retentionDays: 3 }));
    const after = await createLogGroups(options);
    expect(after.get(alice, SHARED)).toMatchObject({ createdMs: 5, retentionDays: 3 });
    expect(after.logNamesOf(alice, "f0")).toBeUndefined();
    expect(after.logNamesOf(alice, "f1")).toEqual(["f1", `:${SHARED}`]);
    expect(after.logNamesOf(alice, "f1000")).toEqual(["f1000", `:${SHARED}`]);
    expect(after.logNamesOf(bob, "f1")).toBeUndefined();
  });
});

describe("events", () => {
  test("are filtered by stream, time and pattern", async () => {
    await write(ONE, "START", "ERROR one\rmore", "END");
    await write(TWO, "START", "ERROR two", "END");
    const startMs = nowMs - 5;
    const filter = (more: object) => ask("FilterLogEvents", { logGroupName: GROUP, ...more });
    expect(await filter({ filterPattern: "ERROR" })).toEqual({
      events: [
        { ...event(ONE, startMs + 1, "ERROR one\nmore\n"), eventId: expect.stringMatching(/^\d{56}$/) },
        { ...event(TWO, startMs + 4, "ERROR two\n"), eventId: expect.stringMatching(/^\d{56}$/) },
      ],
      searchedLogStreams: [],
    });
    expect(messages(await filter({ logStreamNames: [TWO] }))).toEqual(["START", "ERROR two", "END"]);
    expect(messages(await filter({ logStreamNamePrefix: "2026/11/30/[$" }))).toHaveLength(3);
    expect(messages(await filter({ startTime: startMs + 2, endTime: startMs + 3 }))).toEqual(["END", "START"]);
    expect(await refused("FilterLogEvents", { logGroupName: GROUP, filterPattern: "[a" })).toBe(
      "InvalidParameterException",
    );
    expect(await refused("FilterLogEvents", { logGroupName: GROUP, limit: 10_001 })).toBe("InvalidParameterException");
  });

  test("a message of several lines is one of them, to filters and to pages", async () => {
    const message = (text: string) => String(logMessage(Buffer.from(text)));
    const stack = "ERROR no\n    at one\n    at two";
    await write(ONE, "START", message(stack), "END", message('{\n"level": "INFO"\n}'));
    const filter = (filterPattern: string) => ask("FilterLogEvents", { logGroupName: GROUP, filterPattern });
    expect((await filter('ERROR "at two"')).events).toEqual([
      { ...event(ONE, nowMs - 2, `${stack}\n`), eventId: expect.stringMatching(/^\d{56}$/) },
    ]);
    expect(messages(await filter('{ $.level = "INFO" }'))).toEqual(['{\n"level": "INFO"\n}']);
    const get = (more: object) => ask("GetLogEvents", { logGroupName: GROUP, logStreamName: ONE, limit: 2, ...more });
    const first = await get({ startFromHead: true });
    expect(messages(first)).toEqual(["START", stack]);
    expect(messages(await get({ nextToken: first.nextForwardToken }))).toEqual(["END", '{\n"level": "INFO"\n}']);
  });

  test("pages join to the whole, whatever their size", async () => {
    const lines = Array.from({ length: 23 }, (_, i) => `line ${i}`);
    for (const [i, line] of lines.entries()) await write(i % 3 === 0 ? ONE : TWO, `${line}\n${line} again`);
    const whole = messages(await ask("FilterLogEvents", { logGroupName: GROUP }));
    expect(whole).toHaveLength(46);
    const oneStream = messages(await ask("FilterLogEvents", { logGroupName: GROUP, logStreamNames: [TWO] }));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 50 }), async (limit) => {
        const filtered: string[] = [];
        let nextToken: string | undefined;
        do {
          const page = await ask("FilterLogEvents", { logGroupName: GROUP, limit, nextToken });
          filtered.push(...messages(page));
          nextToken = page.nextToken;
        } while (nextToken !== undefined);
        expect(filtered).toEqual(whole);

        const forward: string[] = [];
        const backward: string[] = [];
        for (const [found, startFromHead] of [
          [forward, true],
          [backward, false],
        ] as const) {
          let token: string | undefined;
          for (;;) {
            const page = await ask("GetLogEvents", {
              logGroupName: GROUP, logStreamName: TWO, limit, startFromHead, nextToken: token,
            }); // biome-ignore format: one call
            found.splice(startFromHead ? found.length : 0, 0, ...messages(page));
            const next = startFromHead ? page.nextForwardToken : page.nextBackwardToken;
            if (next === token || page.events.length === 0) break;
            token = next;
          }
        }
        expect(forward).toEqual(oneStream);
        expect(backward).toEqual(oneStream);
      }),
      { numRuns: 15 },
    );
  });

  test("GetLogEvents gives the newest unless it is asked for the oldest, and follows", async () => {
    await write(ONE, "a", "b", "c");
    const get = (more: object) => ask("GetLogEvents", { logGroupName: GROUP, logStreamName: ONE, limit: 2, ...more });
    const newest = await get({});
    expect(messages(newest)).toEqual(["b", "c"]);
    expect(messages(await get({ startFromHead: true }))).toEqual(["a", "b"]);
    expect(messages(await get({ nextToken: newest.nextBackwardToken }))).toEqual(["a"]);
    const end = await get({ nextToken: newest.nextForwardToken });
    expect(end).toMatchObject({ events: [], nextForwardToken: newest.nextForwardToken });
    await write(ONE, "d");
    expect(messages(await get({ nextToken: end.nextForwardToken }))).toEqual(["d"]);
    expect(messages(await get({ nextToken: end.nextBackwardToken }))).toEqual(["b", "c"]);
    expect(messages(await get({ endTime: nowMs }))).toEqual(["b", "c"]);
    expect(await refused("GetLogEvents", { logGroupName: GROUP, logStreamName: "none" })).toBe(
      "ResourceNotFoundException",
    );
    for (const nextToken of ["x", "f/", "f/a.b", "b/1"]) {
      const input = { logGroupName: GROUP, logStreamName: ONE, nextToken };
      expect(await refused("GetLogEvents", input)).toBe("InvalidParameterException");
    }
  });

  test("one answer is no larger than CloudWatch's", async () => {
    for (let i = 0; i < 5; i++) {
      await write(ONE, `${i} ${"x".repeat(300_000)}`);
      await logs.tail(alice, "f", 0); // More at once than waits for the disk would be lost.
    }
    const page = await ask("FilterLogEvents", { logGroupName: GROUP });
    expect(page.events).toHaveLength(3);
    const rest = await ask("FilterLogEvents", { logGroupName: GROUP, nextToken: page.nextToken });
    expect(messages(rest).map((text) => text[0])).toEqual(["3", "4"]);
    const last = await ask("GetLogEvents", { logGroupName: GROUP, logStreamName: ONE });
    expect(messages(last).map((text) => text[0])).toEqual(["2", "3", "4"]);
  });

  test("streams tell their first and last event", async () => {
    await write(TWO, "a");
    await write(ONE, "b", "c");
    await write(TWO, "d");
    const streams = async (more: object) => {
      const { logStreams } = await ask("DescribeLogStreams", { logGroupName: GROUP, ...more });
      return logStreams.map((stream: { logStreamName: string }) => stream.logStreamName);
    };
    expect(await ask("DescribeLogStreams", { logGroupName: GROUP, limit: 1 })).toEqual({
      logStreams: [
        {
          logStreamName: ONE,
          creationTime: nowMs - 2,
          firstEventTimestamp: nowMs - 2,
          lastEventTimestamp: nowMs - 1,
          lastIngestionTime: nowMs - 1,
          arn: `arn:aws:logs:eu-west-1:${alice}:log-group:${GROUP}:log-stream:${ONE}`,
          storedBytes: 0,
        },
      ],
      nextToken: ONE,
    });
    expect(await streams({ limit: 1, nextToken: ONE })).toEqual([TWO]);
    expect(await streams({ orderBy: "LastEventTime", descending: true })).toEqual([TWO, ONE]);
    expect(await streams({ logStreamNamePrefix: "2026/11/30/[7" })).toEqual([TWO]);
  });
});

function event(logStreamName: string, timestamp: number, message: string) {
  return { logStreamName, timestamp, message, ingestionTime: timestamp };
}
