import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateFunctionCommand,
  type CreateFunctionCommandInput,
  DeleteFunctionCommand,
  GetAccountSettingsCommand,
  GetFunctionCommand,
  GetFunctionConfigurationCommand,
  InvokeCommand,
  LambdaClient,
  ListFunctionsCommand,
  ListTagsCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateFunctionCodeCommand,
  UpdateFunctionConfigurationCommand,
  waitUntilFunctionActiveV2,
  waitUntilFunctionUpdatedV2,
} from "@aws-sdk/client-lambda";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { HearthError } from "../../model/error-code.ts";
import type { Outcome } from "../../model/invocation.ts";
import { systemClock } from "../../ports/clock.ts";
import { zipOfEntries } from "../../ports/contract/zip-fixture.ts";
import type { FunctionCatalog } from "../../ports/function-catalog.ts";
import type { InvokeAnswer, InvokeRequest } from "../../ports/invoker.ts";
import { createAccessKeyRing } from "../../server/catalog/access-key-ring.ts";
import { createCatalog } from "../../server/catalog/catalog.ts";
import { createFilesCodeStore } from "../../store/files/code-store.ts";
import { createMemoryStore } from "../../store/memory/memory-store.ts";
import { createHttpServer, type HttpServer } from "../http-server.ts";
import { addLambdaRoutes } from "./lambda-routes.ts";

const region = "us-east-1";
const role = "arn:aws:iam::000000000000:role/r";
const arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
const zip = zipOfEntries([{ name: "index.mjs", data: "export const handler = async (event) => event" }]);
const otherZip = zipOfEntries([{ name: "index.mjs", data: "export const handler = async () => 2" }]);

let dir: string;
let server: HttpServer;
let catalog: FunctionCatalog;
let client: LambdaClient;
let url: string;
/** What the invoker was asked, and what it answers: the payload unless a test says otherwise. */
let requests: InvokeRequest[];
let answerOf: (request: InvokeRequest) => InvokeAnswer | undefined;
let cancelled: string[];

function finished(outcome: Outcome, payload: Buffer, more: { exit?: string; logTail?: Buffer } = {}): InvokeAnswer {
  const usage = { wallUs: 1, cpuUs: 1, memoryPeakBytes: 1, initUs: undefined };
  return { kind: "finished", outcome, payload, exit: more.exit, usage, logTail: more.logTail };
}

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "hearth-api-"));
  requests = [];
  cancelled = [];
  answerOf = (request) => finished("ok", request.payload);
  const store = createMemoryStore();
  const codeStore = await createFilesCodeStore(join(dir, "code"));
  catalog = await createCatalog({ store, codeStore, clock: systemClock, region, onDamage: () => {} });
  const accessKeys = await createAccessKeyRing(store);
  const onError = (error: unknown) => {
    if (!(error instanceof HearthError)) throw error;
  };
  server = createHttpServer({ host: "127.0.0.1", port: 0, region, accessKeys, clock: systemClock, onError });
  const { port } = await server.listen();
  url = `http://127.0.0.1:${port}`;
  const invoker = {
    invoke(request: InvokeRequest, answer: (answer: InvokeAnswer) => void) {
      requests.push(request);
      const given = answerOf(request);
      if (given !== undefined) setImmediate(() => answer(given));
      return () => void cancelled.push(request.id);
    },
    async enqueue(request: InvokeRequest) {
      requests.push(request);
      const answer = answerOf(request);
      if (answer?.kind === "rejected") throw new HearthError(answer.code);
    },
  };
  addLambdaRoutes(server, { catalog, codeStore, invoker, clock: systemClock, region, url, secret: "s" });
  client = new LambdaClient({
    endpoint: url,
    region,
    credentials: { accessKeyId: "any", secretAccessKey: "any" },
    maxAttempts: 1,
  });
});

afterEach(async () => {
  client.destroy();
  await server.close(0);
  catalog.close();
  rmSync(dir, { recursive: true, force: true });
});

const createInput: CreateFunctionCommandInput = {
  FunctionName: "f",
  Runtime: "nodejs24.x",
  Handler: "index.handler",
  Role: role,
  Code: { ZipFile: zip },
};
const create = (input: Partial<CreateFunctionCommandInput> = {}) =>
  client.send(new CreateFunctionCommand({ ...createInput, ...input }));
const settled = () =>
  waitUntilFunctionUpdatedV2({ client, maxWaitTime: 5, minDelay: 0.02, maxDelay: 0.05 } as never, {
    FunctionName: "f",
  });
const createSettled = async (input: Partial<CreateFunctionCommandInput> = {}) => {
  await create(input);
  await settled();
};
const failure = (name: string, message: string | RegExp, status = 400) =>
  expect.objectContaining({
    name,
    message: typeof message === "string" ? message : expect.stringMatching(message),
    $metadata: expect.objectContaining({ httpStatusCode: status }),
  });
const call = (method: string, path: string, body?: string | Buffer, headers: Record<string, string> = {}) =>
  fetch(url + path, { method, headers, ...(body === undefined ? {} : { body: body as never }) });
const invokePath = (name: string) => `/2015-03-31/functions/${name}/invocations`;

describe("the life of a function, with the AWS SDK", () => {
  test("is created pending, with AWS's defaults, and soon active", async () => {
    const created = await create();
    expect(created).toMatchObject({
      FunctionName: "f",
      FunctionArn: arn,
      Runtime: "nodejs24.x",
      Role: role,
      Handler: "index.handler",
      CodeSize: zip.length,
      Description: "",
      Timeout: 3,
      MemorySize: 128,
      Version: "$LATEST",
      TracingConfig: { Mode: "PassThrough" },
      State: "Pending",
      StateReason: "The function is being created.",
      StateReasonCode: "Creating",
      PackageType: "Zip",
      Architectures: ["x86_64"],
      EphemeralStorage: { Size: 512 },
      SnapStart: { ApplyOn: "None", OptimizationStatus: "Off" },
      LoggingConfig: { LogFormat: "Text", LogGroup: "/aws/lambda/f" },
    });
    expect(created.$metadata.httpStatusCode).toBe(201);
    expect(created.LastUpdateStatus).toBeUndefined();
    expect(created.Environment).toBeUndefined();
    expect(created.LastModified).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$/);
    expect(created.RuntimeVersionConfig?.RuntimeVersionArn).toMatch(/^arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}$/);
    const startedMs = performance.now();
    await waitUntilFunctionActiveV2({ client, maxWaitTime: 5, minDelay: 0.01, maxDelay: 0.02 } as never, {
      FunctionName: "f",
    });
    expect(performance.now() - startedMs).toBeLessThan(1000);
    const active = await client.send(new GetFunctionConfigurationCommand({ FunctionName: "f" }));
    expect(active).toMatchObject({ State: "Active", LastUpdateStatus: "Successful" });
    expect(active.RevisionId).not.toBe(created.RevisionId);
  });

  test("is shown with a URL of its code that works for ten minutes, and only for this code", async () => {
    await createSettled({ Tags: { a: "b" } });
    const { Code, Tags, Configuration } = await client.send(new GetFunctionCommand({ FunctionName: arn }));
    expect(Tags).toEqual({ a: "b" });
    expect(Configuration?.FunctionArn).toBe(arn);
    const location = Code?.Location as string;
    expect(Buffer.from(await (await fetch(location)).arrayBuffer()).equals(zip)).toBe(true);
    expect((await fetch(location.replace(/Signature=./, "Signature=x"))).status).toBe(403);
    expect((await fetch(location.replace(/Expires=1/, "Expires=2"))).status).toBe(403);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 10 * 60_000 });
    expect((await fetch(location)).status).toBe(403);
    vi.useRealTimers();
  });

  test("is updated: code and configuration, retiring what was before", async () => {
    await createSettled({ Environment: { Variables: { AB: "1" } } });
    const retired: string[] = [];
    catalog.onRetired((key) => retired.push(key));
    const before = catalog.resolve("000000000000" as never, "f", undefined);
    const updated = await client.send(
      new UpdateFunctionCodeCommand({ FunctionName: "f", ZipFile: otherZip, Publish: true }),
    );
    expect(updated).toMatchObject({
      LastUpdateStatus: "InProgress",
      LastUpdateStatusReasonCode: "Creating",
      Version: "$LATEST",
    });
    await expect(
      client.send(new UpdateFunctionConfigurationCommand({ FunctionName: "f", Timeout: 7 })),
    ).rejects.toEqual(
      failure(
        "ResourceConflictException",
        `The operation cannot be performed at this time. An update is in progress for resource: ${arn}`,
        409,
      ),
    );
    await settled();
    await client.send(
      new UpdateFunctionConfigurationCommand({
        FunctionName: "f",
        Timeout: 7,
        MemorySize: 256,
        Description: "d",
        Environment: { Variables: {} },
      }),
    );
    await settled();
    const after = catalog.resolve("000000000000" as never, "f", "$LATEST");
    expect(after).toMatchObject({ timeoutMs: 7000, memoryMiB: 256, environment: {}, handler: "index.handler" });
    expect(after?.codeSha256Hex).not.toBe(before?.codeSha256Hex);
    expect(retired).toHaveLength(2);
    expect(retired[0]).toBe(before?.key);
    expect(after?.key).not.toBe(before?.key);
  });

  test("a dry run of an update checks and changes nothing", async () => {
    await createSettled();
    const { CodeSha256 } = await client.send(new GetFunctionConfigurationCommand({ FunctionName: "f" }));
    const dry = await client.send(
      new UpdateFunctionCodeCommand({ FunctionName: "f", ZipFile: otherZip, DryRun: true }),
    );
    expect(dry.CodeSha256).not.toBe(CodeSha256);
    await expect(
      client.send(new UpdateFunctionCodeCommand({ FunctionName: "f", ZipFile: Buffer.from("no zip"), DryRun: true })),
    ).rejects.toEqual(
      failure(
        "InvalidParameterValueException",
        "Could not unzip uploaded file. Please check your file, then try to upload again.",
      ),
    );
    expect((await client.send(new GetFunctionConfigurationCommand({ FunctionName: "f" }))).CodeSha256).toBe(CodeSha256);
  });

  test("an update names the revision that it means, or any", async () => {
    await createSettled();
    const { RevisionId } = await client.send(new GetFunctionConfigurationCommand({ FunctionName: "f" }));
    await expect(
      client.send(new UpdateFunctionConfigurationCommand({ FunctionName: "f", Timeout: 4, RevisionId: "x" })),
    ).rejects.toEqual(failure("PreconditionFailedException", /^The Revision Id provided does not match/, 412));
    await client.send(new UpdateFunctionConfigurationCommand({ FunctionName: "f", Timeout: 4, RevisionId }));
  });

  test("is deleted, and can be made again", async () => {
    await createSettled();
    await expect(client.send(new DeleteFunctionCommand({ FunctionName: "f", Qualifier: "$LATEST" }))).rejects.toEqual(
      failure("InvalidParameterValueException", "$LATEST version cannot be deleted without deleting the function."),
    );
    const deleted = await call("DELETE", "/2015-03-31/functions/f");
    expect([deleted.status, await deleted.text()]).toEqual([204, ""]);
    await expect(client.send(new DeleteFunctionCommand({ FunctionName: "f" }))).rejects.toEqual(
      failure("ResourceNotFoundException", `Function not found: ${arn}`, 404),
    );
    await create();
    await expect(create()).rejects.toEqual(failure("ResourceConflictException", "Function already exist: f", 409));
  });

  test("ten callers who create the same function make it once", async () => {
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => create()));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const reasons = results.flatMap((result) => (result.status === "rejected" ? [result.reason.name] : []));
    expect(new Set(reasons)).toEqual(new Set(["ResourceConflictException"]));
  });

  test("lists page by page, sorted, fifty at most", async () => {
    const names = Array.from({ length: 53 }, (_, index) => `f${String(index).padStart(2, "0")}`);
    await Promise.all(names.toReversed().map((FunctionName) => create({ FunctionName })));
    const first = await client.send(new ListFunctionsCommand({}));
    expect(first.Functions?.map(({ FunctionName }) => FunctionName)).toEqual(names.slice(0, 50));
    expect(first.Functions?.[0]?.State).toBeUndefined();
    const second = await client.send(new ListFunctionsCommand({ Marker: first.NextMarker, MaxItems: 3 }));
    expect(second.Functions?.map(({ FunctionName }) => FunctionName)).toEqual(names.slice(50));
    expect(second.NextMarker).toBeUndefined();
    await expect(client.send(new ListFunctionsCommand({ MaxItems: 0 }))).rejects.toEqual(
      failure(
        "ValidationException",
        "1 validation error detected: Value '0' at 'maxItems' failed to satisfy constraint: Member must have value greater than or equal to 1",
      ),
    );
    const { AccountUsage, AccountLimit } = await client.send(new GetAccountSettingsCommand({}));
    expect(AccountUsage).toEqual({ FunctionCount: 53, TotalCodeSize: 53 * zip.length });
    expect(AccountLimit).toMatchObject({ ConcurrentExecutions: 1000, CodeSizeZipped: 52_428_800 });
  });

  test("tags are added, replaced, removed and bounded", async () => {
    await createSettled();
    await client.send(new TagResourceCommand({ Resource: arn, Tags: { a: "1", b: "2" } }));
    await client.send(new TagResourceCommand({ Resource: arn, Tags: { b: "3" } }));
    await client.send(new UntagResourceCommand({ Resource: arn, TagKeys: ["a", "never"] }));
    expect((await client.send(new ListTagsCommand({ Resource: arn }))).Tags).toEqual({ b: "3" });
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`t${index}`, ""]));
    await expect(client.send(new TagResourceCommand({ Resource: arn, Tags: many }))).rejects.toEqual(
      failure("InvalidParameterValueException", "Number of tags exceeds resource tag limit."),
    );
    await expect(client.send(new ListTagsCommand({ Resource: `${arn}:1` }))).rejects.toEqual(
      failure("InvalidParameterValueException", /^Tags on function aliases and versions are not supported/),
    );
    const missing = await call("DELETE", `/2017-03-31/tags/${encodeURIComponent(arn)}`);
    expect(await missing.json()).toMatchObject({
      message:
        "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member must not be null",
    });
  });
});

describe("what is refused when a function is made", () => {
  const cases: [string, Partial<CreateFunctionCommandInput>, string, string | RegExp, number?][] = [
    [
      "a bad role",
      { Role: "r1" },
      "ValidationException",
      /^1 validation error detected: Value 'r1' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:/,
    ],
    [
      "two errors at once",
      { Timeout: 901, MemorySize: 1 },
      "ValidationException",
      /^2 validation errors detected: Value '901' at 'timeout' .*; Value '1' at 'memorySize'/,
    ],
    [
      "an architecture",
      { Architectures: ["X86_64" as never] },
      "ValidationException",
      "1 validation error detected: Value '[X86_64]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]",
    ],
    [
      "two architectures",
      { Architectures: ["x86_64", "arm64"] },
      "ValidationException",
      "1 validation error detected: Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1",
    ],
    [
      "an unknown runtime",
      { Runtime: "PYTHON3.9" as never },
      "InvalidParameterValueException",
      "Value PYTHON3.9 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs22.x, nodejs24.x, provided.al2023] or be a valid ARN",
    ],
    [
      "an old runtime",
      { Runtime: "nodejs12.x" },
      "InvalidParameterValueException",
      /^The runtime parameter of nodejs12.x is no longer supported/,
    ],
    [
      "a long name",
      { FunctionName: "a".repeat(65) },
      "InvalidParameterValueException",
      `1 validation error detected: Value '${"a".repeat(65)}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64`,
    ],
    [
      "a name that is none",
      { FunctionName: "invalid:function:name" },
      "ValidationException",
      /^1 validation error detected: Value 'invalid:function:name' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern/,
    ],
    [
      "another region",
      { FunctionName: arn.replace(region, "eu-west-1") },
      "ResourceNotFoundException",
      "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
      404,
    ],
    [
      "another account",
      { FunctionName: arn.replace("000000000000", "111111111111") },
      "AccessDeniedException",
      /account/,
      403,
    ],
    [
      "a large environment",
      { Environment: { Variables: { LARGE: "x".repeat(4096) } } },
      "InvalidParameterValueException",
      /exceeded the 4KB limit. String measured: {"LARGE":"xxx/,
    ],
    [
      "a reserved variable",
      { Environment: { Variables: { AWS_REGION: "x" } } },
      "InvalidParameterValueException",
      /Reserved keys used in this request: AWS_REGION$/,
    ],
    [
      "a variable with a NUL",
      { Environment: { Variables: { FINE: "x", CUT: "a\0b" } } },
      "InvalidParameterValueException",
      /contain a NUL character: CUT$/,
    ],
    [
      "a handler with a NUL",
      { Handler: "index\0.handler" },
      "InvalidParameterValueException",
      "The handler contains a NUL character.",
    ],
    [
      "layers",
      { Layers: ["arn:aws:lambda:us-east-1:1:layer:l:1"] },
      "InvalidParameterValueException",
      "Layer version ARN does not exist.",
    ],
    [
      "no zip",
      { Code: { ZipFile: Buffer.from("x") } },
      "InvalidParameterValueException",
      "Could not unzip uploaded file. Please check your file, then try to upload again.",
    ],
    [
      "code in S3",
      { Code: { S3Bucket: "b123", S3Key: "k" } },
      "InvalidParameterValueException",
      /^Error occurred while GetObject. S3 Error Code: NoSuchBucket/,
    ],
    ["no code", { Code: {} }, "InvalidParameterValueException", "Please provide a source for function code."],
    ["images", { PackageType: "Image", Code: { ImageUri: "x" } }, "InvalidParameterValueException", /Image/],
    [
      "a dead letter queue",
      { DeadLetterConfig: { TargetArn: "arn:aws:sqs:us-east-1:000000000000:q" } },
      "InvalidParameterValueException",
      "DeadLetterConfig is not supported by this server.",
    ],
  ];
  for (const [what, input, name, message, status] of cases) {
    test(what, async () => {
      await expect(create(input)).rejects.toEqual(failure(name, message, status));
      expect((await client.send(new ListFunctionsCommand({}))).Functions).toEqual([]);
    });
  }

  test("a body that is no JSON, or of other types", async () => {
    for (const body of ["{", "[]", '{"Timeout":"3"}', '{"Environment":{"Variables":{"A":1}}}', "null"]) {
      const answer = await call("POST", "/2015-03-31/functions", body);
      expect([answer.status, answer.headers.get("x-amzn-errortype")], body).toEqual([400, "SerializationException"]);
    }
  });

  test("null members are absent ones", async () => {
    const body = {
      ...createInput,
      Code: { ZipFile: zip.toString("base64") },
      Timeout: null,
      Environment: null,
      Tags: null,
      Layers: null,
    };
    expect((await call("POST", "/2015-03-31/functions/", JSON.stringify(body))).status).toBe(201);
  });
});

describe("Invoke", () => {
  const invoke = (input: Partial<ConstructorParameters<typeof InvokeCommand>[0]> = {}) =>
    client.send(new InvokeCommand({ FunctionName: "f", ...input }));

  beforeEach(() => createSettled());

  test("every way to name a function reaches it", async () => {
    const names = ["f", "000000000000:function:f", "function:f", "us-east-1:000000000000:function:f", arn];
    for (const name of names.flatMap((name) => [name, `${name}:$LATEST`])) {
      for (const path of [invokePath(name), invokePath(encodeURIComponent(name)), `${invokePath(name)}/`]) {
        expect((await call("POST", path, "{}")).status, path).toBe(200);
      }
    }
    expect((await call("POST", `${invokePath("f")}?Qualifier=%24LATEST`)).status).toBe(200);
    expect(new Set(requests.map(({ invokedArn }) => invokedArn))).toEqual(new Set([arn, `${arn}:$LATEST`]));
  });

  test("the payload goes in and out byte for byte, with the version and the ids", async () => {
    const payload = Buffer.from('{"ünï": [1, 2 ]}');
    const answer = await call("POST", invokePath("f"), payload, { "X-Amzn-Trace-Id": "Root=1-2-3" });
    expect(Buffer.from(await answer.arrayBuffer()).equals(payload)).toBe(true);
    expect(answer.headers.get("x-amz-executed-version")).toBe("$LATEST");
    expect(answer.headers.get("x-amzn-requestid")).toBe(requests[0]?.id);
    expect(answer.headers.get("x-amzn-trace-id")).toBe("Root=1-2-3");
    expect(answer.headers.has("x-amz-function-error")).toBe(false);
    await call("POST", invokePath("f"));
    expect(requests[1]?.payload).toHaveLength(0);
    expect(requests[1]?.traceId).toMatch(/^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$/);
  });

  test("six megabytes go through, one byte more is refused without being read", { timeout: 20_000 }, async () => {
    const payload = Buffer.alloc(6_291_456, "1");
    expect((await invoke({ Payload: payload })).Payload?.length).toBe(payload.length);
    await expect(invoke({ Payload: Buffer.alloc(6_291_457, "1") })).rejects.toEqual(
      failure(
        "RequestEntityTooLargeException",
        "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
        413,
      ),
    );
    await expect(invoke({ Payload: Buffer.alloc(1_048_577, "1"), InvocationType: "Event" })).rejects.toEqual(
      failure(
        "RequestEntityTooLargeException",
        "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
        413,
      ),
    );
    expect(await sendEndless()).toMatch(/^HTTP\/1.1 413 /);
    expect(requests).toHaveLength(1);
  });

  /** Sends chunks until the server answers. @returns the answer. */
  function sendEndless(): Promise<string> {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    const chunk = Buffer.concat([Buffer.from("100000\r\n"), Buffer.alloc(0x100000, "1"), Buffer.from("\r\n")]);
    const send = () =>
      void socket.write(chunk, (error) => (error || text !== "" ? socket.destroy() : setImmediate(send)));
    let text = "";
    socket.write(`POST ${invokePath("f")} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`, send);
    socket.on("data", (data) => {
      text += data;
    });
    socket.on("error", () => {});
    return new Promise((resolve) => socket.on("close", () => resolve(text)));
  }

  test("a declared size over the limit is answered before any of it is sent", async () => {
    const { port } = new URL(url);
    const socket = connect(Number(port), "127.0.0.1");
    socket.write(
      `POST ${invokePath("f")} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000000\r\nExpect: 100-continue\r\n\r\n`,
    );
    let text = "";
    for await (const chunk of socket) {
      text += chunk;
      if (text.includes("}")) break;
    }
    expect(text).toMatch(/^HTTP\/1.1 413 /);
  });

  test("a function's failure is a 200 with X-Amz-Function-Error and Lambda's body", async () => {
    const thrown = Buffer.from('{"errorType":"Error","errorMessage":"x","trace":[]}');
    const expected = (outcome: Outcome, more: { exit?: string } = {}) => {
      answerOf = () => finished(outcome, outcome.endsWith("Error") ? thrown : Buffer.alloc(0), more);
      return call("POST", invokePath("f"), "{}").then(async (answer) => {
        expect([answer.status, answer.headers.get("x-amz-function-error")]).toEqual([200, "Unhandled"]);
        return (await answer.text()).replace(answer.headers.get("x-amzn-requestid") as string, "U");
      });
    };
    expect(await expected("functionError")).toBe(thrown.toString());
    expect(await expected("initError")).toBe(thrown.toString());
    expect(await expected("timeout")).toBe(
      '{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: U Error: Task timed out after 3.00 seconds"}',
    );
    expect(await expected("exit", { exit: "exit status 1" })).toBe(
      '{"errorType":"Runtime.ExitError","errorMessage":"RequestId: U Error: Runtime exited with error: exit status 1"}',
    );
    expect(await expected("exit")).toBe(
      '{"errorType":"Runtime.ExitError","errorMessage":"RequestId: U Error: Runtime exited without providing a reason"}',
    );
    expect(await expected("outOfMemory", { exit: "signal: killed" })).toBe(
      '{"errorType":"Runtime.OutOfMemory","errorMessage":"RequestId: U Error: Runtime exited with error: signal: killed"}',
    );
    expect(await expected("responseTooLarge")).toBe(
      '{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}',
    );
  });

  test("what is not the function's failure is an error of the API", async () => {
    answerOf = () => finished("invalidPayload", Buffer.alloc(0));
    await expect(invoke({ Payload: Buffer.from("{") })).rejects.toEqual(
      failure(
        "InvalidRequestContentException",
        /^Could not parse request body into json: Could not parse payload into json: /,
      ),
    );
    answerOf = () => finished("agentFault", Buffer.alloc(0));
    await expect(invoke()).rejects.toEqual(failure("ServiceException", /container/, 500));
    answerOf = () => ({ kind: "rejected", code: "CONCURRENCY_LIMIT" });
    await expect(invoke()).rejects.toEqual(failure("TooManyRequestsException", "Rate Exceeded.", 429));
    const throttled = await call("POST", invokePath("f"), "{}");
    expect(throttled.headers.get("retry-after")).toBe("1");
    expect(await throttled.json()).toMatchObject({ Reason: "ConcurrentInvocationLimitExceeded", Type: "User" });
    answerOf = () => ({ kind: "rejected", code: "INSTANCE_LOST" });
    await expect(invoke()).rejects.toEqual(failure("ServiceException", /lost/, 500));
  });

  test("the tail of the log comes only when asked for", async () => {
    answerOf = ({ logTail, payload }) => finished("ok", payload, logTail ? { logTail: Buffer.from("START\n") } : {});
    expect((await invoke({ LogType: "Tail" })).LogResult).toBe(Buffer.from("START\n").toString("base64"));
    expect((await invoke({ LogType: "None" })).LogResult).toBeUndefined();
  });

  test("events are accepted when they are queued, and must be JSON", async () => {
    const accepted = await invoke({ InvocationType: "Event", Payload: Buffer.from("[1]") });
    expect([accepted.StatusCode, accepted.ExecutedVersion]).toEqual([202, undefined]);
    await expect(invoke({ InvocationType: "Event", Payload: Buffer.from("{") })).rejects.toEqual(
      failure("InvalidRequestContentException", /^Could not parse request body into json/),
    );
    answerOf = () => ({ kind: "rejected", code: "QUEUE_FULL" });
    await expect(invoke({ InvocationType: "Event" })).rejects.toEqual(failure("TooManyRequestsException", /.+/, 429));
  });

  test("an event that is queued pins no more memory than it shows", async () => {
    // Chunks are joined in Node's pool of buffers, 64 KiB for a payload of 5 bytes.
    const outgoing = request(url + invokePath("f"), { method: "POST", headers: { "x-amz-invocation-type": "Event" } });
    outgoing.write("[1,");
    await vi.waitFor(() => expect(outgoing.socket?.bytesWritten).toBeGreaterThan(0));
    await new Promise((resolve) => setImmediate(resolve));
    outgoing.end("2]");
    const [answer] = await once(outgoing, "response");
    expect((answer as IncomingMessage).statusCode).toBe(202);
    answer.resume();
    expect(requests[0]?.payload.toString()).toBe("[1,2]");
    expect(requests[0]?.payload.buffer.byteLength).toBe(5);
    const traceId = `Root=${"1".repeat(507)}`;
    for (const sent of [traceId, `${traceId}1`]) {
      await call("POST", invokePath("f"), "1", { "x-amz-invocation-type": "Event", "x-amzn-trace-id": sent });
    }
    expect(requests[1]?.traceId).toBe(traceId);
    expect(requests[2]?.traceId).toMatch(/^Root=1-[0-9a-f]{8}-/);
  });

  test("a dry run runs nothing", async () => {
    expect((await invoke({ InvocationType: "DryRun" })).StatusCode).toBe(204);
    expect(requests).toEqual([]);
  });

  test("the client context arrives decoded, and must be JSON", async () => {
    const context = { custom: { a: "ü" } };
    await invoke({ ClientContext: Buffer.from(JSON.stringify(context)).toString("base64") });
    expect(JSON.parse(requests[0]?.clientContext as string)).toEqual(context);
    await expect(invoke({ ClientContext: "bm8=" })).rejects.toEqual(
      failure("InvalidParameterValueException", /Client context/),
    );
    await expect(invoke({ ClientContext: "A".repeat(3584) })).rejects.toEqual(
      failure("InvalidRequestContentException", /3583/),
    );
  });

  test("a caller that hangs up is reported, one that was answered is not", async () => {
    await invoke();
    answerOf = () => undefined;
    const abort = new AbortController();
    const hanging = fetch(url + invokePath("f"), { method: "POST", signal: abort.signal }).catch(() => {});
    await vi.waitFor(() => expect(requests).toHaveLength(2));
    abort.abort();
    await hanging;
    await vi.waitFor(() => expect(cancelled).toEqual([requests[1]?.id]));
  });

  test("what is not there is not found, in Lambda's words", async () => {
    const missing = (text: string) => failure("ResourceNotFoundException", `Function not found: ${text}`, 404);
    await expect(invoke({ FunctionName: "g" })).rejects.toEqual(missing(arn.replace(/f$/, "g")));
    await expect(invoke({ Qualifier: "7" })).rejects.toEqual(missing(`${arn}:7`));
    await expect(invoke({ FunctionName: "f:live" })).rejects.toEqual(missing(`${arn}:live`));
    await expect(invoke({ FunctionName: "f:1", Qualifier: "2" })).rejects.toEqual(
      failure(
        "InvalidParameterValueException",
        "The derived qualifier from the function name does not match the specified qualifier.",
      ),
    );
    await expect(invoke({ InvocationType: "Never" as never })).rejects.toEqual(
      failure(
        "ValidationException",
        "1 validation error detected: Value 'Never' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]",
      ),
    );
  });
});

test("an operation that Hearth lacks is unknown", async () => {
  for (const [method, path] of [
    ["GET", "/"],
    ["GET", "/2015-03-31/functions/f/aliases"],
    ["PATCH", "/2015-03-31/functions/f"],
    ["GET", "/2018-10-31/layers"],
    ["GET", "/%ff"],
    ["POST", "/2015-03-31/functions/%E0%A4%A/invocations"],
  ] as const) {
    const answer = await call(method, path);
    expect([answer.status, answer.headers.get("x-amzn-errortype")], path).toEqual([404, "UnknownOperationException"]);
  }
});
