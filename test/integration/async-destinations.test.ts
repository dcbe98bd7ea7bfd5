import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AwsWorld } from "./events-fixture/aws-world.ts";
import { WebhookServer } from "./events-fixture/webhook-server.ts";
import { needsMoto } from "./moto-server.ts";
import { eventually } from "./server-fixture/eventually.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";
import { LambdaCaller } from "./server-fixture/lambda-caller.ts";

const FILES = {
  "index.js": `exports.handler = async (event) => {
    console.log("GOT " + JSON.stringify(event));
    if (event.fail) throw new Error("as asked");
    return { done: event.n };
  };`,
};
const ARN = "arn:aws:lambda:us-east-1:000000000000:function:";

async function configure(lambda: LambdaCaller, name: string, config: object): Promise<void> {
  const path = `/2019-09-25/functions/${name}/event-invoke-config`;
  const { status, body } = await lambda.request("PUT", path, JSON.stringify(config));
  if (status !== 200) throw new Error(`${status} ${body}`);
}

describe("outcomes of events are delivered", needsMoto, () => {
  let aws: AwsWorld;
  let hearth: HearthProcess;
  let lambda: LambdaCaller;
  const webhook = new WebhookServer();

  beforeAll(async () => {
    await webhook.start();
    aws = await AwsWorld.start();
    hearth = await HearthProcess.start({
      provider: "process",
      env: { ...aws.env, HEARTH_ASYNC_RETRY_SECONDS: "0.1,0.1" },
    });
    lambda = new LambdaCaller(() => hearth.url);
    for (const name of ["f", "g"]) await lambda.deploy(name, { files: FILES });
  }, 60_000);
  afterAll(async () => {
    lambda.close();
    await hearth[Symbol.asyncDispose]();
    await aws.stop();
    await webhook.stop();
  });

  const send = async (payload: object) => {
    const { status, requestId } = await lambda.invoke("f", payload, { type: "Event" });
    expect(status).toBe(202);
    return requestId;
  };

  test("of a failure to SQS and of a success to SNS", async () => {
    const failures = await aws.queue("failures");
    const topic = await aws.topic("successes", await aws.queue("successes"));
    const DestinationConfig = { OnFailure: { Destination: failures.arn }, OnSuccess: { Destination: topic } };
    await configure(lambda, "f", { MaximumRetryAttempts: 1, DestinationConfig });
    const [failed, succeeded] = [await send({ n: 1, fail: true }), await send({ n: 2 })];
    const [failure] = await failures.take(1);
    expect(JSON.parse(failure?.Body ?? "")).toEqual({
      version: "1.0",
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      requestContext: {
        requestId: failed,
        functionArn: `${ARN}f:$LATEST`,
        condition: "RetriesExhausted",
        approximateInvokeCount: 2,
      },
      requestPayload: { n: 1, fail: true },
      responseContext: { statusCode: 200, executedVersion: "$LATEST", functionError: "Unhandled" },
      responsePayload: { errorType: "Error", errorMessage: "as asked", trace: expect.any(Array) },
    });
    const [success] = await (await aws.queue("successes")).take(1);
    expect(JSON.parse(success?.Body ?? "")).toMatchObject({
      requestContext: { requestId: succeeded, condition: "Success", approximateInvokeCount: 1 },
      responsePayload: { done: 2 },
    });
    expect((await hearth.status()).counts.queuedEvents).toBe(0);
  });

  test("of a success to an event bus and of a failure to a bucket", async () => {
    const arrived = await aws.queue("arrived");
    const bus = await aws.bus("outcomes", arrived);
    await aws.bucket("failed-events");
    const DestinationConfig = {
      OnFailure: { Destination: "arn:aws:s3:::failed-events" },
      OnSuccess: { Destination: bus },
    };
    await configure(lambda, "f", { MaximumRetryAttempts: 0, DestinationConfig });
    const [failed, succeeded] = [await send({ n: 3, fail: true }), await send({ n: 4 })];
    const [event] = await arrived.take(1);
    expect(JSON.parse(event?.Body ?? "")).toMatchObject({
      source: "lambda",
      "detail-type": "Lambda Function Invocation Result - Success",
      resources: [bus, `${ARN}f:$LATEST`],
      detail: { requestContext: { requestId: succeeded }, responsePayload: { done: 4 } },
    });
    const objects = await eventually(
      () => aws.objects("failed-events"),
      (found) => found.length > 0,
      10_000,
    );
    expect(objects).toHaveLength(1);
    expect(objects[0]?.key).toMatch(
      /^aws\/lambda\/async\/f\/\d{4}\/\d\d\/\d\d\/\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d-[0-9a-f-]{36}$/,
    );
    expect(JSON.parse(objects[0]?.body ?? "")).toMatchObject({
      requestContext: { requestId: failed, condition: "RetriesExhausted", approximateInvokeCount: 1 },
    });
  });

  test("to another function and to a webhook", async () => {
    const DestinationConfig = { OnFailure: { Destination: webhook.url }, OnSuccess: { Destination: `${ARN}g` } };
    await configure(lambda, "f", { MaximumRetryAttempts: 0, DestinationConfig });
    const [failed, succeeded] = [await send({ n: 5, fail: true }), await send({ n: 6 })];
    await expect.poll(() => webhook.calls.length, { timeout: 10_000 }).toBe(1);
    const [call] = webhook.calls;
    expect(call?.headers).toMatchObject({
      "content-type": "application/json",
      "hearth-request-id": failed,
      "hearth-delivery-id": `${failed}-destination`,
    });
    expect(JSON.parse(call?.body ?? "")).toMatchObject({ requestContext: { requestId: failed } });
    const log = await eventually(
      () => hearth.functionLog("g"),
      (text) => text.includes("GOT"),
      10_000,
    );
    expect(log).toContain(`"requestId":"${succeeded}"`);
  });

  test("dead letters are the events themselves, with what happened as attributes", async () => {
    const letters = await aws.queue("letters");
    await lambda.request("DELETE", "/2019-09-25/functions/f/event-invoke-config");
    const change = JSON.stringify({ DeadLetterConfig: { TargetArn: letters.arn } });
    expect((await lambda.request("PUT", "/2015-03-31/functions/f/configuration", change)).status).toBe(200);
    await lambda.settled("f");
    const failed = await send({ n: 8, fail: true });
    const [letter] = await letters.take(1);
    expect(letter?.Body).toBe('{"n":8,"fail":true}');
    expect(letter?.MessageAttributes).toMatchObject({
      RequestID: { DataType: "String", StringValue: failed },
      ErrorCode: { DataType: "Number", StringValue: "200" },
      ErrorMessage: { DataType: "String", StringValue: "as asked" },
    });
    const none = JSON.stringify({ DeadLetterConfig: { TargetArn: "" } });
    await lambda.request("PUT", "/2015-03-31/functions/f/configuration", none);
    await lambda.settled("f");
  });

  test("nobody is told where nobody asked to be", async () => {
    await lambda.request("DELETE", "/2019-09-25/functions/f/event-invoke-config");
    const before = webhook.calls.length;
    await send({ n: 7 });
    const { counts } = await eventually(
      () => hearth.status(),
      (status) => status.counts.queuedEvents === 0,
      10_000,
    );
    expect([counts.queuedEvents, webhook.calls.length]).toEqual([0, before]);
  });
});

test("kill -9 of the server: what could not be delivered is delivered by the next one, one outcome each", async () => {
  const webhook = new WebhookServer();
  await webhook.start();
  await using hearth = await HearthProcess.start({
    provider: "process",
    env: { HEARTH_ASYNC_RETRY_SECONDS: "0.1,0.1" },
  });
  const lambda = new LambdaCaller(() => hearth.url);
  await lambda.deploy("f", { files: FILES });
  const both = { Destination: webhook.url };
  await configure(lambda, "f", { MaximumRetryAttempts: 1, DestinationConfig: { OnFailure: both, OnSuccess: both } });
  const accepted: string[] = [];
  for (let round = 0; round < 3; round++) {
    // Away, answering with an error, and taking: whatever happens to be under way is cut off.
    if (round === 0) await webhook.stop();
    else if (round === 1) {
      webhook.status = 500;
      await webhook.start();
    } else webhook.status = 200;
    for (let n = 0; n < 10; n++) {
      const answer = await lambda.invoke("f", { n, fail: n % 2 === 1 }, { type: "Event" });
      expect(answer.status).toBe(202);
      accepted.push(answer.requestId);
    }
    if (round > 0) await expect.poll(() => webhook.calls.length, { timeout: 20_000 }).toBeGreaterThan(round * 5);
    await hearth.kill();
    await hearth.start();
  }
  await eventually(
    () => hearth.status(),
    ({ counts }) => counts.queuedEvents + counts.undeliveredOutcomes === 0,
    40_000,
  );
  const { counts } = await hearth.status();
  expect([counts.queuedEvents, counts.undeliveredOutcomes]).toEqual([0, 0]);
  const bodies = new Map<string, Set<string>>();
  for (const { headers, body } of webhook.calls) {
    const id = String(headers["hearth-request-id"]);
    bodies.set(id, (bodies.get(id) ?? new Set()).add(body));
  }
  expect([...bodies.keys()].sort()).toEqual(accepted.toSorted());
  // Delivered more than once, it is still the same outcome to the last byte.
  expect([...bodies.values()].filter((different) => different.size > 1)).toEqual([]);
  lambda.close();
  await webhook.stop();
}, 120_000);
