import {
  AddLayerVersionPermissionCommand,
  type CreateFunctionCommandInput,
  DeleteLayerVersionCommand,
  GetFunctionConfigurationCommand,
  LambdaClient,
  ListFunctionsCommand,
  PublishLayerVersionCommand,
  UpdateFunctionConfigurationCommand,
} from "@aws-sdk/client-lambda";
import { expect, test } from "vitest";
import type { AccountId } from "../../model/ids.ts";
import { zipOfEntries } from "../../ports/contract/zip-fixture.ts";
import {
  accessKeys,
  catalog,
  client,
  create,
  createSettled,
  failure,
  region,
  serveLambdaRoutes,
  settled,
  url,
} from "./lambda-routes-fixture.ts";

serveLambdaRoutes();

const account = "000000000000" as AccountId;
const other = "111111111111" as AccountId;
const layerArn = (name: string, version: number | string, of: string = account, where = region) =>
  `arn:aws:lambda:${where}:${of}:layer:${name}:${version}`;
const zip = (text: string) => zipOfEntries([{ name: `${text}.txt`, data: text }]);
const publish = async (LayerName: string, by = client) => {
  const Content = { ZipFile: zip(LayerName) };
  return (await by.send(new PublishLayerVersionCommand({ LayerName, Content }))).LayerVersionArn as string;
};
const update = (Layers: string[]) => client.send(new UpdateFunctionConfigurationCommand({ FunctionName: "f", Layers }));
const configuration = () => client.send(new GetFunctionConfigurationCommand({ FunctionName: "f" }));

test("layers are echoed in their order, kept by other updates, and taken away by none", async () => {
  const layers = [await publish("b"), await publish("a")];
  const created = await create({ Layers: layers });
  const shown = [
    { Arn: layers[0], CodeSize: zip("b").length },
    { Arn: layers[1], CodeSize: zip("a").length },
  ];
  expect(created.Layers).toEqual(shown);
  await settled();
  await client.send(new UpdateFunctionConfigurationCommand({ FunctionName: "f", Timeout: 5 }));
  await settled();
  expect((await configuration()).Layers).toEqual(shown);
  expect((await client.send(new ListFunctionsCommand({}))).Functions?.[0]?.Layers).toEqual(shown);
  expect(catalog.resolve(account, "f", undefined)?.layerSha256Hexes).toHaveLength(2);
  await update(layers.toReversed());
  await settled();
  expect((await configuration()).Layers?.map(({ Arn }) => Arn)).toEqual(layers.toReversed());
  await update([]);
  await settled();
  expect((await configuration()).Layers).toBeUndefined();
});

test("a function keeps a version of a layer that was deleted since, and nobody gets it anew", async () => {
  const arn = await publish("l");
  await createSettled({ Layers: [arn] });
  await client.send(new DeleteLayerVersionCommand({ LayerName: "l", VersionNumber: 1 }));
  await client.send(new UpdateFunctionConfigurationCommand({ FunctionName: "f", Timeout: 5 }));
  await settled();
  expect((await configuration()).Layers?.[0]?.Arn).toBe(arn);
  await expect(update([arn])).rejects.toEqual(
    failure("InvalidParameterValueException", `Layer version ${arn} does not exist.`),
  );
});

test("another account's layer is to be had when its policy says so", async () => {
  const { accessKeyId, secretAccessKey } = await accessKeys.create(other);
  const owner = new LambdaClient({ endpoint: url, region, credentials: { accessKeyId, secretAccessKey } });
  try {
    const arn = await publish("shared", owner);
    const denied = failure(
      "AccessDeniedException",
      `User: arn:aws:iam::${account}:root is not authorized to perform: lambda:GetLayerVersion on resource: ${arn} because no resource-based policy allows the lambda:GetLayerVersion action`,
      403,
    );
    await expect(create({ Layers: [arn] })).rejects.toEqual(denied);
    const statement = { StatementId: "s", Action: "lambda:GetLayerVersion", Principal: account };
    await owner.send(new AddLayerVersionPermissionCommand({ LayerName: "shared", VersionNumber: 1, ...statement }));
    expect((await create({ Layers: [arn] })).Layers?.[0]?.Arn).toBe(arn);
  } finally {
    owner.destroy();
  }
});

test("code and layers have a size together", async () => {
  const large = (megabytes: number) =>
    zipOfEntries([{ name: `${megabytes}.bin`, data: Buffer.alloc(megabytes * 1024 * 1024) }]);
  for (const LayerName of ["one", "two"]) {
    await client.send(new PublishLayerVersionCommand({ LayerName, Content: { ZipFile: large(126) } }));
  }
  const both = [layerArn("one", 1), layerArn("two", 1)];
  const tooLarge = failure(
    "InvalidParameterValueException",
    "Layers consume more than the available size of 262144000 bytes",
  );
  await expect(create({ Layers: both })).rejects.toEqual(tooLarge);
  await expect(create({ Layers: [layerArn("one", 1)], Code: { ZipFile: large(125) } })).rejects.toEqual(
    failure(
      "InvalidParameterValueException",
      `Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is ${251 * 1024 * 1024} bytes.`,
    ),
  );
  await createSettled({ Layers: [layerArn("one", 1)] });
  await expect(update(both)).rejects.toEqual(tooLarge);
}, 60_000);

const PATTERN =
  "(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)";
const unversioned = layerArn("l", 1).slice(0, -2);

/** What was recorded of AWS: the layers, the error's type and text. */
test.each<[string[], string, string]>([
  [
    [unversioned],
    "ValidationException",
    `1 validation error detected: Value '[${unversioned}]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 2048, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: ${PATTERN}, Member must not be null]`,
  ],
  [
    [1, 2, 3, 4, 5, 6].map((number) => layerArn(`l${number}`, 1)),
    "InvalidParameterValueException",
    "Cannot reference more than 5 layers.",
  ],
  [
    [layerArn("l", 1), layerArn("l", 2)],
    "InvalidParameterValueException",
    `Two different versions of the same layer are not allowed to be referenced in the same function. ${layerArn("l", 1)} and ${layerArn("l", 2)} are versions of the same layer.`,
  ],
  [
    [layerArn("l", 1), layerArn("l", 1)],
    "InvalidParameterValueException",
    `Two different versions of the same layer are not allowed to be referenced in the same function. ${layerArn("l", 1)} and ${layerArn("l", 1)} are versions of the same layer.`,
  ],
  [
    [layerArn("l", 1, account, "eu-west-1")],
    "InvalidParameterValueException",
    "Layers are not in the same region as the function. Layers are expected to be in region us-east-1.",
  ],
  [[layerArn("l", 9)], "InvalidParameterValueException", `Layer version ${layerArn("l", 9)} does not exist.`],
  [
    [layerArn("doesnotexist", 1)],
    "InvalidParameterValueException",
    `Layer version ${layerArn("doesnotexist", 1)} does not exist.`,
  ],
])("layers %j are refused with %s", async (Layers, type, message) => {
  await publish("l");
  await publish("l");
  const input: Partial<CreateFunctionCommandInput> = { Layers };
  await expect(create(input)).rejects.toEqual(failure(type, message));
  await createSettled();
  await expect(update(Layers)).rejects.toEqual(failure(type, message));
});
