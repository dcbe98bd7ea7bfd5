import { createHash } from "node:crypto";
import {
  CreateFunctionCommand,
  DeleteFunctionCommand,
  GetAccountSettingsCommand,
  GetFunctionCommand,
  GetFunctionConfigurationCommand,
  InvokeCommand,
  LambdaClient,
  ListTagsCommand,
  paginateListFunctions,
  ResourceNotFoundException,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateFunctionCodeCommand,
  UpdateFunctionConfigurationCommand,
  waitUntilFunctionActiveV2,
  waitUntilFunctionUpdatedV2,
} from "@aws-sdk/client-lambda";
import { afterAll, describe, expect, test } from "vitest";
import { eventually } from "../integration/server-fixture/eventually.ts";
import { HearthProcess } from "../integration/server-fixture/hearth-process.ts";
import { archiveOf } from "../integration/server-fixture/lambda-caller.ts";
import { provider } from "./provider.ts";

/** The AWS SDK for JavaScript v3 as it comes, on the whole tour that the issue promises. */
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

const ROLE = "arn:aws:iam::000000000000:role/any";
const ARN = "arn:aws:lambda:us-east-1:000000000000:function:tour";
const LIMITS = { client, maxWaitTime: 30, minDelay: 1, maxDelay: 1 };
const first = archiveOf({
  "index.mjs": 'export const handler = async (event) => { console.log("hello"); return { first: event }; };',
});
const second = archiveOf({ "index.mjs": "export const handler = async () => process.env.COLOUR ?? 2;" });
const text = (payload: Uint8Array | undefined) => Buffer.from(payload ?? []).toString();

describe("AWS SDK for JavaScript v3", () => {
  test("creates a function and waits until it is active", async () => {
    const created = await client.send(
      new CreateFunctionCommand({
        FunctionName: "tour",
        Runtime: "nodejs24.x",
        Handler: "index.handler",
        Role: ROLE,
        Code: { ZipFile: first },
        Tags: { team: "a" },
      }),
    );
    expect(created).toMatchObject({
      $metadata: { httpStatusCode: 201 },
      FunctionName: "tour",
      FunctionArn: ARN,
      State: "Pending",
      StateReasonCode: "Creating",
      Timeout: 3,
      MemorySize: 128,
      EphemeralStorage: { Size: 512 },
      Architectures: ["x86_64"],
      PackageType: "Zip",
      Version: "$LATEST",
      CodeSize: first.length,
      CodeSha256: createHash("sha256").update(first).digest("base64"),
    });
    expect(created.LastUpdateStatus).toBeUndefined();
    expect(created.LastModified).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$/);
    await waitUntilFunctionActiveV2(LIMITS, { FunctionName: "tour" });
    const { Configuration, Code, Tags } = await client.send(new GetFunctionCommand({ FunctionName: "tour" }));
    expect(Configuration).toMatchObject({ State: "Active", LastUpdateStatus: "Successful" });
    expect(Tags).toEqual({ team: "a" });
    const code = Buffer.from(await (await fetch(Code?.Location ?? "")).arrayBuffer());
    expect(code.equals(first)).toBe(true);
  });

  test("invokes it in each way", async () => {
    const answer = await client.send(
      new InvokeCommand({
        FunctionName: "tour",
        Payload: '{"a":"ü"}',
        LogType: "Tail",
        InvocationType: "RequestResponse",
      }),
    );
    expect(answer).toMatchObject({ StatusCode: 200, ExecutedVersion: "$LATEST" });
    expect(answer.FunctionError).toBeUndefined();
    expect(text(answer.Payload)).toBe('{"first":{"a":"ü"}}');
    const log = Buffer.from(answer.LogResult ?? "", "base64").toString();
    expect(log).toMatch(/^START RequestId: [^\n]+\n.*\tINFO\thello\nEND RequestId: .*\nREPORT RequestId: /);
    expect(log).toContain(answer.$metadata.requestId);

    const dry = await client.send(new InvokeCommand({ FunctionName: "tour", InvocationType: "DryRun" }));
    expect([dry.StatusCode, dry.ExecutedVersion]).toEqual([204, undefined]);

    const event = await client.send(
      new InvokeCommand({ FunctionName: "tour", InvocationType: "Event", Payload: "{}" }),
    );
    expect([event.StatusCode, event.ExecutedVersion, text(event.Payload)]).toEqual([202, undefined, ""]);
    const ended = await eventually(
      () => hearth.functionLog("tour"),
      (all) => all.includes(`END RequestId: ${event.$metadata.requestId}`),
      20_000,
    );
    expect(ended).toContain(`END RequestId: ${event.$metadata.requestId}`);
  });

  test("reaches it by every form of its name", async () => {
    const account = "000000000000";
    for (const name of [
      ARN,
      `${ARN}:$LATEST`,
      `${account}:function:tour`,
      `${account}:function:tour:$LATEST`,
      "function:tour",
      "tour:$LATEST",
    ]) {
      expect((await client.send(new InvokeCommand({ FunctionName: name, Payload: "1" }))).StatusCode, name).toBe(200);
      expect((await client.send(new GetFunctionConfigurationCommand({ FunctionName: name }))).FunctionName).toBe(
        "tour",
      );
    }
    const qualified = await client.send(new GetFunctionCommand({ FunctionName: "tour", Qualifier: "$LATEST" }));
    expect(qualified.Configuration?.FunctionArn).toBe(`${ARN}:$LATEST`);
  });

  test("updates code and configuration, and waits for each", async () => {
    const updated = await client.send(new UpdateFunctionCodeCommand({ FunctionName: "tour", ZipFile: second }));
    expect(updated.LastUpdateStatus).toBe("InProgress");
    await waitUntilFunctionUpdatedV2(LIMITS, { FunctionName: "tour" });
    expect(text((await client.send(new InvokeCommand({ FunctionName: "tour" }))).Payload)).toBe("2");

    await client.send(
      new UpdateFunctionConfigurationCommand({
        FunctionName: "tour",
        Environment: { Variables: { COLOUR: "green" } },
        Description: "changed",
        Timeout: 7,
        MemorySize: 256,
      }),
    );
    await waitUntilFunctionUpdatedV2(LIMITS, { FunctionName: "tour" });
    expect(text((await client.send(new InvokeCommand({ FunctionName: "tour" }))).Payload)).toBe('"green"');
    const configuration = await client.send(new GetFunctionConfigurationCommand({ FunctionName: "tour" }));
    expect(configuration).toMatchObject({
      Description: "changed",
      Timeout: 7,
      MemorySize: 256,
      Environment: { Variables: { COLOUR: "green" } },
    });
  });

  test("sets and removes tags", async () => {
    await client.send(new TagResourceCommand({ Resource: ARN, Tags: { team: "b", stage: "test" } }));
    await client.send(new UntagResourceCommand({ Resource: ARN, TagKeys: ["team", "never-there"] }));
    expect((await client.send(new ListTagsCommand({ Resource: ARN }))).Tags).toEqual({ stage: "test" });
  });

  test("lists page by page", async () => {
    const names = Array.from({ length: 7 }, (_, i) => `listed-${i}`);
    const make = (FunctionName: string) =>
      client.send(
        new CreateFunctionCommand({
          FunctionName,
          Runtime: "nodejs22.x",
          Handler: "index.handler",
          Role: ROLE,
          Code: { ZipFile: second },
        }),
      );
    await Promise.all(names.map(make));
    const pages: (string | undefined)[][] = [];
    for await (const page of paginateListFunctions({ client, pageSize: 3 }, {})) {
      pages.push((page.Functions ?? []).map(({ FunctionName }) => FunctionName));
    }
    expect(pages.map(({ length }) => length)).toEqual([3, 3, 2]);
    expect(pages.flat()).toEqual([...names, "tour"]);
  });

  test("shows the account's limits and use", async () => {
    const { AccountLimit, AccountUsage } = await client.send(new GetAccountSettingsCommand({}));
    expect(AccountLimit).toMatchObject({
      ConcurrentExecutions: 1000,
      CodeSizeZipped: 52_428_800,
      CodeSizeUnzipped: 262_144_000,
    });
    expect(AccountUsage?.FunctionCount).toBe(8);
    expect(AccountUsage?.TotalCodeSize).toBe(8 * second.length);
  });

  test("deletes it; then it is not found", async () => {
    expect((await client.send(new DeleteFunctionCommand({ FunctionName: "tour" }))).$metadata.httpStatusCode).toBe(204);
    const missing = client.send(new InvokeCommand({ FunctionName: "tour" }));
    await expect(missing).rejects.toBeInstanceOf(ResourceNotFoundException);
    await expect(missing).rejects.toMatchObject({ message: `Function not found: ${ARN}`, Type: "User" });
  });
});
