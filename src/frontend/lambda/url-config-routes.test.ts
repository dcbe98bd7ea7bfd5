import {
  CreateFunctionUrlConfigCommand,
  DeleteFunctionUrlConfigCommand,
  GetFunctionUrlConfigCommand,
  ListFunctionUrlConfigsCommand,
  paginateListFunctionUrlConfigs,
  UpdateFunctionUrlConfigCommand,
} from "@aws-sdk/client-lambda";
import { expect, test } from "vitest";
import type { AccountId } from "../../model/ids.ts";
import { arn, call, catalog, client, createSettled, failure, serveLambdaRoutes, url } from "./lambda-routes-fixture.ts";

serveLambdaRoutes();

const key = { FunctionName: "f" };
const create = (input: object = {}) =>
  client.send(new CreateFunctionUrlConfigCommand({ ...key, AuthType: "NONE", ...input }));
const get = (input: object = {}) => client.send(new GetFunctionUrlConfigCommand({ ...key, ...input }));
const gone = failure("ResourceNotFoundException", "The resource you requested does not exist.", 404);

test("a URL is made, shown, changed, listed and taken away; another one has another name", async () => {
  await createSettled({ Publish: true });
  const Cors = { AllowOrigins: ["*"], MaxAge: 10 };
  const made = await create({ Cors });
  const { port } = new URL(url);
  expect(made).toMatchObject({
    FunctionUrl: expect.stringMatching(
      new RegExp(`^http://[a-z0-9]{32}\\.lambda-url\\.us-east-1\\.localhost:${port}/$`),
    ),
    FunctionArn: arn,
    AuthType: "NONE",
    Cors,
    CreationTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    InvokeMode: "BUFFERED",
  });
  const { $metadata: _, ...shown } = made;
  expect(await get()).toMatchObject({ ...shown, LastModifiedTime: made.CreationTime });
  const change = { ...key, AuthType: "AWS_IAM", InvokeMode: "RESPONSE_STREAM", Cors: {} } as const;
  const changed = await client.send(new UpdateFunctionUrlConfigCommand(change));
  expect(changed).toMatchObject({ AuthType: "AWS_IAM", InvokeMode: "RESPONSE_STREAM", FunctionUrl: made.FunctionUrl });
  expect(changed.Cors).toBeUndefined();
  const account = "000000000000" as AccountId;
  for (const alias of ["b", "a"]) {
    await catalog.aliases.create(account, "f", alias, { version: "1", description: "", route: undefined });
    expect((await create({ Qualifier: alias })).FunctionArn).toBe(`${arn}:${alias}`);
  }
  const list = async (more: object) => {
    const page = await client.send(new ListFunctionUrlConfigsCommand({ ...key, ...more }));
    return { arns: page.FunctionUrlConfigs?.map(({ FunctionArn }) => FunctionArn), next: page.NextMarker };
  };
  const first = await list({ MaxItems: 2 });
  expect(first.arns).toEqual([arn, `${arn}:a`]);
  expect(await list({ Marker: first.next })).toEqual({ arns: [`${arn}:b`], next: undefined });
  const pages: unknown[] = [];
  for await (const page of paginateListFunctionUrlConfigs({ client, pageSize: 1 }, key)) pages.push(page);
  expect(pages).toHaveLength(3);
  await client.send(new DeleteFunctionUrlConfigCommand(key));
  await expect(get()).rejects.toEqual(gone);
  expect((await get({ Qualifier: "a" })).FunctionArn).toBe(`${arn}:a`);
  expect((await create()).FunctionUrl).not.toBe(made.FunctionUrl);
});

const path = "/2021-10-31/functions/f/url";
const missing = "/2021-10-31/functions/doesnotexist/url";
const body = { AuthType: "NONE" };
const pattern = "((?!^\\d+$)^[0-9a-zA-Z-_]+$)";
const notAlias = (qualifier: string) =>
  `1 validation error detected: Value '${qualifier}' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: ${pattern}`;

/** What was recorded of AWS: request, status, type, text. */
test.each([
  [
    "POST",
    path,
    body,
    409,
    "ResourceConflictException",
    `Failed to create function url config for [functionArn = ${arn}]. Error message:  FunctionUrlConfig exists for this Lambda function`,
  ],
  ["POST", missing, body, 404, "ResourceNotFoundException", "Function does not exist"],
  ["POST", `${path}?Qualifier=noalias`, body, 404, "ResourceNotFoundException", "Function does not exist"],
  ["POST", `${path}?Qualifier=$LATEST`, body, 400, "ValidationException", notAlias("$LATEST")],
  ["POST", `${path}?Qualifier=1`, body, 400, "ValidationException", notAlias("1")],
  ["GET", `${path}?Qualifier=2`, undefined, 400, "ValidationException", notAlias("2")],
  ["DELETE", `${path}?Qualifier=$LATEST`, undefined, 400, "ValidationException", notAlias("$LATEST")],
  [
    "POST",
    path,
    { ...body, InvokeMode: "UNKNOWN" },
    400,
    "ValidationException",
    "1 validation error detected: Value 'UNKNOWN' at 'invokeMode' failed to satisfy constraint: Member must satisfy enum value set: [RESPONSE_STREAM, BUFFERED]",
  ],
  ["GET", missing, undefined, 404, "ResourceNotFoundException", "The resource you requested does not exist."],
  ["DELETE", missing, undefined, 404, "ResourceNotFoundException", "The resource you requested does not exist."],
  [
    "GET",
    `${path}?Qualifier=noalias`,
    undefined,
    404,
    "ResourceNotFoundException",
    "The resource you requested does not exist.",
  ],
  ["PUT", missing, body, 404, "ResourceNotFoundException", "Function does not exist"],
  ["PUT", `${path}?Qualifier=noalias`, body, 404, "ResourceNotFoundException", "Function does not exist"],
  ["GET", `${missing}s`, undefined, 404, "ResourceNotFoundException", "Function does not exist"],
])("%s %s %j answers %i %s", async (method, where, sent, status, type, message) => {
  await createSettled({ Publish: true });
  await create();
  const answer = await call(method, where, sent === undefined ? undefined : JSON.stringify(sent));
  expect([answer.status, answer.headers.get("x-amzn-errortype")]).toEqual([status, type]);
  expect(((await answer.json()) as { message: string }).message).toBe(message);
});

test("what would not be a header is no setting", async () => {
  await createSettled();
  for (const Cors of [{ AllowOrigins: ["a\r\nb"] }, { MaxAge: 86_401 }, { AllowMethods: Array(7).fill("GET") }]) {
    await expect(create({ Cors })).rejects.toEqual(failure("ValidationException", /at 'cors\./));
  }
});
