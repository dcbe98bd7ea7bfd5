import {
  type CreateFunctionCommandInput,
  DeleteFunctionCommand,
  GetAccountSettingsCommand,
  GetFunctionCommand,
  GetFunctionConfigurationCommand,
  ListFunctionsCommand,
  ListTagsCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateFunctionCodeCommand,
  UpdateFunctionConfigurationCommand,
  waitUntilFunctionActiveV2,
} from "@aws-sdk/client-lambda";
import { describe, expect, test, vi } from "vitest";
import {
  arn,
  buckets,
  call,
  catalog,
  client,
  create,
  createInput,
  createSettled,
  failure,
  otherZip,
  region,
  role,
  serveLambdaRoutes,
  settled,
  zip,
} from "./lambda-routes-fixture.ts";

serveLambdaRoutes();

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
    // The time stands still, so that the update is in progress however slow the machine is.
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
    const updated = await client.send(
      new UpdateFunctionCodeCommand({ FunctionName: "f", ZipFile: otherZip, Publish: true }),
    );
    expect(updated).toMatchObject({ State: "Pending", Version: "1" });
    await expect(
      client.send(new UpdateFunctionConfigurationCommand({ FunctionName: "f", Timeout: 7 })),
    ).rejects.toEqual(
      failure(
        "ResourceConflictException",
        `The operation cannot be performed at this time. An update is in progress for resource: ${arn}`,
        409,
      ),
    );
    vi.useRealTimers();
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

  test("settings beside the code are echoed as they were given, and taken away", async () => {
    const queue = "arn:aws:sqs:us-east-1:000000000000:q";
    const created = await create({
      Runtime: "provided.al2",
      DeadLetterConfig: { TargetArn: queue },
      KMSKeyArn: "arn:aws:kms:us-east-1:000000000000:key/k",
      VpcConfig: { SubnetIds: [], SecurityGroupIds: [] },
      LoggingConfig: { LogFormat: "JSON", ApplicationLogLevel: "ERROR" },
    });
    expect(created).toMatchObject({
      Runtime: "provided.al2",
      DeadLetterConfig: { TargetArn: queue },
      KMSKeyArn: "arn:aws:kms:us-east-1:000000000000:key/k",
      VpcConfig: { SubnetIds: [], SecurityGroupIds: [], VpcId: "", Ipv6AllowedForDualStack: false },
      LoggingConfig: {
        LogFormat: "JSON",
        ApplicationLogLevel: "ERROR",
        SystemLogLevel: "INFO",
        LogGroup: "/aws/lambda/f",
      },
    });
    const version = catalog.resolve("000000000000" as never, "f", undefined);
    expect(version).toMatchObject({ runtime: "provided.al2023", logFormat: "JSON", applicationLogLevel: "ERROR" });
    await settled();
    const update = {
      LoggingConfig: { SystemLogLevel: "DEBUG" },
      DeadLetterConfig: { TargetArn: "" },
      KMSKeyArn: "",
    } as const;
    const updated = await client.send(new UpdateFunctionConfigurationCommand({ FunctionName: "f", ...update }));
    expect(updated.LoggingConfig).toMatchObject({ ApplicationLogLevel: "ERROR", SystemLogLevel: "DEBUG" });
    expect([updated.DeadLetterConfig, updated.KMSKeyArn]).toEqual([undefined, undefined]);
    await settled();
    const text = await client.send(
      new UpdateFunctionConfigurationCommand({ FunctionName: "f", LoggingConfig: { LogFormat: "Text" } }),
    );
    expect(text.LoggingConfig).toEqual({ LogFormat: "Text", LogGroup: "/aws/lambda/f" });
  });

  test("its code may come from a bucket", async () => {
    buckets.set("bucket", new Map([["path/to/code.zip", otherZip]]));
    const created = await create({ Code: { S3Bucket: "bucket", S3Key: "path/to/code.zip" } });
    expect(created.CodeSize).toBe(otherZip.length);
    await settled();
    buckets.set("bucket", new Map([["new", zip]]));
    const updated = await client.send(
      new UpdateFunctionCodeCommand({ FunctionName: "f", S3Bucket: "bucket", S3Key: "new" }),
    );
    expect(updated.CodeSize).toBe(zip.length);
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
    const { FunctionName } = createInput;
    await client.send(new TagResourceCommand({ Resource: arn, Tags: { a: "1", b: "2" } }));
    const { RevisionId } = await client.send(new GetFunctionConfigurationCommand({ FunctionName }));
    await client.send(new TagResourceCommand({ Resource: arn, Tags: { b: "3" } }));
    // As on Lambda, tags make a revision.
    await expect(
      client.send(new UpdateFunctionConfigurationCommand({ FunctionName, Timeout: 4, RevisionId })),
    ).rejects.toMatchObject({ name: "PreconditionFailedException" });
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
    ...[
      { TenancyConfig: { TenantIsolationMode: "PER_TENANT" } as const },
      { DurableConfig: { ExecutionTimeout: 60, RetentionPeriodInDays: 1 } },
    ].map((input): [string, Partial<CreateFunctionCommandInput>, string, string] => {
      const [member] = Object.keys(input);
      return [`${member}`, input, "InvalidParameterValueException", `${member} is not supported by this server.`];
    }),
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
      /^Value PYTHON3.9 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: \[nodejs20.x, .*\] or be a valid ARN$/,
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
      { Layers: ["arn:aws:lambda:us-east-1:000000000000:layer:l:1"] },
      "InvalidParameterValueException",
      "Layer version arn:aws:lambda:us-east-1:000000000000:layer:l:1 does not exist.",
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
      "a dead letter target that is no queue",
      { DeadLetterConfig: { TargetArn: "arn:aws:s3:::bucket" } },
      "InvalidParameterValueException",
      /neither an SQS queue nor an SNS topic/,
    ],
    [
      "a runtime that cannot run here",
      { Runtime: "java21" },
      "InvalidParameterValueException",
      /^The runtime java21 is one of AWS Lambda's, and this server cannot run it. It runs: nodejs22.x, nodejs24.x, provided.al2, provided.al2023, python3.11.*\.$/,
    ],
    [
      "log levels without the format",
      { LoggingConfig: { SystemLogLevel: "WARN" } },
      "InvalidParameterValueException",
      /LogFormat JSON only/,
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

test("the requested size is stated as on Lambda; a header tells the effective one", async () => {
  await createSettled({ MemorySize: 512 });
  for (const path of ["/2015-03-31/functions/f", "/2015-03-31/functions/f/configuration"]) {
    const answer = await call("GET", path);
    const body = (await answer.json()) as { MemorySize?: number; Configuration?: { MemorySize: number } };
    expect([
      body.MemorySize ?? body.Configuration?.MemorySize,
      answer.headers.get("x-hearth-effective-memory"),
    ]).toEqual([512, "256"]);
  }
});
