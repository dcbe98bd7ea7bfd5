import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findProgram } from "../../src/host/command.ts";
import { HearthProcess } from "../integration/server-fixture/hearth-process.ts";
import { archiveOf } from "../integration/server-fixture/lambda-caller.ts";
import { skipUnless } from "../skip.ts";
import { provider } from "./provider.ts";

/** Debian's, rather than a wrapper that may stand before it in the path. */
const AWS = existsSync("/usr/bin/aws") ? "/usr/bin/aws" : await findProgram("aws");
const run = promisify(execFile);

describe("AWS CLI", skipUnless(AWS !== undefined, "needs the AWS CLI (Debian: awscli)"), () => {
  const folder = mkdtempSync(join(tmpdir(), "hearth-cli-"));
  const zip = join(folder, "code.zip");
  const output = join(folder, "out.json");
  let hearth: HearthProcess;

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
  const invoke = async (...args: string[]) => {
    const answer = await aws(
      "invoke",
      "--function-name",
      "cli",
      "--cli-binary-format",
      "raw-in-base64-out",
      ...args,
      output,
    );
    return { ...answer, result: readFileSync(output, "utf8") };
  };

  beforeAll(async () => {
    hearth = await HearthProcess.start({ provider });
  });
  afterAll(async () => {
    await hearth[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  test("does the whole tour", { timeout: 240_000 }, async () => {
    writeFileSync(
      zip,
      archiveOf({ "index.js": 'exports.handler = async (e) => { console.log("hi"); return { got: e }; };' }),
    );
    const created = await aws(
      "create-function", "--function-name", "cli", "--runtime", "nodejs22.x", "--handler", "index.handler",
      "--role", "arn:aws:iam::000000000000:role/r", "--zip-file", `fileb://${zip}`, "--tags", "team=a",
    ); // biome-ignore format: one option beside its value
    expect(created).toMatchObject({ FunctionName: "cli", State: "Pending" });
    await aws("wait", "function-active-v2", "--function-name", "cli");
    expect((await aws("get-function", "--function-name", "cli")).Configuration.State).toBe("Active");

    const answer = await invoke("--payload", '{"a":1}', "--log-type", "Tail");
    expect(answer).toMatchObject({ StatusCode: 200, ExecutedVersion: "$LATEST", result: '{"got":{"a":1}}' });
    expect(Buffer.from(answer.LogResult, "base64").toString()).toContain("\tINFO\thi\n");
    expect(await invoke("--invocation-type", "Event", "--payload", "{}")).toMatchObject({ StatusCode: 202 });
    expect(await invoke("--invocation-type", "DryRun")).toMatchObject({ StatusCode: 204 });

    writeFileSync(zip, archiveOf({ "index.js": "exports.handler = async () => process.env.COLOUR || 'new';" }));
    await aws("update-function-code", "--function-name", "cli", "--zip-file", `fileb://${zip}`);
    await aws("wait", "function-updated-v2", "--function-name", "cli");
    expect((await invoke()).result).toBe('"new"');
    await aws("update-function-configuration", "--function-name", "cli", "--environment", "Variables={COLOUR=green}");
    await aws("wait", "function-updated-v2", "--function-name", "cli");
    expect((await invoke()).result).toBe('"green"');

    const { FunctionArn: arn } = await aws("get-function-configuration", "--function-name", "cli");
    await aws("tag-resource", "--resource", arn, "--tags", "stage=test");
    await aws("untag-resource", "--resource", arn, "--tag-keys", "team");
    expect((await aws("list-tags", "--resource", arn)).Tags).toEqual({ stage: "test" });
    expect((await aws("list-functions", "--max-items", "1")).Functions).toHaveLength(1);
    expect((await aws("get-account-settings")).AccountUsage.FunctionCount).toBe(1);

    const named = ["--function-name", "cli"];
    expect(await aws("publish-version", ...named, "--description", "one")).toMatchObject({ Version: "1" });
    await aws("wait", "published-version-active", ...named, "--qualifier", "1");
    await aws("update-function-configuration", ...named, "--environment", "Variables={COLOUR=red}");
    await aws("wait", "function-updated-v2", ...named);
    expect(await aws("publish-version", ...named)).toMatchObject({ Version: "2" });
    const alias = [...named, "--name", "live"];
    await aws("create-alias", ...alias, "--function-version", "1");
    await expect(aws("create-alias", ...alias, "--function-version", "1")).rejects.toThrow(/ResourceConflictException/);
    expect(await invoke("--qualifier", "live")).toMatchObject({ ExecutedVersion: "1", result: '"green"' });
    await aws(
      "update-alias",
      ...alias,
      "--function-version",
      "2",
      "--routing-config",
      "AdditionalVersionWeights={1=0}",
    );
    expect(await invoke("--qualifier", "live")).toMatchObject({ ExecutedVersion: "2", result: '"red"' });
    expect((await aws("list-versions-by-function", ...named)).Versions).toHaveLength(3);
    expect((await aws("list-aliases", ...named, "--function-version", "2")).Aliases).toHaveLength(1);
    await aws("put-function-concurrency", ...named, "--reserved-concurrent-executions", "7");
    expect((await aws("get-function-concurrency", ...named)).ReservedConcurrentExecutions).toBe(7);
    const provisioned = [...named, "--qualifier", "live"];
    await aws("put-provisioned-concurrency-config", ...provisioned, "--provisioned-concurrent-executions", "1");
    await aws("delete-provisioned-concurrency-config", ...provisioned);
    await aws("delete-function-concurrency", ...named);
    await aws("delete-alias", ...alias);

    await aws("delete-function", "--function-name", arn);
    await expect(aws("get-function", "--function-name", "cli")).rejects.toThrow(
      /\(ResourceNotFoundException\).*Function not found: arn:aws:lambda:us-east-1:000000000000:function:cli/s,
    );
  });
});
