import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ErrorCode } from "../../src/model/error-code.ts";
import type { FunctionVersion } from "../../src/model/function-version.ts";
import { DEFAULT_ACCOUNT_ID } from "../../src/model/ids.ts";
import { UNMEASURED } from "../../src/model/invocation.ts";
import { systemClock } from "../../src/ports/clock.ts";
import type { InvokeAnswer } from "../../src/ports/invoker.ts";
import { AwsClients } from "../../src/triggers/aws/aws-clients.ts";
import { QueueUrls } from "../../src/triggers/aws/queue-urls.ts";
import { BatchRun } from "../../src/triggers/sources/batch-run.ts";
import { SqsSource } from "../../src/triggers/sources/sqs-source.ts";
import { AwsWorld, type Queue } from "./events-fixture/aws-world.ts";
import { needsMoto } from "./moto-server.ts";
import { eventually } from "./server-fixture/eventually.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";
import { LambdaCaller } from "./server-fixture/lambda-caller.ts";

/** Says what it got; fails as the body of a message asks. */
const FILES = {
  "index.js": `exports.handler = async ({ Records }) => {
    console.log("BATCH " + JSON.stringify(Records.map(({ body, attributes }) => [body, attributes.MessageGroupId ?? ""])));
    if (process.env.SHOW) console.log("RECORD " + JSON.stringify(Records[0]));
    const first = ({ attributes }) => attributes.ApproximateReceiveCount === "1";
    if (Records.some((record) => record.body.includes("throw") && first(record))) throw new Error("as asked");
    console.log("DONE " + JSON.stringify(Records.map(({ body }) => body)));
    const failed = Records.filter((record) => record.body.includes("fail") && first(record));
    return { batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) };
  };`,
};
type Batch = readonly (readonly [body: string, group: string])[];

describe("queues of SQS, as moto plays it", needsMoto, () => {
  let aws: AwsWorld;
  let hearth: HearthProcess;
  let lambda: LambdaCaller;

  beforeAll(async () => {
    aws = await AwsWorld.start();
    hearth = await HearthProcess.start({ provider: "process", env: aws.env });
    lambda = new LambdaCaller(() => hearth.url);
  }, 60_000);
  afterAll(async () => {
    lambda.close();
    await hearth[Symbol.asyncDispose]();
    await aws.stop();
  });

  const mappings = "/2015-03-31/event-source-mappings";
  const stateOf = async (uuid: string) =>
    JSON.parse((await lambda.request("GET", `${mappings}/${uuid}`)).body.toString());
  /** undefined: it is gone. */
  const stateIn = (uuid: string, wanted: string | undefined): Promise<string | undefined> =>
    eventually(
      async () => (await stateOf(uuid)).State,
      (state) => state === wanted,
      20_000,
    );
  const map = async (name: string, queue: Queue, input: object = {}, environment: Record<string, string> = {}) => {
    await lambda.deploy(name, { files: FILES, environment });
    const body = JSON.stringify({ FunctionName: name, EventSourceArn: queue.arn, ...input });
    const answer = await lambda.request("POST", mappings, body);
    expect(answer.status, answer.body.toString()).toBe(202);
    const { UUID: uuid, State: state } = JSON.parse(answer.body.toString());
    expect(state).toBe("Creating");
    expect(await stateIn(uuid as string, "Enabled")).toBe("Enabled");
    return uuid as string;
  };
  const batchesOf = async (name: string): Promise<Batch[]> =>
    ((await hearth.functionLog(name)).match(/(?<=BATCH ).*$/gm) ?? []).map((text) => JSON.parse(text) as Batch);
  const drained = (queue: Queue) =>
    eventually(
      () => queue.length(),
      (length) => length === 0,
      30_000,
    );
  const counted = async (name: string) => {
    const counts: Record<string, number> = {};
    for (const [body] of (await batchesOf(name)).flat()) counts[body] = (counts[body] ?? 0) + 1;
    return counts;
  };

  test.concurrent("a message wakes a function, has Lambda's shape, and is deleted", async () => {
    const queue = await aws.queue("plain");
    await map("plain", queue, {}, { SHOW: "1" });
    await queue.send([{ body: "hello" }]);
    expect(await drained(queue)).toBe(0);
    const log = await hearth.functionLog("plain");
    const record = JSON.parse(/RECORD (.*)$/m.exec(log)?.[1] ?? "null");
    expect(record).toMatchObject({
      messageId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      receiptHandle: expect.any(String),
      body: "hello",
      attributes: {
        ApproximateReceiveCount: "1",
        SentTimestamp: expect.stringMatching(/^\d{13}$/),
        ApproximateFirstReceiveTimestamp: expect.stringMatching(/^\d{13}$/),
      },
      messageAttributes: {},
      md5OfBody: "5d41402abc4b2a76b9719d911017c592",
      eventSource: "aws:sqs",
      eventSourceARN: queue.arn,
      awsRegion: "us-east-1",
    });
  });

  test.concurrent("a window collects larger batches than a poll brings, and what fits no filter is dropped", async () => {
    const queue = await aws.queue("filtered");
    const Filters = [{ Pattern: '{"body":{"kind":["wanted"],"n":[{"numeric":["<",40]}]}}' }];
    await queue.send(
      Array.from({ length: 60 }, (_, n) => ({ body: JSON.stringify({ kind: n % 2 === 0 ? "wanted" : "other", n }) })),
    );
    await map("filtered", queue, { BatchSize: 100, MaximumBatchingWindowInSeconds: 2, FilterCriteria: { Filters } });
    expect(await drained(queue)).toBe(0);
    const batches = await batchesOf("filtered");
    expect(
      batches
        .flat()
        .map(([body]) => JSON.parse(body).n)
        .sort((a, b) => a - b),
    ).toEqual(Array.from({ length: 20 }, (_, n) => 2 * n));
    expect(Math.max(...batches.map((batch) => batch.length))).toBeGreaterThan(10);
  });

  test.concurrent("only what failed comes again: of a batch that says so, and whole batches that throw", async () => {
    const queue = await aws.queue("partial", { VisibilityTimeout: "6" });
    await map("partial", queue, { FunctionResponseTypes: ["ReportBatchItemFailures"] });
    await queue.send([{ body: "good" }, { body: "fail" }, { body: "better" }]);
    expect(await drained(queue)).toBe(0);
    expect(await counted("partial")).toEqual({ good: 1, fail: 2, better: 1 });
    await queue.send([{ body: "throw" }]);
    expect(await drained(queue)).toBe(0);
    expect(await counted("partial")).toMatchObject({ throw: 2 });
  });

  test.concurrent("a FIFO queue keeps the order of each group, over a failure", async () => {
    const queue = await aws.queue("ordered.fifo", { VisibilityTimeout: "10" });
    const bodies = Array.from({ length: 8 }, (_, n) => String(n));
    // Batches of one message of each group: of two that time out together, moto hands out the second one first.
    const sent = bodies.flatMap((body) => ["a", "b"].map((group) => ({ body: `${group}${body}`, group })));
    await queue.send(sent.map(({ body, group }) => ({ body: body === "a2" ? "a2 throw" : body, group })));
    await map("ordered", queue, { BatchSize: 2 });
    expect(await drained(queue)).toBe(0);
    const lines = (await hearth.functionLog("ordered")).match(/(?<=DONE ).*$/gm) ?? [];
    const done = [...new Set(lines.flatMap((line) => JSON.parse(line) as string[]))];
    for (const group of ["a", "b"]) {
      const inOrder = sent.filter((message) => message.group === group).map(({ body }) => body);
      expect(done.map((body) => body.slice(0, 2)).filter((body) => body.startsWith(group))).toEqual(inOrder);
    }
    expect(done).toContain("a2 throw");
  }, 60_000);

  test.concurrent("a crowd of messages is done by many at a time, but no more than the maximum", async () => {
    const queue = await aws.queue("crowd");
    const uuid = await map("crowd", queue, { BatchSize: 1, ScalingConfig: { MaximumConcurrency: 3 } });
    await queue.send(Array.from({ length: 100 }, (_, n) => ({ body: `m${n}` })));
    let most = 0;
    const length = await eventually(
      async () => {
        const { instances } = await hearth.pools();
        const running = instances
          .flatMap(({ containers }) => containers)
          .filter(({ state, functionKey }) => state === "running" && functionKey?.includes("crowd"));
        most = Math.max(most, running.length);
        return queue.length();
      },
      (left) => left === 0,
      30_000,
    );
    expect(length).toBe(0);
    expect(most).toBeLessThanOrEqual(3);
    expect(Object.values(await counted("crowd"))).toEqual(Array.from({ length: 100 }, () => 1));
    expect((await stateOf(uuid)).LastProcessingResult).toBe("OK");
  }, 60_000);

  test.concurrent("switched off it takes nothing, switched on it goes on; a deleted one takes nothing", async () => {
    const queue = await aws.queue("switched");
    const uuid = await map("switched", queue);
    const change = async (body: object) => lambda.request("PUT", `${mappings}/${uuid}`, JSON.stringify(body));
    expect((await change({ Enabled: false })).status).toBe(202);
    expect(await stateIn(uuid, "Disabled")).toBe("Disabled");
    await queue.send([{ body: "waits" }]);
    expect(await queue.length()).toBe(1);
    expect((await change({ Enabled: true })).status).toBe(202);
    expect(await drained(queue)).toBe(0);
    expect(await counted("switched")).toEqual({ waits: 1 });
    expect((await lambda.request("DELETE", `${mappings}/${uuid}`)).status).toBe(202);
    expect(await stateIn(uuid, undefined)).toBeUndefined();
    await queue.send([{ body: "nobody takes it" }]);
    expect(await queue.length()).toBe(1);
  }, 60_000);

  test.concurrent("a batch that is refused is tried again, without going back to the queue", async () => {
    const queue = await aws.queue("refused");
    const clients = new AwsClients({ endpoints: { SQS: aws.moto.url }, region: "us-east-1" });
    const answers: InvokeAnswer[] = ["CONCURRENCY_LIMIT", "NO_CAPACITY"].map((code) => ({
      kind: "rejected",
      code: code as ErrorCode,
    }));
    const usage = { ...UNMEASURED, wallUs: 1 };
    const done = { kind: "finished", outcome: "ok", payload: Buffer.from("null"), exit: undefined, usage } as const;
    const counts: string[] = [];
    const batches = new BatchRun({
      resolve: () => ({ arn: "arn:f" }) as FunctionVersion,
      invoke: ({ payload }, answer) => {
        counts.push(JSON.parse(payload.toString()).Records[0].attributes.ApproximateReceiveCount);
        setImmediate(() => answer(answers.shift() ?? { ...done, logTail: undefined }));
      },
    });
    const problems: string[] = [];
    const listener = { onOk() {}, onProblem: (why: string) => void problems.push(why) };
    const settings = {
      functionName: "f",
      qualifier: undefined,
      isEnabled: true,
      batchSize: 10,
      windowMs: 0,
      filters: [],
    };
    const identity = { uuid: "u", accountId: DEFAULT_ACCOUNT_ID, origin: { kind: "sqs", arn: queue.arn } as const };
    const record = { ...identity, ...settings, reportsItemFailures: false, concurrencyMax: undefined };
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const options = {
      aws: clients,
      queueUrls: new QueueUrls(clients),
      batches,
      timeoutMsOf: () => 3_000,
      clock: systemClock,
      log,
    };
    const source = new SqsSource({ ...record, tags: {}, lastModifiedMs: 1 }, listener, options);
    process.env["AWS_ACCESS_KEY_ID"] ??= "test";
    process.env["AWS_SECRET_ACCESS_KEY"] ??= "test";
    await queue.send([{ body: "x" }]);
    source.start();
    expect(await drained(queue)).toBe(0);
    await source.stop(true);
    await clients.close();
    expect([counts, problems]).toEqual([["1", "1", "1"], []]);
  });

  test.concurrent("a queue that is not there, and one that hides messages too briefly", async () => {
    await lambda.deploy("late", { files: FILES, timeoutS: 60 });
    const refused = async (arn: string) => {
      const answer = await lambda.request(
        "POST",
        mappings,
        JSON.stringify({ FunctionName: "late", EventSourceArn: arn }),
      );
      return [answer.status, JSON.parse(answer.body.toString()).message];
    };
    const { arn } = await aws.queue("brief", { VisibilityTimeout: "30" });
    expect(await refused(`${arn}-none`)).toEqual([
      400,
      "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.",
    ]);
    expect(await refused(arn)).toEqual([
      400,
      "Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds",
    ]);
  });

  test("mappings outlive kill -9 of the server, and say when their queue cannot be reached", async () => {
    const queue = await aws.queue("survives", { VisibilityTimeout: "5" });
    const uuid = await map("survives", queue);
    await hearth.kill();
    await queue.send([{ body: "meanwhile" }]);
    await hearth.start();
    expect(await drained(queue)).toBe(0);
    expect(await counted("survives")).toEqual({ meanwhile: 1 });
    await aws.moto.reset(); // All queues are gone.
    await expect
      .poll(async () => (await stateOf(uuid)).LastProcessingResult, { timeout: 25_000 })
      .toMatch(/^PROBLEM: .*(QueueDoesNotExist|NonExistentQueue)/);
    const again = await aws.queue("survives");
    await again.send([{ body: "after" }]);
    expect(await drained(again)).toBe(0);
    await expect.poll(async () => (await stateOf(uuid)).LastProcessingResult).toBe("OK");
  }, 90_000);
});

test("a queue that takes deletions and never answers does not hold up the server's end", async () => {
  const hung = Promise.withResolvers<void>();
  const messages = [{ MessageId: "m", ReceiptHandle: "r", Body: "{}", MD5OfBody: md5("{}") }];
  const answers: Record<string, () => object | undefined> = {
    GetQueueUrl: () => ({ QueueUrl: `${url}/queue` }),
    GetQueueAttributes: () => ({ Attributes: { VisibilityTimeout: "30" } }),
    ReceiveMessage: () => (messages.length > 0 ? { Messages: messages.splice(0) } : undefined),
    DeleteMessageBatch: () => void hung.resolve(),
  };
  const queue = createServer((request, response) => {
    void json(request).then(() => {
      const answer = answers[String(request.headers["x-amz-target"]).replace("AmazonSQS.", "")]?.();
      if (answer !== undefined)
        response.setHeader("Content-Type", "application/x-amz-json-1.0").end(JSON.stringify(answer));
    });
  }).listen(0, "127.0.0.1");
  await once(queue, "listening");
  const url = `http://127.0.0.1:${(queue.address() as AddressInfo).port}`;
  const env = { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test", HEARTH_AWS_ENDPOINT: url };
  await using hearth = await HearthProcess.start({ provider: "process", env });
  const lambda = new LambdaCaller(() => hearth.url);
  await lambda.deploy("f", { files: FILES });
  const mapping = { FunctionName: "f", EventSourceArn: "arn:aws:sqs:us-east-1:123456789012:queue" };
  const answer = await lambda.request("POST", "/2015-03-31/event-source-mappings", JSON.stringify(mapping));
  expect(answer.status, answer.body.toString()).toBe(202);
  await hung.promise;
  const beganMs = performance.now();
  expect(await hearth.stop()).toBe(0);
  expect(performance.now() - beganMs).toBeLessThan(10_000);
  lambda.close();
  queue.closeAllConnections();
  queue.close();
}, 60_000);

function md5(text: string): string {
  return createHash("md5").update(text).digest("hex");
}
