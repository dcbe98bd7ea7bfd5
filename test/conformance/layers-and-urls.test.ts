import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  AddPermissionCommand,
  CreateFunctionCommand,
  CreateFunctionUrlConfigCommand,
  DeleteLayerVersionCommand,
  InvokeCommand,
  LambdaClient,
  PublishLayerVersionCommand,
  UpdateFunctionConfigurationCommand,
  waitUntilFunctionActiveV2,
  waitUntilFunctionUpdatedV2,
} from "@aws-sdk/client-lambda";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findProgram } from "../../src/host/command.ts";
import { zipOfEntries } from "../../src/ports/contract/zip-fixture.ts";
import { HearthProcess } from "../integration/server-fixture/hearth-process.ts";
import { archiveOf } from "../integration/server-fixture/lambda-caller.ts";
import { skipUnless } from "../skip.ts";
import { provider } from "./provider.ts";

const AWS = existsSync("/usr/bin/aws") ? "/usr/bin/aws" : await findProgram("aws");
const run = promisify(execFile);
const ROLE = "arn:aws:iam::000000000000:role/any";
const LIMITS = { maxWaitTime: 30, minDelay: 1, maxDelay: 1 };

const MODULES = zipOfEntries([
  { name: "nodejs/node_modules/greeting/index.js", data: 'module.exports = "hello from a module";' },
  { name: "both.txt", data: "lower" },
]);
const PROGRAMS = zipOfEntries([
  { name: "bin/greet", data: "#!/bin/sh\necho hello from a program\n", mode: 0o100755 },
  { name: "both.txt", data: "upper" },
]);
const LAYERED = archiveOf({
  "index.js": `
    const { execFileSync } = require("node:child_process");
    const fs = require("node:fs");
    const root = process.env.PATH.split(":").at(-1).replace(/\\/bin$/, "");
    exports.handler = async () => ({
      module: require("greeting"),
      program: execFileSync("greet", { encoding: "utf8" }),
      both: fs.readFileSync(root + "/both.txt", "utf8"),
      there: fs.readdirSync(root).sort(),
    });`,
});
/** Answers its request's method, path and body. */
const SITE = archiveOf({
  "index.mjs": `
    export const handler = async ({ rawPath, body, requestContext }) => ({
      statusCode: 201,
      headers: { "content-type": "text/plain" },
      cookies: ["seen=1"],
      body: [requestContext.http.method, rawPath, body].join(" "),
    });`,
});

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

const create = async (FunctionName: string, zip: Buffer, Layers?: string[]) => {
  const input = { FunctionName, Runtime: "nodejs24.x", Handler: "index.handler", Role: ROLE } as const;
  await client.send(new CreateFunctionCommand({ ...input, Code: { ZipFile: zip }, Layers }));
  await waitUntilFunctionActiveV2({ client, ...LIMITS }, { FunctionName });
};
const invoke = async (FunctionName: string) => {
  const { Payload, FunctionError } = await client.send(new InvokeCommand({ FunctionName }));
  return { FunctionError, result: JSON.parse(Buffer.from(Payload ?? []).toString()) };
};

describe("AWS SDK for JavaScript v3", () => {
  test("a function has the modules and programs of its layers, later ones on top, also after they were deleted", async () => {
    const publish = async (LayerName: string, ZipFile: Buffer) => {
      const { LayerVersionArn } = await client.send(
        new PublishLayerVersionCommand({ LayerName, Content: { ZipFile } }),
      );
      return LayerVersionArn as string;
    };
    const layers = [await publish("modules", MODULES), await publish("programs", PROGRAMS)];
    await create("layered", LAYERED, layers);
    const expected = {
      module: "hello from a module",
      program: "hello from a program\n",
      both: "upper",
      there: ["bin", "both.txt", "nodejs"],
    };
    expect(await invoke("layered")).toEqual({ FunctionError: undefined, result: expected });
    for (const LayerName of ["modules", "programs"]) {
      await client.send(new DeleteLayerVersionCommand({ LayerName, VersionNumber: 1 }));
    }
    await client.send(new UpdateFunctionConfigurationCommand({ FunctionName: "layered", MemorySize: 256 }));
    await waitUntilFunctionUpdatedV2({ client, ...LIMITS }, { FunctionName: "layered" });
    expect((await invoke("layered")).result).toEqual(expected);
    await create("bare", LAYERED);
    expect((await invoke("bare")).result).toMatchObject({
      errorMessage: expect.stringContaining("Cannot find module"),
    });
  });

  test("a function's URL answers everyone when its policy says so, and a page is kept apart from the API", async () => {
    await create("site", SITE);
    const FunctionName = "site";
    const { FunctionUrl = "" } = await client.send(
      new CreateFunctionUrlConfigCommand({ FunctionName, AuthType: "NONE", Cors: { AllowOrigins: ["*"] } }),
    );
    const id = new URL(FunctionUrl).hostname.split(".")[0];
    const byPath = `${hearth.url}/_hearth/url/${id}`;
    expect((await fetch(byPath)).status).toBe(403);
    const statement = { FunctionName, Principal: "*" };
    await client.send(
      new AddPermissionCommand({
        ...statement,
        StatementId: "url",
        Action: "lambda:InvokeFunctionUrl",
        FunctionUrlAuthType: "NONE",
      }),
    );
    await client.send(
      new AddPermissionCommand({
        ...statement,
        StatementId: "invoke",
        Action: "lambda:InvokeFunction",
        InvokedViaFunctionUrl: true,
      }),
    );
    const headers = { origin: "https://elsewhere.example", "content-type": "text/plain" };
    const answer = await fetch(`${byPath}/a/b?x=1`, { method: "POST", body: "hi", headers });
    expect([answer.status, await answer.text()]).toEqual([201, "POST /a/b hi"]);
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
    expect(answer.headers.getSetCookie()).toEqual(["seen=1"]);
    expect(answer.headers.get("content-security-policy")).toMatch(/^sandbox/);
    // curl knows names below localhost by itself.
    const { stdout } = await run("curl", [
      "--silent",
      "--data",
      "hi",
      "--header",
      "Content-Type: text/plain",
      `${FunctionUrl}c`,
    ]);
    expect(stdout).toBe("POST /c hi");
  });
});

describe("AWS CLI", skipUnless(AWS !== undefined, "needs the AWS CLI (Debian: awscli)"), () => {
  const folder = mkdtempSync(join(tmpdir(), "hearth-cli-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  const aws = async (...args: string[]) => {
    const { stdout } = await run(AWS ?? "", ["--endpoint-url", hearth.url, "--output", "json", "lambda", ...args], {
      env: {
        PATH: process.env["PATH"],
        HOME: folder,
        AWS_REGION: "us-east-1",
        AWS_ACCESS_KEY_ID: "local",
        AWS_SECRET_ACCESS_KEY: "local",
        AWS_EC2_METADATA_DISABLED: "true",
      },
    });
    return stdout === "" ? undefined : JSON.parse(stdout);
  };
  const layer = ["--layer-name", "cli"];
  const version = [...layer, "--version-number", "1"];

  beforeAll(() => create("cli", SITE));

  test("publishes, shares and deletes layers", async () => {
    const zip = join(folder, "layer.zip");
    writeFileSync(zip, MODULES);
    const published = await aws(
      "publish-layer-version", ...layer, "--zip-file", `fileb://${zip}`, "--compatible-runtimes", "nodejs24.x",
    ); // biome-ignore format: one option beside its value
    expect(published).toMatchObject({ Version: 1, CompatibleRuntimes: ["nodejs24.x"] });
    const { Layers } = await aws("list-layers", "--compatible-runtime", "nodejs24.x");
    expect(Layers.map(({ LayerName }: { LayerName: string }) => LayerName)).toEqual(["cli"]);
    expect((await aws("get-layer-version-by-arn", "--arn", published.LayerVersionArn)).Version).toBe(1);
    const permission = ["--action", "lambda:GetLayerVersion", "--principal", "*", "--statement-id", "s"];
    const { Statement } = await aws("add-layer-version-permission", ...version, ...permission);
    expect(JSON.parse(Statement)).toMatchObject({ Sid: "s", Principal: "*" });
    expect(JSON.parse((await aws("get-layer-version-policy", ...version)).Policy).Statement).toHaveLength(1);
    await aws("remove-layer-version-permission", ...version, "--statement-id", "s");
    await aws("delete-layer-version", ...version);
    expect((await aws("list-layer-versions", ...layer)).LayerVersions).toEqual([]);
  });

  test("makes URLs and says who may use them", async () => {
    const named = ["--function-name", "cli"];
    const made = await aws("create-function-url-config", ...named, "--auth-type", "AWS_IAM");
    expect((await aws("get-function-url-config", ...named)).FunctionUrl).toBe(made.FunctionUrl);
    await aws("update-function-url-config", ...named, "--auth-type", "NONE", "--cors", "AllowOrigins=*,MaxAge=5");
    const { FunctionUrlConfigs } = await aws("list-function-url-configs", ...named);
    expect(FunctionUrlConfigs).toMatchObject([{ AuthType: "NONE", Cors: { AllowOrigins: ["*"], MaxAge: 5 } }]);
    const permission = [
      "--principal",
      "s3.amazonaws.com",
      "--source-arn",
      "arn:aws:s3:::bucket",
      "--statement-id",
      "s3",
    ];
    await aws("add-permission", ...named, "--action", "lambda:InvokeFunction", ...permission);
    expect(JSON.parse((await aws("get-policy", ...named)).Policy).Statement).toMatchObject([
      { Sid: "s3", Condition: { ArnLike: { "AWS:SourceArn": "arn:aws:s3:::bucket" } } },
    ]);
    await aws("remove-permission", ...named, "--statement-id", "s3");
    await aws("delete-function-url-config", ...named);
    expect((await aws("list-function-url-configs", ...named)).FunctionUrlConfigs).toEqual([]);
  });
});
