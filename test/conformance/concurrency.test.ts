import {
  CreateFunctionCommand,
  DeleteFunctionConcurrencyCommand,
  InvokeCommand,
  LambdaClient,
  PutFunctionConcurrencyCommand,
  TooManyRequestsException,
  waitUntilFunctionActiveV2,
} from "@aws-sdk/client-lambda";
import { afterAll, expect, test } from "vitest";
import { eventually } from "../integration/server-fixture/eventually.ts";
import { HearthProcess } from "../integration/server-fixture/hearth-process.ts";
import { archiveOf } from "../integration/server-fixture/lambda-caller.ts";
import { provider } from "./provider.ts";

/** Limits of executions at a time, as the AWS SDK sees them. */
const hearth = await HearthProcess.start({ provider });
const client = new LambdaClient({
  endpoint: hearth.url,
  region: "us-east-1",
  credentials: { accessKeyId: "unknown", secretAccessKey: "unknown" },
  maxAttempts: 1,
});
afterAll(async () => {
  client.destroy();
  await hearth[Symbol.asyncDispose]();
});

const WAIT = { client, maxWaitTime: 30, minDelay: 1, maxDelay: 1 };

async function deploy(name: string, code: string): Promise<void> {
  await client.send(
    new CreateFunctionCommand({
      FunctionName: name,
      Runtime: "nodejs24.x",
      Handler: "index.handler",
      Role: "arn:aws:iam::000000000000:role/any",
      Code: { ZipFile: archiveOf({ "index.mjs": code }) },
    }),
  );
  await waitUntilFunctionActiveV2(WAIT, { FunctionName: name });
}

const invoke = (name: string) => client.send(new InvokeCommand({ FunctionName: name }));
const reserve = (name: string, count: number) =>
  client.send(new PutFunctionConcurrencyCommand({ FunctionName: name, ReservedConcurrentExecutions: count }));

test("of a function that reserves one execution the second at a time is throttled, and events come after one another", async () => {
  await deploy("one", "export const handler = () => new Promise((resolve) => setTimeout(resolve, 300));");
  await reserve("one", 1);
  const both = await Promise.allSettled([invoke("one"), invoke("one")]);
  const failures = both.flatMap((each) => (each.status === "rejected" ? [each.reason as unknown] : []));
  expect(failures).toHaveLength(1);
  expect(failures[0]).toBeInstanceOf(TooManyRequestsException);
  expect(failures[0]).toMatchObject({
    message: "Rate Exceeded.",
    Reason: "ReservedFunctionConcurrentInvocationLimitExceeded",
    Type: "User",
    retryAfterSeconds: "1",
    $metadata: { httpStatusCode: 429 },
  });
  const events = Array.from({ length: 5 }, () =>
    client.send(new InvokeCommand({ FunctionName: "one", InvocationType: "Event" })),
  );
  for (const event of events) expect((await event).StatusCode).toBe(202);
  await eventually(
    () => hearth.status(),
    ({ counts }) => counts.queuedEvents === 0,
    30_000,
  );
  const log = await hearth.functionLog("one");
  expect(log.match(/^START /gm)).toHaveLength(6);
  expect(log.match(/^RETRY /gm)).toBeNull();
});

test("a function that reserves none does not run until it reserves none no more", async () => {
  await deploy("none", "export const handler = async () => 1;");
  await reserve("none", 0);
  await expect(invoke("none")).rejects.toMatchObject({ Reason: "ReservedFunctionConcurrentInvocationLimitExceeded" });
  await client.send(new DeleteFunctionConcurrencyCommand({ FunctionName: "none" }));
  expect((await invoke("none")).StatusCode).toBe(200);
});
