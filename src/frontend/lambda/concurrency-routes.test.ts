import {
  DeleteFunctionConcurrencyCommand,
  DeleteProvisionedConcurrencyConfigCommand,
  GetAccountSettingsCommand,
  GetFunctionCodeSigningConfigCommand,
  GetFunctionCommand,
  GetFunctionConcurrencyCommand,
  GetFunctionRecursionConfigCommand,
  GetProvisionedConcurrencyConfigCommand,
  GetRuntimeManagementConfigCommand,
  ListProvisionedConcurrencyConfigsCommand,
  PutFunctionConcurrencyCommand,
  PutFunctionRecursionConfigCommand,
  PutProvisionedConcurrencyConfigCommand,
  PutRuntimeManagementConfigCommand,
} from "@aws-sdk/client-lambda";
import { expect, test } from "vitest";
import { arn, catalog, client, createSettled, serveLambdaRoutes } from "./lambda-routes-fixture.ts";

serveLambdaRoutes();

const account = "000000000000" as never;
const FunctionName = "f";

test("reserved concurrency is the function's, and taken from what others have", async () => {
  await createSettled();
  const reserved = async () =>
    (await client.send(new GetFunctionConcurrencyCommand({ FunctionName }))).ReservedConcurrentExecutions;
  expect(await reserved()).toBeUndefined();
  const put = (count: number) =>
    client.send(new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: count }));
  expect((await put(900)).ReservedConcurrentExecutions).toBe(900);
  await put(800);
  expect(await reserved()).toBe(800);
  expect((await client.send(new GetFunctionCommand({ FunctionName }))).Concurrency).toEqual({
    ReservedConcurrentExecutions: 800,
  });
  const { AccountLimit } = await client.send(new GetAccountSettingsCommand({}));
  expect(AccountLimit).toMatchObject({ ConcurrentExecutions: 1000, UnreservedConcurrentExecutions: 200 });
  await put(0);
  expect(await reserved()).toBe(0);
  const deleted = await client.send(new DeleteFunctionConcurrencyCommand({ FunctionName }));
  expect(deleted.$metadata.httpStatusCode).toBe(204);
  expect(await reserved()).toBeUndefined();
  expect((await client.send(new GetFunctionCommand({ FunctionName }))).Concurrency).toBeUndefined();
});

test("provisioned concurrency is asked for of versions and aliases, and told to who holds it", async () => {
  await createSettled({ Publish: true });
  await catalog.aliases.create(account, "f", "live", { version: "1", description: "", route: undefined });
  const told: (number | undefined)[] = [];
  catalog.concurrency.onChanged((accountId, name) =>
    told.push(catalog.concurrency.of(accountId, name)?.provisioned.reduce((sum, { count }) => sum + count, 0)),
  );
  const put = await client.send(
    new PutProvisionedConcurrencyConfigCommand({ FunctionName, Qualifier: "live", ProvisionedConcurrentExecutions: 5 }),
  );
  expect(put).toMatchObject({
    $metadata: { httpStatusCode: 202 },
    RequestedProvisionedConcurrentExecutions: 5,
    AllocatedProvisionedConcurrentExecutions: 0,
    AvailableProvisionedConcurrentExecutions: 0,
    Status: "IN_PROGRESS",
    LastModified: expect.stringMatching(/\+0000$/),
  });
  const got = await client.send(new GetProvisionedConcurrencyConfigCommand({ FunctionName, Qualifier: "live" }));
  expect(got.RequestedProvisionedConcurrentExecutions).toBe(5);
  const { ProvisionedConcurrencyConfigs } = await client.send(
    new ListProvisionedConcurrencyConfigsCommand({ FunctionName }),
  );
  expect(ProvisionedConcurrencyConfigs).toMatchObject([
    { FunctionArn: `${arn}:live`, RequestedProvisionedConcurrentExecutions: 5 },
  ]);
  expect(catalog.concurrency.of(account, "f")?.provisioned).toMatchObject([
    { qualifier: "live", count: 5, versions: [{ version: { version: "1" }, weight: 1 }] },
  ]);
  for (const _ of [1, 2]) {
    await client.send(new DeleteProvisionedConcurrencyConfigCommand({ FunctionName, Qualifier: "live" }));
  }
  await catalog.concurrency.provision(account, "f", "live", 2);
  await catalog.aliases.delete(account, "f", "live");
  expect(told).toEqual([5, 0, 0, 2, 0]);
  expect(catalog.concurrency.all()).toEqual([]);
});

test("recursion and runtime management are kept, and code is never signed", async () => {
  await createSettled({ Publish: true });
  const recursion = new GetFunctionRecursionConfigCommand({ FunctionName });
  expect((await client.send(recursion)).RecursiveLoop).toBe("Terminate");
  await client.send(new PutFunctionRecursionConfigCommand({ FunctionName, RecursiveLoop: "Allow" }));
  expect((await client.send(recursion)).RecursiveLoop).toBe("Allow");
  const runtime = (Qualifier?: string) =>
    client.send(new GetRuntimeManagementConfigCommand({ FunctionName, Qualifier }));
  expect(await runtime()).toMatchObject({ UpdateRuntimeOn: "Auto", FunctionArn: arn });
  await client.send(
    new PutRuntimeManagementConfigCommand({ FunctionName, Qualifier: "1", UpdateRuntimeOn: "FunctionUpdate" }),
  );
  expect(await runtime("1")).toMatchObject({ UpdateRuntimeOn: "FunctionUpdate", FunctionArn: `${arn}:1` });
  expect(await runtime()).toMatchObject({ UpdateRuntimeOn: "Auto" });
  const { CodeSigningConfigArn } = await client.send(new GetFunctionCodeSigningConfigCommand({ FunctionName }));
  expect(CodeSigningConfigArn).toBeUndefined();
});
