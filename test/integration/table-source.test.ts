import { randomUUID } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCommandLine } from "../../src/cli/command-line-fixture.ts";
import type { ErrorCode } from "../../src/model/error-code.ts";
import type { FunctionVersion } from "../../src/model/function-version.ts";
import { UNMEASURED } from "../../src/model/invocation.ts";
import type { InvokeAnswer } from "../../src/ports/invoker.ts";
import { QueueTable } from "../../src/triggers/postgres/queue-table.ts";
import { TableReader } from "../../src/triggers/postgres/table-reader.ts";
import type { TableRecord } from "../../src/triggers/postgres/table-record.ts";
import { BatchRun } from "../../src/triggers/sources/batch-run.ts";
import { needsPostgres, PostgresServer } from "./events-fixture/postgres-server.ts";
import { eventually } from "./server-fixture/eventually.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";
import { LambdaCaller } from "./server-fixture/lambda-caller.ts";

/** Says what it got; does what the body of a row asks. */
const FILES = {
  "index.js": `exports.handler = async ({ Records }) => {
    const rows = Records.map((record) => ({ ...JSON.parse(record.body), id: record.messageId, record }));
    console.log("BEGAN " + JSON.stringify(rows));
    const slow = rows.find(({ sleepMs, record }) => sleepMs && record.attributes.ApproximateReceiveCount === "1");
    if (slow) await new Promise((resolve) => setTimeout(resolve, slow.sleepMs));
    if (rows.some(({ bad }) => bad)) throw new Error("as asked");
    console.log("DONE " + JSON.stringify(rows.map(({ n }) => n)));
    const failed = rows.filter(({ fails, record }) => fails && record.attributes.ApproximateReceiveCount === "1");
    return { batchItemFailures: failed.map(({ id }) => ({ itemIdentifier: id })) };
  };`,
};
const IN_TIME_MS = 30_000;

describe("tables of a real PostgreSQL server", needsPostgres, () => {
  let postgres: PostgresServer;
  let database: pg.Pool;
  let hearth: HearthProcess;
  let lambda: LambdaCaller;

  beforeAll(async () => {
    postgres = await PostgresServer.start();
    database = new pg.Pool({ connectionString: postgres.url });
    database.on("error", () => {});
    hearth = await HearthProcess.start({ provider: "process" });
    lambda = new LambdaCaller(() => hearth.url);
  }, 90_000);
  afterAll(async () => {
    lambda.close();
    await hearth[Symbol.asyncDispose]();
    await database.end();
    await postgres.stop();
  });

  const sources = "/_hearth/sources";
  const ask = async (method: string, path: string, body?: object) => {
    const answer = await lambda.request(method, `${sources}${path}`, body === undefined ? "" : JSON.stringify(body));
    return { status: answer.status, ...JSON.parse(answer.body.toString()) };
  };
  const make = async (name: string, settings: object = {}) => {
    await lambda.deploy(name, { files: FILES });
    const made = await ask("PUT", `/${name}`, { url: postgres.url, table: name, functionName: name, ...settings });
    expect(made, JSON.stringify(made)).toMatchObject({ status: 200, isTableNew: true });
  };
  const insert = (table: string, ...bodies: readonly object[]) =>
    database.query(`INSERT INTO ${table} (body) SELECT value FROM jsonb_array_elements($1)`, [JSON.stringify(bodies)]);
  const lengthOf = async (table: string): Promise<number> =>
    Number((await database.query(`SELECT count(*) FROM ${table}`)).rows[0].count);
  const drained = (table: string) =>
    eventually(
      () => lengthOf(table),
      (length) => length === 0,
      IN_TIME_MS,
    );
  // biome-ignore lint/suspicious/noExplicitAny: what the test's own function printed
  const lines = async (name: string, mark: string): Promise<any[]> =>
    ((await hearth.functionLog(name)).match(new RegExp(`(?<=${mark} ).*$`, "gm")) ?? []).flatMap((line) =>
      JSON.parse(line),
    );
  const cli = (...args: string[]) => runCommandLine(args, { HEARTH_DATA: hearth.dataDir, HEARTH_SERVER: hearth.url });

  test.concurrent("a row wakes a function by a notification, has the shape of a message, and is deleted", async () => {
    await lambda.deploy("plain", { files: FILES });
    const where = ["--url", postgres.url, "--table", "plain", "--function", "plain"];
    const made = await cli("source", "create", "plain", ...where);
    expect([made.exitCode, made.out, made.err]).toEqual([
      0,
      "plain runs plain with the rows of public.plain\n",
      "the table was made: there was none\n",
    ]);
    const beganMs = performance.now();
    await insert("plain", { n: 1 });
    expect(await drained("plain")).toBe(0);
    expect(performance.now() - beganMs).toBeLessThan(25_000); // Without being told it looks every 30 s.
    const [{ record }] = await lines("plain", "BEGAN");
    expect(record).toEqual({
      messageId: "1",
      body: '{"n": 1}',
      attributes: { ApproximateReceiveCount: "1", SentTimestamp: expect.stringMatching(/^\d{13}$/) },
      messageAttributes: {},
      eventSource: "hearth:postgresql",
      sourceName: "plain",
      tableName: "public.plain",
    });
    const { out } = await cli("source", "list");
    const row = out.split("\n").find((line) => line.startsWith("plain "));
    expect(row).toMatch(/^plain +public\.plain +plain +OK +postgres:\/\/hearth:\*\*\*@127\.0\.0\.1:\d+\/postgres$/);
    expect((await cli("source", "pause", "plain")).out).toBe("plain is paused\n");
    await insert("plain", { n: 2 });
    const { out: shown } = await cli("source", "show", "plain");
    expect(shown).toBe("1 waiting, 0 delayed, 0 running, 0 dead\n");
    expect((await cli("source", "resume", "plain")).out).toBe("plain takes rows\n");
    expect(await drained("plain")).toBe(0);
    expect((await cli("source", "delete", "plain")).out).toBe("deleted plain\n");
    await insert("plain", { n: 3 });
    expect((await cli("source", "show", "plain")).err).toContain("There is no source plain.");
    expect(await lengthOf("plain")).toBe(1);
  });

  test.concurrent("a row that fails takes no others with it, is tried again, and then is dead until it is revived", async () => {
    await make("failing", { attemptsMax: 2 });
    await insert("failing", { n: 1 }, { n: 2, bad: true }, { n: 3 });
    const look = () => ask("GET", "/failing");
    const answer = await eventually(
      look,
      ({ rows }) => rows.dead === 1 && rows.waiting + rows.delayed + rows.running === 0,
      IN_TIME_MS,
    );
    expect(answer.rows).toEqual({ waiting: 0, delayed: 0, running: 0, dead: 1 });
    const why = expect.stringContaining('"errorMessage":"as asked"');
    expect(answer.deadRows).toMatchObject([{ id: "2", attempts: 2, body: '{"n": 2, "bad": true}', lastError: why }]);
    expect(answer.lastResult).toMatch(/^(OK|PROBLEM: Function call failed)$/);
    expect(await lines("failing", "DONE")).toEqual(expect.arrayContaining([1, 3]));
    expect((await cli("source", "show", "failing")).out).toMatch(/1 dead\nID +ATTEMPTS .*\n2 +2 .*as asked/);
    await database.query("UPDATE failing SET body = '{\"n\": 2}'");
    expect((await cli("source", "retry", "failing", "7")).out).toBe("0 begin anew\n");
    expect((await cli("source", "retry", "failing")).out).toBe("1 begin anew\n");
    expect(await drained("failing")).toBe(0);
    expect((await lines("failing", "DONE")).sort()).toEqual([1, 2, 3]);
  });

  test.concurrent("only the rows that the function names come again", async () => {
    await make("partial", { reportsItemFailures: true });
    await insert("partial", { n: 1 }, { n: 2, fails: true }, { n: 3 });
    expect(await drained("partial")).toBe(0);
    expect((await lines("partial", "DONE")).sort()).toEqual([1, 2, 2, 3]);
  });

  test.concurrent("two readers share a table: each row is run once, and no more at a time than the maximum", async () => {
    await make("shared", { batchSize: 1, concurrencyMax: 2 });
    const second = { url: postgres.url, table: "shared", functionName: "shared", batchSize: 3, concurrencyMax: 1 };
    expect(await ask("PUT", "/shared.second", second)).toMatchObject({ status: 200, isTableNew: false });
    await insert("shared", ...Array.from({ length: 60 }, (_, n) => ({ n })));
    let most = 0;
    const left = await eventually(
      async () => {
        const { instances } = await hearth.pools();
        const running = instances
          .flatMap(({ containers }) => containers)
          .filter(({ state, functionKey }) => state === "running" && functionKey?.includes("shared"));
        most = Math.max(most, running.length);
        return lengthOf("shared");
      },
      (length) => length === 0,
      IN_TIME_MS,
    );
    expect([left, most <= 3]).toEqual([0, true]);
    const done = (await lines("shared", "DONE")).sort((a, b) => a - b);
    expect(done).toEqual(Array.from({ length: 60 }, (_, n) => n));
    const names = new Set((await lines("shared", "BEGAN")).map(({ record }) => record.sourceName));
    expect([...names].sort()).toEqual(["shared", "shared.second"]);
  });

  test.concurrent("what is refused is no attempt; what is too large for a function is dead", async () => {
    const answers: InvokeAnswer[] = ["CONCURRENCY_LIMIT", "NO_CAPACITY"].map((code) => ({
      kind: "rejected",
      code: code as ErrorCode,
    }));
    const usage = { ...UNMEASURED, wallUs: 1 };
    const done = { kind: "finished", outcome: "ok", payload: Buffer.from("null"), exit: undefined, usage } as const;
    const payloads: string[] = [];
    const batches = new BatchRun({
      resolve: () => ({ arn: "arn:f" }) as FunctionVersion,
      invoke: ({ payload }, answer) => {
        payloads.push(payload.toString());
        setImmediate(() => answer(answers.shift() ?? { ...done, logTail: undefined }));
      },
    });
    const problems: string[] = [];
    const listener = { onOk() {}, onProblem: (why: string) => void problems.push(why) };
    const settings = { schema: "public", table: "direct", functionName: "f", qualifier: undefined, batchSize: 10 };
    const limits = { concurrencyMax: 1, attemptsMax: 1, reportsItemFailures: false };
    const record = { ...settings, ...limits, name: "direct", url: postgres.url, isPaused: false };
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const reader = await TableReader.open(record, listener, { batches, log });
    expect([await reader.table.prepare(), await reader.table.prepare()]).toEqual([true, false]);
    await insert("direct", { n: 1 });
    await database.query(
      "INSERT INTO direct (body) SELECT to_jsonb(repeat('x', size)) FROM unnest($1::int[]) AS size",
      [[7_000_000, 4_000_000, 4_000_000]],
    );
    reader.start();
    const counts = await eventually(
      () => reader.table.counts(),
      ({ waiting, delayed, running }) => waiting + delayed + running === 0,
      IN_TIME_MS,
    );
    expect(counts).toEqual({ waiting: 0, delayed: 0, running: 0, dead: 1 });
    expect(await reader.table.dead(5)).toMatchObject([
      { id: "2", attempts: 1, lastError: expect.stringMatching(/larger/) },
    ]);
    await reader.stop();
    expect(problems).toEqual(["Function call throttled", "NO_CAPACITY"]);
    const batchesRun: TableRecord[][] = payloads.map((payload) => JSON.parse(payload).Records);
    // Refused ones go behind the others, and what is together no larger than a request is run together.
    expect(batchesRun.map((batch) => batch.map(({ messageId }) => messageId))).toEqual([
      ["1"],
      ["3"],
      ["1", "4"],
      ["3"],
    ]);
    expect(new Set(batchesRun.flat().map(({ attributes }) => attributes.ApproximateReceiveCount))).toEqual(
      new Set(["1"]),
    );
  });

  test.concurrent("a lease that was renewed too late is taken by others, not by who holds it", async () => {
    const [mine, other] = [randomUUID(), randomUUID()];
    const table = new QueueTable(database, "public", "late");
    await table.prepare();
    await insert("late", { n: 1 }, { n: 2 });
    const lapse = () => database.query("UPDATE late SET due_at = now() - interval '1 second' WHERE lease IS NOT NULL");
    const take = async (lease: string, held: readonly string[]) =>
      (await table.take(1, 1_000, 1, lease, held)).map(({ id }) => id);
    expect(await take(mine, [])).toEqual(["1"]);
    await lapse();
    expect(await take(other, [mine])).toEqual(["2"]);
    await lapse();
    expect([await take(mine, [mine, other]), await table.untilDueMs([mine, other])]).toEqual([[], undefined]);
    expect(await table.counts()).toMatchObject({ dead: 0, waiting: 2 });
    await table.renew(
      new Map([
        [mine, ["1"]],
        [other, ["1", "2"]],
      ]),
    );
    expect(await table.counts()).toMatchObject({ running: 2 });
    await lapse();
    // Whoever does not hold them finds that their attempts are used up.
    expect(await take(randomUUID(), [mine])).toEqual([]);
    expect(await table.counts()).toMatchObject({ dead: 1 });
    expect([await table.finish(["1"], mine), await table.finish(["2"], other)]).toEqual([1, 0]);
  });

  test.concurrent("a database, a table or a function that is not as it must be", async () => {
    await lambda.deploy("strict", { files: FILES });
    const put = async (settings: object) => {
      const given = { url: postgres.url, table: "strict", functionName: "strict", ...settings };
      const { status, message } = await ask("PUT", "/strict", given);
      return `${status} ${message}`;
    };
    await database.query("CREATE TABLE other (id int)");
    expect(await put({ table: "other" })).toBe(
      '400 PostgreSQL: column "body" does not exist in public.other; name another table, or give it the columns that docs/event-sources.md lists',
    );
    expect(await put({ url: postgres.urlWith("wrong") })).toMatch(/^400 PostgreSQL: password authentication failed/);
    expect(await put({ url: "postgres://hearth:x@127.0.0.1:1/postgres" })).toMatch(/^400 PostgreSQL: .*ECONNREFUSED/);
    expect(await put({ url: "mysql://a/b" })).toBe(
      '400 url: "mysql://…" is no address of a database; write it like postgres://USER:PASSWORD@HOST:5432/DATABASE',
    );
    expect(await put({ table: 'strict"; DROP TABLE other; --' })).toBe(
      '400 table: "strict\\"; DROP TABLE other; --" is no table\'s name; write TABLE or SCHEMA.TABLE, in lower case',
    );
    expect(await put({ functionName: "none" })).toBe("400 There is no function none.");
    expect(await put({ batchSize: 0, concurrencyMax: 101, attemptsMax: 0.5 })).toBe(
      [
        "400 batchSize: 0 is no number of rows; give a whole number from 1 to 1000",
        "concurrencyMax: 101 is no number of invocations at a time; give a whole number from 1 to 100",
        "attemptsMax: 0.5 is no number of attempts; give a whole number from 1 to 1000",
      ].join("\n"),
    );
    expect((await database.query("SELECT to_regclass('strict') AS found")).rows).toEqual([{ found: null }]);
    expect((await ask("GET", "/strict")).status).toBe(404);
  });

  test("nothing is lost over kill -9 of the server, nor while the database is away", async () => {
    await make("survives", { batchSize: 1 });
    await insert("survives", { n: 1, sleepMs: 4_000 });
    const began = () =>
      eventually(
        () => lines("survives", "BEGAN"),
        (found) => found.length > 0,
        IN_TIME_MS,
      );
    expect(await began()).toHaveLength(1);
    await hearth.kill();
    await insert("survives", { n: 2 }, { n: 3 });
    await hearth.start();
    expect(await drained("survives")).toBe(0);
    // Cut off, so it was run again, as its second attempt: at least once.
    const attempts = (await lines("survives", "BEGAN")).map(
      ({ n, record }) => `${n}: ${record.attributes.ApproximateReceiveCount}`,
    );
    expect(attempts.sort()).toEqual(["1: 1", "1: 2", "2: 1", "3: 1"]);

    await postgres.end();
    const result = async () =>
      (await ask("GET", "")).sources.find(({ name }: { name: string }) => name === "survives").lastResult;
    const isDown = /^PROBLEM: PostgreSQL: /;
    expect(await eventually(result, (found) => isDown.test(found), IN_TIME_MS)).toMatch(isDown);
    expect(await ask("GET", "/survives")).toMatchObject({
      status: 400,
      message: expect.stringContaining("PostgreSQL: "),
    });
    await postgres.begin();
    await insert("survives", { n: 4 });
    expect(await drained("survives")).toBe(0);
    expect(await lines("survives", "DONE")).toContain(4);
    expect(await eventually(result, (found) => found === "OK", IN_TIME_MS)).toBe("OK");
  }, 120_000);
});
