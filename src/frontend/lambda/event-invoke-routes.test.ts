import {
  DeleteFunctionEventInvokeConfigCommand,
  GetFunctionEventInvokeConfigCommand,
  ListFunctionEventInvokeConfigsCommand,
  PutFunctionEventInvokeConfigCommand,
  type PutFunctionEventInvokeConfigCommandInput,
  UpdateFunctionEventInvokeConfigCommand,
} from "@aws-sdk/client-lambda";
import { describe, expect, test } from "vitest";
import { DEFAULT_ACCOUNT_ID } from "../../model/ids.ts";
import { call, catalog, client, create, createSettled, failure, serveLambdaRoutes } from "./lambda-routes-fixture.ts";

serveLambdaRoutes();

const SQS = "arn:aws:sqs:us-east-1:000000000000:q";
const put = (input: Partial<PutFunctionEventInvokeConfigCommandInput>) =>
  client.send(new PutFunctionEventInvokeConfigCommand({ FunctionName: "f", ...input }));
const update = (input: Partial<PutFunctionEventInvokeConfigCommandInput>) =>
  client.send(new UpdateFunctionEventInvokeConfigCommand({ FunctionName: "f", ...input }));
const get = (Qualifier?: string) =>
  client.send(new GetFunctionEventInvokeConfigCommand({ FunctionName: "f", ...(Qualifier ? { Qualifier } : {}) }));
const functionArn = (name: string) => `arn:aws:lambda:us-east-1:000000000000:function:${name}`;

test("a config is put whole, updated by members, read, and deleted", async () => {
  await createSettled();
  await create({ FunctionName: "g" });
  const destinations = { OnSuccess: { Destination: functionArn("g") }, OnFailure: { Destination: SQS } };
  const first = await put({ MaximumRetryAttempts: 1, MaximumEventAgeInSeconds: 60, DestinationConfig: destinations });
  expect(first).toMatchObject({
    $metadata: { httpStatusCode: 200 },
    FunctionArn: `${functionArn("f")}:$LATEST`,
    MaximumRetryAttempts: 1,
    MaximumEventAgeInSeconds: 60,
    DestinationConfig: destinations,
  });
  expect(Math.abs((first.LastModified?.getTime() ?? 0) - Date.now())).toBeLessThan(60_000);
  await update({ MaximumRetryAttempts: 0, DestinationConfig: { OnFailure: { Destination: "" } } });
  const kept = { OnSuccess: destinations.OnSuccess, OnFailure: {} };
  expect(await get("$LATEST")).toMatchObject({
    MaximumRetryAttempts: 0,
    MaximumEventAgeInSeconds: 60,
    DestinationConfig: kept,
  });
  const { MaximumRetryAttempts, DestinationConfig } = await put({ MaximumEventAgeInSeconds: 21_600 });
  expect([MaximumRetryAttempts, DestinationConfig]).toEqual([undefined, { OnSuccess: {}, OnFailure: {} }]);
  const deleted = await client.send(new DeleteFunctionEventInvokeConfigCommand({ FunctionName: "f" }));
  expect(deleted.$metadata.httpStatusCode).toBe(204);
  await expect(get()).rejects.toMatchObject({ name: "ResourceNotFoundException" });
});

test("versions and aliases have configs of their own, which go with them", async () => {
  await createSettled();
  await catalog.publish(DEFAULT_ACCOUNT_ID, "f", {
    revisionId: undefined,
    codeSha256: undefined,
    description: undefined,
  });
  await catalog.aliases.create(DEFAULT_ACCOUNT_ID, "f", "live", { version: "1", description: "", route: undefined });
  for (const [index, Qualifier] of ["$LATEST", "1", "live"].entries()) {
    const { FunctionArn } = await put({ Qualifier, MaximumRetryAttempts: index });
    expect(FunctionArn).toBe(`${functionArn("f")}:${Qualifier}`);
  }
  expect((await get("live")).MaximumRetryAttempts).toBe(2);
  const list = (Marker?: string) =>
    client.send(
      new ListFunctionEventInvokeConfigsCommand({ FunctionName: "f", MaxItems: 2, ...(Marker ? { Marker } : {}) }),
    );
  const first = await list();
  const second = await list(first.NextMarker);
  const arns = [first, second].map((page) => page.FunctionEventInvokeConfigs?.map(({ FunctionArn }) => FunctionArn));
  expect(arns).toEqual([[`${functionArn("f")}:$LATEST`, `${functionArn("f")}:1`], [`${functionArn("f")}:live`]]);
  expect(second.NextMarker).toBeUndefined();
  await catalog.aliases.delete(DEFAULT_ACCOUNT_ID, "f", "live");
  await expect(put({ Qualifier: "live", MaximumRetryAttempts: 1 })).rejects.toMatchObject({
    name: "ResourceNotFoundException",
  });
});

test("they are listed by function", async () => {
  await createSettled();
  const list = (FunctionName = "f") => client.send(new ListFunctionEventInvokeConfigsCommand({ FunctionName }));
  expect((await list()).FunctionEventInvokeConfigs).toEqual([]);
  await put({ MaximumRetryAttempts: 2 });
  expect((await list()).FunctionEventInvokeConfigs).toMatchObject([{ MaximumRetryAttempts: 2 }]);
  await expect(list("none")).rejects.toEqual(failure("ResourceNotFoundException", "The function does not exist.", 404));
});

describe("refusals, as Lambda words them", () => {
  const pattern =
    /^1 validation error detected: Value '.*' at 'destinationConfig\.onFailure\.destination' failed to satisfy constraint: Member must satisfy regular expression pattern: \$\|kafka:\/\/\(/;
  const to = (Destination: string) => ({ DestinationConfig: { OnFailure: { Destination } } });
  const parameter = "InvalidParameterValueException";
  const missing = "ResourceNotFoundException";

  test.for<[Partial<PutFunctionEventInvokeConfigCommandInput>, string, string | RegExp, number?]>([
    [{}, parameter, "You must specify at least one of error handling or destination setting."],
    [to(functionArn("f")), parameter, "You can't specify the function as a destination for itself."],
    [to(functionArn("doesnotexist")), parameter, `The destination ARN ${functionArn("doesnotexist")} is invalid.`],
    [
      { DestinationConfig: { OnSuccess: { Destination: "arn:aws:iam:us-east-1:000000000000:function:f" } } },
      parameter,
      "The provided destination config DestinationConfig(onSuccess=OnSuccess(destination=arn:aws:iam:us-east-1:000000000000:function:f), onFailure=null) is invalid.",
    ],
    [
      { DestinationConfig: { OnSuccess: { Destination: "arn:aws:s3:::bucket" }, OnFailure: { Destination: SQS } } },
      parameter,
      `The provided destination config DestinationConfig(onSuccess=OnSuccess(destination=arn:aws:s3:::bucket), onFailure=OnFailure(destination=${SQS})) is invalid.`,
    ],
    [to("arn:aws:_-/!lambda:us-east-1:000000000000:function:f"), "ValidationException", pattern],
    [to("ftp://a.example/"), "ValidationException", pattern],
    [to("http://user:secret@a.example/"), "ValidationException", pattern],
    [
      { MaximumRetryAttempts: 3 },
      "ValidationException",
      "1 validation error detected: Value '3' at 'maximumRetryAttempts' failed to satisfy constraint: Member must have value less than or equal to 2",
    ],
    [
      { MaximumEventAgeInSeconds: 59, MaximumRetryAttempts: -1 },
      "ValidationException",
      "2 validation errors detected: Value '-1' at 'maximumRetryAttempts' failed to satisfy constraint: Member must have value greater than or equal to 0; Value '59' at 'maximumEventAgeInSeconds' failed to satisfy constraint: Member must have value greater than or equal to 60",
    ],
    [{ FunctionName: "none", MaximumRetryAttempts: 1 }, missing, "The function doesn't exist.", 404],
    [{ Qualifier: "nowhere", MaximumRetryAttempts: 1 }, missing, "The function doesn't exist.", 404],
  ])("%j", async ([input, type, message, status]) => {
    await createSettled();
    await expect(put(input)).rejects.toEqual(failure(type, message, status));
    await expect(update(input)).rejects.toEqual(failure(type, message, status));
  });

  test.for([
    ["f", undefined, "$LATEST"],
    ["f", "1221", "1221"],
    ["f", "doesnotexist", "doesnotexist"],
    ["none", undefined, "$LATEST"],
  ] as const)("%s %s has none", async ([FunctionName, Qualifier, shown]) => {
    await createSettled();
    const which = { FunctionName, ...(Qualifier === undefined ? {} : { Qualifier }) };
    const error = failure(
      missing,
      `The function ${functionArn(FunctionName)}:${shown} doesn't have an EventInvokeConfig`,
      404,
    );
    await expect(client.send(new GetFunctionEventInvokeConfigCommand(which))).rejects.toEqual(error);
    await expect(client.send(new DeleteFunctionEventInvokeConfigCommand(which))).rejects.toEqual(error);
    if (FunctionName === "none" || Qualifier !== undefined) return;
    const change = { ...which, MaximumRetryAttempts: 1 };
    await expect(client.send(new UpdateFunctionEventInvokeConfigCommand(change))).rejects.toEqual(error);
  });
});

test("a URL is a destination too", async () => {
  await createSettled();
  const Destination = "https://hooks.example/in?for=f";
  const { DestinationConfig } = await put({ DestinationConfig: { OnSuccess: { Destination } } });
  expect(DestinationConfig).toEqual({ OnSuccess: { Destination }, OnFailure: {} });
});

test("a body that is no JSON is refused", async () => {
  await createSettled();
  const { status } = await call("PUT", "/2019-09-25/functions/f/event-invoke-config", "{");
  expect(status).toBe(400);
});
