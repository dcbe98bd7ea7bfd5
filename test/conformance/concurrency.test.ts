import {
  CreateAliasCommand,
  CreateFunctionCommand,
  DeleteFunctionConcurrencyCommand,
  DeleteProvisionedConcurrencyConfigCommand,
  GetProvisionedConcurrencyConfigCommand,
  InvokeCommand,
  LambdaClient,
  PublishVersionCommand,
  PutFunctionConcurrencyCommand,
  PutProvisionedConcurrencyConfigCommand,
  TooManyRequestsException,
  UpdateAliasCommand,
  UpdateFunctionCodeCommand,
  waitUntilFunctionActiveV2,
  waitUntilFunctionUpdatedV2,
} from "@aws-sdk/client-lambda";
import { afterAll, expect, test } from "vitest";
import { eventually } from "../integration/server-fixture/eventually.ts";
import { HearthProcess } from "../integration/server-fixture/hearth-process.ts";
import { archiveOf } from "../integration/server-fixture/lambda-caller.ts";
import { provider } from "./provider.ts";

/** Limits of executions at a time, as the AWS SDK sees them. */
const hearth = await HearthProcess.start({ provider });
const connect = () =>
  new LambdaClient({
    endpoint: hearth.url,
    region: "us-east-1",
    credentials: { accessKeyId: "unknown", secretAccessKey: "unknown" },
    maxAttempts: 1,
  });
let client = connect();
afterAll(async () => {
  client.destroy();
  await hearth[Symbol.asyncDispose]();
});

const limits = () => ({ client, maxWaitTime: 30, minDelay: 1, maxDelay: 1 });

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
  await waitUntilFunctionActiveV2(limits(), { FunctionName: name });
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

/** Says by which kind of init it came up, and whether this is its first call. */
const TELLING = `let calls = 0;
console.log("loaded by", process.env.AWS_LAMBDA_INITIALIZATION_TYPE);
export const handler = async ({ ms = 0 } = {}) => {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return { type: process.env.AWS_LAMBDA_INITIALIZATION_TYPE, calls: ++calls };
};`;

const provisionedOf = (name: string, qualifier: string) =>
  client.send(new GetProvisionedConcurrencyConfigCommand({ FunctionName: name, Qualifier: qualifier }));

async function ready(name: string, qualifier: string, count: number): Promise<void> {
  const state = await eventually(
    () => provisionedOf(name, qualifier),
    ({ Status }) => Status !== "IN_PROGRESS",
    30_000,
  );
  expect(state).toMatchObject({
    Status: "READY",
    RequestedProvisionedConcurrentExecutions: count,
    AllocatedProvisionedConcurrentExecutions: count,
    AvailableProvisionedConcurrentExecutions: count,
  });
}

async function call(name: string, qualifier: string, payload: object = {}) {
  const answer = await client.send(
    new InvokeCommand({ FunctionName: name, Qualifier: qualifier, Payload: JSON.stringify(payload), LogType: "Tail" }),
  );
  const { type, calls } = JSON.parse(Buffer.from(answer.Payload ?? []).toString());
  const log = Buffer.from(answer.LogResult ?? "", "base64").toString();
  return { type, calls, isCold: log.includes("Init Duration"), requestId: answer.$metadata.requestId ?? "" };
}

test("provisioned containers are loaded before the first call; further calls spill over; the alias moves them", async () => {
  await deploy("held", TELLING);
  await client.send(new PublishVersionCommand({ FunctionName: "held" }));
  await client.send(new CreateAliasCommand({ FunctionName: "held", Name: "live", FunctionVersion: "1" }));
  const asked = await client.send(
    new PutProvisionedConcurrencyConfigCommand({
      FunctionName: "held",
      Qualifier: "live",
      ProvisionedConcurrentExecutions: 2,
    }),
  );
  expect(asked).toMatchObject({ Status: "IN_PROGRESS", $metadata: { httpStatusCode: 202 } });
  await ready("held", "live", 2);
  expect((await hearth.functionLog("held")).match(/loaded by provisioned-concurrency/g)).toHaveLength(2);

  const first = await call("held", "live");
  expect(first).toMatchObject({ type: "provisioned-concurrency", calls: 1, isCold: false });
  const explanation = await (await fetch(`${hearth.url}/_hearth/explain/${first.requestId}`)).text();
  expect(explanation).toContain("a provisioned container of the function was idle");

  const three = await Promise.all([1, 2, 3].map(() => call("held", "live", { ms: 300 })));
  expect(three.map(({ type }) => type).sort()).toEqual([
    "on-demand",
    "provisioned-concurrency",
    "provisioned-concurrency",
  ]);
  const metrics = await (await fetch(`${hearth.url}/metrics`)).text();
  const labels = 'account="000000000000",function="held",version="1"';
  expect(metrics).toContain(`hearth_provisioned_containers{${labels},state="available"} 2`);
  expect(metrics).toContain(`hearth_provisioned_starts{${labels},on="provisioned"} 3`);
  expect(metrics).toContain(`hearth_provisioned_starts{${labels},on="spillover"} 1`);

  const code = archiveOf({ "index.mjs": `${TELLING}\n// 2` });
  await client.send(new UpdateFunctionCodeCommand({ FunctionName: "held", ZipFile: code }));
  await waitUntilFunctionUpdatedV2(limits(), { FunctionName: "held" });
  await client.send(new PublishVersionCommand({ FunctionName: "held" }));
  await client.send(new UpdateAliasCommand({ FunctionName: "held", Name: "live", FunctionVersion: "2" }));
  await ready("held", "live", 2);
  expect(await call("held", "live")).toMatchObject({ type: "provisioned-concurrency", calls: 1, isCold: false });
});

/** The containers that are held ready. */
const held = async () =>
  (await hearth.pools()).instances
    .flatMap(({ containers }) => containers.filter((each) => each.isProvisioned).map(({ id }) => id))
    .sort();

test("they outlive their server, and are released when nobody asks for them", async () => {
  const before = await held();
  expect(before).toHaveLength(2);
  await hearth.kill();
  await hearth.start();
  client.destroy();
  client = connect();
  await ready("held", "live", 2);
  expect(await held()).toEqual(before);
  await client.send(new DeleteProvisionedConcurrencyConfigCommand({ FunctionName: "held", Qualifier: "live" }));
  expect(await held()).toHaveLength(0);
  await expect(provisionedOf("held", "live")).rejects.toMatchObject({
    name: "ProvisionedConcurrencyConfigNotFoundException",
  });
});

test("a function that cannot be loaded is said to fail", async () => {
  await deploy("broken", 'throw new Error("no");');
  await client.send(new PublishVersionCommand({ FunctionName: "broken" }));
  const name = { FunctionName: "broken", Qualifier: "1" };
  await client.send(new PutProvisionedConcurrencyConfigCommand({ ...name, ProvisionedConcurrentExecutions: 3 }));
  const state = await eventually(
    () => provisionedOf("broken", "1"),
    ({ Status }) => Status === "FAILED",
    30_000,
  );
  expect(state).toMatchObject({
    StatusReason: "FUNCTION_ERROR_INIT_FAILURE",
    AvailableProvisionedConcurrentExecutions: 0,
  });
  await client.send(new DeleteProvisionedConcurrencyConfigCommand(name));
});
