import {
  CreateAliasCommand,
  DeleteAliasCommand,
  DeleteFunctionCommand,
  GetAliasCommand,
  GetFunctionCommand,
  GetFunctionConfigurationCommand,
  InvokeCommand,
  ListAliasesCommand,
  ListFunctionsCommand,
  type ListFunctionsCommandOutput,
  ListVersionsByFunctionCommand,
  type ListVersionsByFunctionCommandOutput,
  PublishVersionCommand,
  UpdateAliasCommand,
  UpdateFunctionCodeCommand,
  UpdateFunctionConfigurationCommand,
} from "@aws-sdk/client-lambda";
import { describe, expect, test } from "vitest";
import {
  arn,
  call,
  client,
  create,
  createSettled,
  otherZip,
  requests,
  serveLambdaRoutes,
  settled,
} from "./lambda-routes-fixture.ts";

serveLambdaRoutes();

const FunctionName = "f";
const publish = (Description?: string) => client.send(new PublishVersionCommand({ FunctionName, Description }));
const change = async (Timeout: number) => {
  await client.send(new UpdateFunctionConfigurationCommand({ FunctionName, Timeout }));
  await settled();
};

describe("versions, with the AWS SDK", () => {
  test("are published, shown and deleted, each with its number in the ARN", async () => {
    await createSettled({ Tags: { a: "b" } });
    const first = await publish("the first");
    expect(first).toMatchObject({ Version: "1", FunctionArn: `${arn}:1`, Description: "the first", State: "Active" });
    expect(first.$metadata.httpStatusCode).toBe(201);
    expect((await publish()).Version).toBe("1");
    await change(7);
    const { CodeSha256, RevisionId } = await client.send(new GetFunctionConfigurationCommand({ FunctionName }));
    const second = await client.send(new PublishVersionCommand({ FunctionName, CodeSha256, RevisionId }));
    expect(second).toMatchObject({ Version: "2", Timeout: 7 });
    const shown = await client.send(new GetFunctionCommand({ FunctionName: `${arn}:1` }));
    expect(shown.Configuration).toMatchObject({ Version: "1", FunctionArn: `${arn}:1`, Timeout: 3 });
    expect(shown.Tags).toEqual({ a: "b" });
    const latest = await client.send(new GetFunctionConfigurationCommand({ FunctionName, Qualifier: "$LATEST" }));
    expect(latest).toMatchObject({ Version: "$LATEST", FunctionArn: `${arn}:$LATEST`, Timeout: 7 });
    await client.send(new DeleteFunctionCommand({ FunctionName, Qualifier: "1" }));
    await client.send(new DeleteFunctionCommand({ FunctionName, Qualifier: "1" }));
    const { Versions } = await client.send(new ListVersionsByFunctionCommand({ FunctionName }));
    expect(Versions?.map(({ Version }) => Version)).toEqual(["$LATEST", "2"]);
    expect(Versions?.map(({ FunctionArn }) => FunctionArn)).toEqual([`${arn}:$LATEST`, `${arn}:2`]);
  });

  test("come with code that is to be published, under an ARN that says so after an update", async () => {
    const created = await create({ Publish: true });
    expect(created).toMatchObject({ Version: "1", FunctionArn: arn });
    await settled();
    const update = { FunctionName, ZipFile: otherZip, Publish: true };
    expect(await client.send(new UpdateFunctionCodeCommand(update))).toMatchObject({
      Version: "2",
      FunctionArn: `${arn}:2`,
    });
  });

  test("are listed page by page, the newest last, and those of all functions together", async () => {
    await createSettled({ Publish: true });
    for (const timeoutS of [4, 5, 6]) {
      await change(timeoutS);
      await publish();
    }
    await create({ FunctionName: "e", Publish: true });
    const pages: (string | undefined)[][] = [];
    let Marker: string | undefined;
    do {
      const page: ListVersionsByFunctionCommandOutput = await client.send(
        new ListVersionsByFunctionCommand({ FunctionName, MaxItems: 2, Marker }),
      );
      pages.push(page.Versions?.map(({ Version }) => Version) ?? []);
      Marker = page.NextMarker;
    } while (Marker !== undefined);
    expect(pages).toEqual([["$LATEST", "1"], ["2", "3"], ["4"]]);
    const all: (string | undefined)[] = [];
    do {
      const page: ListFunctionsCommandOutput = await client.send(
        new ListFunctionsCommand({ FunctionVersion: "ALL", MaxItems: 3, Marker }),
      );
      all.push(...(page.Functions?.map(({ FunctionArn }) => FunctionArn?.split(":function:")[1]) ?? []));
      Marker = page.NextMarker;
    } while (Marker !== undefined);
    expect(all).toEqual(["e:$LATEST", "e:1", "f:$LATEST", "f:1", "f:2", "f:3", "f:4"]);
  });
});

describe("aliases, with the AWS SDK", () => {
  test("are made, changed, listed and deleted", async () => {
    await createSettled({ Publish: true });
    await change(4);
    await publish();
    const created = await client.send(new CreateAliasCommand({ FunctionName, Name: "live", FunctionVersion: "1" }));
    expect(created).toMatchObject({ AliasArn: `${arn}:live`, Name: "live", FunctionVersion: "1", Description: "" });
    expect([created.$metadata.httpStatusCode, created.RoutingConfig]).toEqual([201, undefined]);
    const { RevisionId } = created;
    const RoutingConfig = { AdditionalVersionWeights: { 2: 0.25 } };
    const update = { FunctionName, Name: "live", RevisionId, RoutingConfig, Description: "d" };
    const updated = await client.send(new UpdateAliasCommand(update));
    expect(updated).toMatchObject({ FunctionVersion: "1", RoutingConfig, Description: "d" });
    expect(updated.RevisionId).not.toBe(RevisionId);
    // What is not said stays; no weights take the second version away.
    const moved = await client.send(new UpdateAliasCommand({ FunctionName, Name: "live", Description: "e" }));
    expect(moved).toMatchObject({ RoutingConfig, Description: "e" });
    const [weighted, described] = await Promise.all([
      client.send(
        new UpdateAliasCommand({ FunctionName, Name: "live", RoutingConfig: { AdditionalVersionWeights: { 2: 0.5 } } }),
      ),
      client.send(new UpdateAliasCommand({ FunctionName, Name: "live", Description: "at the same time" })),
    ]);
    const both = await client.send(new GetAliasCommand({ FunctionName, Name: "live" }));
    expect([weighted.$metadata.httpStatusCode, described.$metadata.httpStatusCode]).toEqual([200, 200]);
    expect(both).toMatchObject({
      RoutingConfig: { AdditionalVersionWeights: { 2: 0.5 } },
      Description: "at the same time",
    });
    const emptied = {
      FunctionName,
      Name: "live",
      FunctionVersion: "2",
      RoutingConfig: { AdditionalVersionWeights: {} },
    };
    expect((await client.send(new UpdateAliasCommand(emptied))).RoutingConfig).toBeUndefined();
    expect(await client.send(new GetAliasCommand({ FunctionName, Name: "live" }))).toMatchObject({
      FunctionVersion: "2",
      Description: "at the same time",
    });
    await client.send(new CreateAliasCommand({ FunctionName, Name: "dev", FunctionVersion: "$LATEST" }));
    const names = async (more: { FunctionVersion?: string; MaxItems?: number; Marker?: string } = {}) => {
      const { Aliases, NextMarker } = await client.send(new ListAliasesCommand({ FunctionName, ...more }));
      return [Aliases?.map(({ Name }) => Name), NextMarker];
    };
    expect(await names()).toEqual([["dev", "live"], undefined]);
    expect(await names({ FunctionVersion: "2" })).toEqual([["live"], undefined]);
    const [first, marker] = await names({ MaxItems: 1 });
    expect(first).toEqual(["dev"]);
    expect(await names({ Marker: marker as string })).toEqual([["live"], undefined]);
    const shown = await client.send(new GetFunctionCommand({ FunctionName, Qualifier: "live" }));
    expect(shown.Configuration).toMatchObject({ Version: "2", FunctionArn: `${arn}:live` });
    for (const _ of [1, 2]) {
      const deleted = await client.send(new DeleteAliasCommand({ FunctionName, Name: "live" }));
      expect(deleted.$metadata.httpStatusCode).toBe(204);
    }
    expect(await names()).toEqual([["dev"], undefined]);
  });

  test("are invoked as they were asked for, and say which version ran", async () => {
    await createSettled({ Publish: true });
    await client.send(new CreateAliasCommand({ FunctionName, Name: "live", FunctionVersion: "1" }));
    for (const [name, qualifier, invoked, executed] of [
      ["f", "live", `${arn}:live`, "1"],
      [`${arn}:live`, undefined, `${arn}:live`, "1"],
      ["f:1", undefined, `${arn}:1`, "1"],
      ["f", "$LATEST", `${arn}:$LATEST`, "$LATEST"],
      ["f", undefined, arn, "$LATEST"],
    ] as const) {
      const answer = await client.send(new InvokeCommand({ FunctionName: name, Qualifier: qualifier }));
      expect([answer.ExecutedVersion, requests.at(-1)?.invokedArn]).toEqual([executed, invoked]);
    }
    const queued = await call("POST", "/2014-11-13/functions/f/invoke-async/", "{}");
    expect([queued.status, requests.at(-1)?.invokedArn]).toEqual([202, arn]);
  });
});
