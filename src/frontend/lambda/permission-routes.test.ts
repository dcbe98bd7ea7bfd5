import {
  AddPermissionCommand,
  type AddPermissionCommandInput,
  DeleteFunctionCommand,
  GetFunctionConfigurationCommand,
  GetPolicyCommand,
  InvokeCommand,
  LambdaClient,
  RemovePermissionCommand,
} from "@aws-sdk/client-lambda";
import { describe, expect, test } from "vitest";
import type { AccountId } from "../../model/ids.ts";
import {
  accessKeys,
  arn,
  call,
  catalog,
  client,
  createSettled,
  failure,
  region,
  requests,
  serveLambdaRoutes,
  url,
} from "./lambda-routes-fixture.ts";

serveLambdaRoutes();

const account = "000000000000" as AccountId;
const statement = { StatementId: "s1", Action: "lambda:InvokeFunction", Principal: "s3.amazonaws.com" };
const add = async (input: Partial<AddPermissionCommandInput> = {}) => {
  const answer = await client.send(new AddPermissionCommand({ FunctionName: "f", ...statement, ...input }));
  return JSON.parse(answer.Statement ?? "");
};
const makeAlias = (name: string) =>
  catalog.aliases.create(account, "f", name, { version: "1", description: "", route: undefined });
const policy = async (Qualifier?: string) => {
  const { Policy, RevisionId } = await client.send(new GetPolicyCommand({ FunctionName: "f", Qualifier }));
  return { ...JSON.parse(Policy ?? ""), RevisionId };
};
const shown = (more: object = {}) => ({
  Sid: "s1",
  Effect: "Allow",
  Principal: { Service: "s3.amazonaws.com" },
  Action: "lambda:InvokeFunction",
  Resource: arn,
  ...more,
});

test.each<[Partial<AddPermissionCommandInput>, object]>([
  [{}, {}],
  [{ Principal: "*" }, { Principal: "*" }],
  [{ Principal: "111111111111" }, { Principal: { AWS: "arn:aws:iam::111111111111:root" } }],
  [{ Principal: "arn:aws:iam::111111111111:role/r" }, { Principal: { AWS: "arn:aws:iam::111111111111:role/r" } }],
  [{ SourceArn: "arn:aws:s3:::b" }, { Condition: { ArnLike: { "AWS:SourceArn": "arn:aws:s3:::b" } } }],
  [
    { SourceAccount: "111111111111", SourceArn: "arn:aws:s3:::b" },
    {
      Condition: {
        StringEquals: { "AWS:SourceAccount": "111111111111" },
        ArnLike: { "AWS:SourceArn": "arn:aws:s3:::b" },
      },
    },
  ],
  [{ PrincipalOrgID: "o-0123456789" }, { Condition: { StringEquals: { "aws:PrincipalOrgID": "o-0123456789" } } }],
  [{ EventSourceToken: "t" }, { Condition: { StringEquals: { "lambda:EventSourceToken": "t" } } }],
  [
    { Action: "lambda:InvokeFunctionUrl", Principal: "*", FunctionUrlAuthType: "NONE" },
    {
      Action: "lambda:InvokeFunctionUrl",
      Principal: "*",
      Condition: { StringEquals: { "lambda:FunctionUrlAuthType": "NONE" } },
    },
  ],
  [
    { Principal: "*", InvokedViaFunctionUrl: true },
    { Principal: "*", Condition: { Bool: { "lambda:InvokedViaFunctionUrl": "true" } } },
  ],
])("a statement of %j", async (input, expected) => {
  await createSettled();
  expect(await add(input)).toEqual(shown(expected));
  expect(await policy()).toMatchObject({ Version: "2012-10-17", Id: "default", Statement: [shown(expected)] });
});

test("functions, versions and aliases have policies of their own, which go with them", async () => {
  await createSettled({ Publish: true });
  await makeAlias("live");
  await add();
  expect(await add({ Qualifier: "1" })).toEqual(shown({ Resource: `${arn}:1` }));
  expect(await add({ FunctionName: `${arn}:live` })).toEqual(shown({ Resource: `${arn}:live` }));
  expect((await policy("live")).Statement).toEqual([shown({ Resource: `${arn}:live` })]);
  await catalog.aliases.delete(account, "f", "live");
  await makeAlias("live");
  const gone = failure("ResourceNotFoundException", "The resource you requested does not exist.", 404);
  await expect(policy("live")).rejects.toEqual(gone);
  await client.send(new DeleteFunctionCommand({ FunctionName: "f" }));
  await createSettled({ Publish: true });
  for (const qualifier of [undefined, "1"]) await expect(policy(qualifier)).rejects.toEqual(gone);
});

test("a policy's revision is its function's or alias's, and changes with it", async () => {
  await createSettled({ Publish: true });
  await makeAlias("live");
  const functionRevision = async () =>
    (await client.send(new GetFunctionConfigurationCommand({ FunctionName: "f" }))).RevisionId;
  const before = await functionRevision();
  await add({ RevisionId: before });
  const { RevisionId } = await policy();
  expect(RevisionId).toBe(await functionRevision());
  expect(RevisionId).not.toBe(before);
  const mismatch = failure(
    "PreconditionFailedException",
    "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id",
    412,
  );
  await expect(add({ StatementId: "s2", RevisionId: before })).rejects.toEqual(mismatch);
  const remove = (revision: string | undefined) =>
    client.send(new RemovePermissionCommand({ FunctionName: "f", StatementId: "s1", RevisionId: revision }));
  await expect(remove(before)).rejects.toEqual(mismatch);
  await remove(RevisionId);
  const alias = catalog.aliases.get(account, "f", "live");
  await add({ Qualifier: "live", RevisionId: alias?.revisionId });
  expect((await policy("live")).RevisionId).toBe(catalog.aliases.get(account, "f", "live")?.revisionId);
  expect((await policy("live")).RevisionId).not.toBe(alias?.revisionId);
});

test("a policy has a largest size", async () => {
  await createSettled();
  const sourceArn = `arn:aws:s3:::${"b".repeat(2000)}`;
  for (let number = 0; number < 9; number++) await add({ StatementId: `s${number}`, SourceArn: sourceArn });
  await expect(add({ StatementId: "last", SourceArn: sourceArn })).rejects.toEqual(
    failure(
      "PolicyLengthExceededException",
      /^The final policy size \(2[12]\d{3}\) is bigger than the limit \(20480\)\.$/,
    ),
  );
});

const path = "/2015-03-31/functions/f/policy";
const missing = `arn:aws:lambda:us-east-1:000000000000:function:doesnotexist`;

/** What was recorded of AWS: request, status, type, text. */
test.each([
  [
    "POST",
    path,
    { ...statement, Principal: "invalid.nonaws.com" },
    400,
    "InvalidParameterValueException",
    "The provided principal was invalid. Please check the principal and try again.",
  ],
  [
    "POST",
    path,
    { ...statement, Action: "lambda:InvokeFunction", FunctionUrlAuthType: "NONE" },
    400,
    "InvalidParameterValueException",
    "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action",
  ],
  [
    "POST",
    path,
    { ...statement, StatementId: "example.com" },
    400,
    "ValidationException",
    "1 validation error detected: Value 'example.com' at 'statementId' failed to satisfy constraint: Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)",
  ],
  [
    "POST",
    path,
    statement,
    409,
    "ResourceConflictException",
    "The statement id (s1) provided already exists. Please provide a new statement id, or remove the existing statement.",
  ],
  [
    "POST",
    `${path}?Qualifier=$LATEST`,
    statement,
    400,
    "InvalidParameterValueException",
    "We currently do not support adding policies for $LATEST.",
  ],
  [
    "POST",
    `${path}?Qualifier=invalid-qualifier-with-%3F-char`,
    statement,
    400,
    "ValidationException",
    "1 validation error detected: Value 'invalid-qualifier-with-?-char' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: \\$(LATEST(\\.PUBLISHED)?)|[a-zA-Z0-9-_$]+",
  ],
  ["POST", `${path}?Qualifier=42`, statement, 404, "ResourceNotFoundException", `Function not found: ${arn}:42`],
  [
    "POST",
    `${path}?Qualifier=alias-doesnotexist`,
    statement,
    404,
    "ResourceNotFoundException",
    `Cannot find alias arn: ${arn}:alias-doesnotexist`,
  ],
  [
    "POST",
    "/2015-03-31/functions/doesnotexist/policy",
    statement,
    404,
    "ResourceNotFoundException",
    `Function not found: ${missing}`,
  ],
  [
    "GET",
    "/2015-03-31/functions/doesnotexist/policy",
    undefined,
    404,
    "ResourceNotFoundException",
    "The resource you requested does not exist.",
  ],
  [
    "DELETE",
    "/2015-03-31/functions/doesnotexist/policy/s1",
    undefined,
    404,
    "ResourceNotFoundException",
    `No policy found for: ${missing}`,
  ],
  [
    "DELETE",
    `${path}/doesnotexist`,
    undefined,
    404,
    "ResourceNotFoundException",
    "Statement doesnotexist is not found in resource policy.",
  ],
  [
    "DELETE",
    `${path}/s1?Qualifier=1`,
    undefined,
    404,
    "ResourceNotFoundException",
    "No policy is associated with the given resource.",
  ],
])("%s %s %j answers %i %s", async (method, where, body, status, type, message) => {
  await createSettled({ Publish: true });
  await call("POST", path, JSON.stringify(statement));
  const answer = await call(method, where, body === undefined ? undefined : JSON.stringify(body));
  expect([answer.status, answer.headers.get("x-amzn-errortype")]).toEqual([status, type]);
  expect(((await answer.json()) as { message: string }).message).toBe(message);
});

describe("another account", () => {
  const other = "111111111111" as AccountId;
  const invoke = async (functionName: string) => {
    const { accessKeyId, secretAccessKey } = await accessKeys.create(other);
    const stranger = new LambdaClient({
      endpoint: url,
      region,
      credentials: { accessKeyId, secretAccessKey },
      maxAttempts: 1,
    });
    try {
      return await stranger.send(new InvokeCommand({ FunctionName: functionName, Payload: "{}" }));
    } finally {
      stranger.destroy();
    }
  };
  const denied = (resource: string) =>
    failure(
      "AccessDeniedException",
      `User: arn:aws:iam::${other}:root is not authorized to perform: lambda:InvokeFunction on resource: ${resource} because no resource-based policy allows the lambda:InvokeFunction action`,
      403,
    );

  test("may not invoke what no statement allows, also where nothing is", async () => {
    await createSettled();
    await add();
    await add({ StatementId: "other", Principal: "222222222222" });
    await add({ StatementId: "read", Principal: other, Action: "lambda:GetFunction" });
    await add({ StatementId: "organization", Principal: "*", PrincipalOrgID: "o-0123456789" });
    await add({ StatementId: "url", Principal: "*", InvokedViaFunctionUrl: true });
    for (const name of [arn, `${account}:function:f`]) await expect(invoke(name)).rejects.toEqual(denied(arn));
    await expect(invoke(`${arn}:$LATEST`)).rejects.toEqual(denied(`${arn}:$LATEST`));
    await expect(invoke(missing)).rejects.toEqual(denied(missing));
    expect(requests).toEqual([]);
  });

  test("may invoke what a statement allows it, and only that", async () => {
    await createSettled({ Publish: true });
    await makeAlias("live");
    await add({ Principal: other, Qualifier: "live" });
    expect(await invoke(`${arn}:live`)).toMatchObject({ StatusCode: 200, ExecutedVersion: "1" });
    await expect(invoke(arn)).rejects.toEqual(denied(arn));
    await expect(invoke(`${arn}:1`)).rejects.toEqual(denied(`${arn}:1`));
    await add({ Principal: other });
    expect(await invoke(arn)).toMatchObject({ StatusCode: 200, ExecutedVersion: "$LATEST" });
    expect(requests.map(({ version, invokedArn }) => [version.accountId, invokedArn])).toEqual([
      [account, `${arn}:live`],
      [account, arn],
    ]);
    await client.send(new RemovePermissionCommand({ FunctionName: "f", StatementId: "s1" }));
    await expect(invoke(arn)).rejects.toEqual(denied(arn));
  });
});
