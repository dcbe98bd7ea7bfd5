import {
  AddLayerVersionPermissionCommand,
  DeleteLayerVersionCommand,
  GetLayerVersionByArnCommand,
  GetLayerVersionCommand,
  GetLayerVersionPolicyCommand,
  ListLayersCommand,
  ListLayerVersionsCommand,
  PublishLayerVersionCommand,
  type PublishLayerVersionCommandInput,
  RemoveLayerVersionPermissionCommand,
} from "@aws-sdk/client-lambda";
import { expect, test } from "vitest";
import { zipOfEntries } from "../../ports/contract/zip-fixture.ts";
import { call, client, failure, serveLambdaRoutes, url } from "./lambda-routes-fixture.ts";

serveLambdaRoutes();

const LAYER = "arn:aws:lambda:us-east-1:000000000000:layer:l";
const zip = (text: string) => zipOfEntries([{ name: "nodejs/node_modules/m/index.js", data: text }]);
const publish = (input: Partial<PublishLayerVersionCommandInput> = {}) =>
  client.send(new PublishLayerVersionCommand({ LayerName: "l", Content: { ZipFile: zip("1") }, ...input }));

test("versions are published, shown, listed from the newest on and deleted; no number comes twice", async () => {
  const first = await publish({ Description: "one", CompatibleRuntimes: ["nodejs24.x"], LicenseInfo: "MIT" });
  expect(first).toMatchObject({
    Content: { CodeSize: zip("1").length, CodeSha256: expect.any(String), Location: expect.stringContaining(url) },
    LayerArn: LAYER,
    LayerVersionArn: `${LAYER}:1`,
    Version: 1,
    Description: "one",
    LicenseInfo: "MIT",
    CompatibleRuntimes: ["nodejs24.x"],
    CreatedDate: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$/),
  });
  expect(first.CompatibleArchitectures).toBeUndefined();
  expect(await (await fetch(first.Content?.Location ?? "")).bytes()).toEqual(new Uint8Array(zip("1")));
  await publish({ CompatibleArchitectures: ["arm64"] });
  const { $metadata: _, ...published } = first;
  const got = await client.send(new GetLayerVersionCommand({ LayerName: LAYER, VersionNumber: 1 }));
  expect(got).toMatchObject({ ...published, Content: { ...published.Content, Location: expect.any(String) } });
  const byArn = await client.send(new GetLayerVersionByArnCommand({ Arn: `${LAYER}:2` }));
  expect(byArn).toMatchObject({ Version: 2, Description: "", CompatibleArchitectures: ["arm64"] });

  const versions = async (input = {}) =>
    (await client.send(new ListLayerVersionsCommand({ LayerName: "l", ...input }))).LayerVersions?.map(
      (v) => v.Version,
    );
  expect(await versions()).toEqual([2, 1]);
  expect(await versions({ CompatibleRuntime: "nodejs24.x" })).toEqual([1]);
  expect(await versions({ CompatibleArchitecture: "arm64" })).toEqual([2]);
  expect(await versions({ LayerName: "none" })).toEqual([]);
  await client.send(new DeleteLayerVersionCommand({ LayerName: "l", VersionNumber: 2 }));
  await client.send(new DeleteLayerVersionCommand({ LayerName: "l", VersionNumber: 2 }));
  expect(await versions()).toEqual([1]);
  expect((await publish()).Version).toBe(3);
});

test("lists come in pages", async () => {
  for (const LayerName of ["b", "a", "c"]) await publish({ LayerName });
  await publish({ LayerName: "b" });
  const one = await client.send(new ListLayersCommand({ MaxItems: 2 }));
  expect(one.Layers?.map((layer) => [layer.LayerName, layer.LatestMatchingVersion?.Version])).toEqual([
    ["a", 1],
    ["b", 2],
  ]);
  const two = await client.send(new ListLayersCommand({ MaxItems: 2, Marker: one.NextMarker }));
  expect(two.Layers?.map((layer) => layer.LayerName)).toEqual(["c"]);
  expect(two.NextMarker).toBeUndefined();
  const newest = await client.send(new ListLayerVersionsCommand({ LayerName: "b", MaxItems: 1 }));
  const rest = await client.send(new ListLayerVersionsCommand({ LayerName: "b", Marker: newest.NextMarker }));
  expect([...(newest.LayerVersions ?? []), ...(rest.LayerVersions ?? [])].map((v) => v.Version)).toEqual([2, 1]);
});

test("a version's policy is a list of statements with a revision", async () => {
  await publish();
  const key = { LayerName: "l", VersionNumber: 1 };
  const add = (input: object) =>
    client.send(
      new AddLayerVersionPermissionCommand({
        ...key,
        StatementId: "s1",
        Action: "lambda:GetLayerVersion",
        Principal: "*",
        ...input,
      }),
    );
  const first = await add({});
  const everyone = {
    Sid: "s1",
    Effect: "Allow",
    Principal: "*",
    Action: "lambda:GetLayerVersion",
    Resource: `${LAYER}:1`,
  };
  expect(JSON.parse(first.Statement ?? "")).toEqual(everyone);
  const second = await add({ StatementId: "s2", Principal: "111111111111", RevisionId: first.RevisionId });
  const account = { ...everyone, Sid: "s2", Principal: { AWS: "arn:aws:iam::111111111111:root" } };
  expect(JSON.parse(second.Statement ?? "")).toEqual(account);
  const third = await add({ StatementId: "s3", OrganizationId: "o-0123456789" });
  expect(JSON.parse(third.Statement ?? "").Condition).toEqual({
    StringEquals: { "aws:PrincipalOrgID": "o-0123456789" },
  });
  await client.send(new RemoveLayerVersionPermissionCommand({ ...key, StatementId: "s3" }));
  const { Policy, RevisionId } = await client.send(new GetLayerVersionPolicyCommand(key));
  expect(JSON.parse(Policy ?? "")).toEqual({ Version: "2012-10-17", Id: "default", Statement: [everyone, account] });
  expect(RevisionId).not.toBe(third.RevisionId);
  const remove = (StatementId: string, more = {}) =>
    client.send(new RemoveLayerVersionPermissionCommand({ ...key, StatementId, ...more }));
  await remove("s1", { RevisionId });
  await remove("s2");
  await expect(client.send(new GetLayerVersionPolicyCommand(key))).rejects.toEqual(
    failure("ResourceNotFoundException", "No policy is associated with the given resource.", 404),
  );
});

const RUNTIME_SET =
  "[nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, dotnet6, nodejs18.x, provided.al2, java8.al2]";
const GONE = "The resource you requested does not exist.";
const VERSION_ARN_PATTERN =
  "(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)";
const versions = "/2018-10-31/layers/l/versions";
const statement = { StatementId: "s1", Action: "lambda:GetLayerVersion", Principal: "*" };
const detected = (constraint: string) => `1 validation error detected: ${constraint}`;

/** What was recorded of AWS: request, status, type, text. */
test.each([
  ["GET", `${versions}/0`, undefined, 400, "InvalidParameterValueException", "Layer Version Cannot be less than 1"],
  ["GET", `${versions}/-1`, undefined, 400, "InvalidParameterValueException", "Layer Version Cannot be less than 1"],
  ["DELETE", `${versions}/0`, undefined, 400, "InvalidParameterValueException", "Layer Version Cannot be less than 1"],
  ["GET", `${versions}/2`, undefined, 404, "ResourceNotFoundException", GONE],
  ["GET", "/2018-10-31/layers/none/versions/1", undefined, 404, "ResourceNotFoundException", GONE],
  [
    "GET",
    `/2018-10-31/layers?find=LayerVersion&Arn=${encodeURIComponent(`${LAYER}:9`)}`,
    undefined,
    404,
    "ResourceNotFoundException",
    GONE,
  ],
  [
    "GET",
    `/2018-10-31/layers?find=LayerVersion&Arn=${encodeURIComponent(LAYER)}`,
    undefined,
    400,
    "ValidationException",
    detected(
      `Value '${LAYER}' at 'arn' failed to satisfy constraint: Member must satisfy regular expression pattern: ${VERSION_ARN_PATTERN}`,
    ),
  ],
  [
    "GET",
    "/2018-10-31/layers?CompatibleArchitecture=archdoesnotexist",
    undefined,
    400,
    "ValidationException",
    detected(
      "Value 'archdoesnotexist' at 'compatibleArchitecture' failed to satisfy constraint: Member must satisfy enum value set: [x86_64, arm64]",
    ),
  ],
  [
    "POST",
    versions,
    { Content: { ZipFile: "" }, CompatibleRuntimes: ["invalidruntime"], CompatibleArchitectures: ["invalidarch"] },
    400,
    "ValidationException",
    `2 validation errors detected: Value '[invalidruntime]' at 'compatibleRuntimes' failed to satisfy constraint: Member must satisfy enum value set: ${RUNTIME_SET}; Value '[invalidarch]' at 'compatibleArchitectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]`,
  ],
  [
    "POST",
    versions,
    {
      Content: { ZipFile: "" },
      CompatibleRuntimes: ["invalidruntime", "invalidruntime2", "nodejs20.x"],
      CompatibleArchitectures: ["invalidarch", "x86_64"],
    },
    400,
    "ValidationException",
    `2 validation errors detected: Value '[invalidruntime, invalidruntime2, nodejs20.x]' at 'compatibleRuntimes' failed to satisfy constraint: Member must satisfy enum value set: ${RUNTIME_SET}; Value '[invalidarch, x86_64]' at 'compatibleArchitectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]`,
  ],
  [
    "POST",
    versions,
    { Content: { ZipFile: Buffer.from("no zip").toString("base64") } },
    400,
    "InvalidParameterValueException",
    "Could not unzip uploaded file. Please check your file, then try to upload again.",
  ],
  [
    "POST",
    `${versions}/1/policy`,
    { ...statement, Action: "*" },
    400,
    "ValidationException",
    detected(
      "Value '*' at 'action' failed to satisfy constraint: Member must satisfy regular expression pattern: lambda:GetLayerVersion",
    ),
  ],
  [
    "POST",
    `${versions}/1/policy`,
    statement,
    409,
    "ResourceConflictException",
    "The statement id (s1) provided already exists. Please provide a new statement id, or remove the existing statement.",
  ],
  [
    "POST",
    `${versions}/1/policy?RevisionId=wrong`,
    { ...statement, StatementId: "s2" },
    412,
    "PreconditionFailedException",
    "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id",
  ],
  [
    "POST",
    `${versions}/2/policy`,
    statement,
    404,
    "ResourceNotFoundException",
    `Layer version ${LAYER}:2 does not exist.`,
  ],
  [
    "POST",
    "/2018-10-31/layers/l-doesnotexist/versions/1/policy",
    statement,
    404,
    "ResourceNotFoundException",
    `Layer version ${LAYER}-doesnotexist:1 does not exist.`,
  ],
  [
    "POST",
    `${versions}/1/policy`,
    { ...statement, Principal: "nobody" },
    400,
    "InvalidParameterValueException",
    "The provided principal was invalid. Please check the principal and try again.",
  ],
  [
    "DELETE",
    `${versions}/1/policy/doesnotexist`,
    undefined,
    404,
    "ResourceNotFoundException",
    "Statement doesnotexist is not found in resource policy.",
  ],
  [
    "DELETE",
    `${versions}/2/policy/s1`,
    undefined,
    404,
    "ResourceNotFoundException",
    `Layer version ${LAYER}:2 does not exist.`,
  ],
  [
    "GET",
    `${versions}/2/policy`,
    undefined,
    404,
    "ResourceNotFoundException",
    `Layer version ${LAYER}:2 does not exist.`,
  ],
])("%s %s %j answers %i %s", async (method, path, body, status, type, message) => {
  await publish();
  await call("POST", `${versions}/1/policy`, JSON.stringify(statement));
  const answer = await call(method, path, body === undefined ? undefined : JSON.stringify(body));
  expect([answer.status, answer.headers.get("x-amzn-errortype")]).toEqual([status, type]);
  expect(((await answer.json()) as { message: string }).message).toBe(message);
});

test("a list for a runtime that never was names those that were", async () => {
  const answer = await call("GET", "/2018-10-31/layers?CompatibleRuntime=runtimedoesnotexist");
  expect(answer.status).toBe(400);
  expect(((await answer.json()) as { message: string }).message).toMatch(
    /^1 validation error detected: Value 'runtimedoesnotexist' at 'compatibleRuntime' failed to satisfy constraint: Member must satisfy enum value set: \[ruby3\.5, ruby2\.6, dotnetcore1\.0, .*, nodejs26\.x, python3\.1/,
  );
});
