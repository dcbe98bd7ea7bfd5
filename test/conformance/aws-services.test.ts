import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findProgram } from "../../src/host/command.ts";
import { AwsWorld } from "../integration/events-fixture/aws-world.ts";
import { needsMoto } from "../integration/moto-server.ts";
import { eventually } from "../integration/server-fixture/eventually.ts";
import { HearthProcess } from "../integration/server-fixture/hearth-process.ts";
import { archiveOf, LambdaCaller } from "../integration/server-fixture/lambda-caller.ts";
import { leftOutUnless, skipUnless } from "../skip.ts";
import { provider } from "./provider.ts";

/** Debian's: only version 2 of the CLI can tail. */
const AWS = existsSync("/usr/bin/aws") ? "/usr/bin/aws" : await findProgram("aws");
const PYTHONS = [process.env["HEARTH_BOTOCORE_PYTHON"] ?? "", "python3", "/usr/bin/python3"];
const python = PYTHONS.filter((name) => name !== "").find(
  (name) => spawnSync(name, ["-c", "import boto3"]).status === 0,
);
const run = promisify(execFile);
const osls = fileURLToPath(new URL("../../node_modules/osls/bin/serverless.js", import.meta.url));
const terraform = await findProgram("terraform");
/** Folders of providers: where Terraform looks itself, and where packagers put them. */
const mirrors = [join(homedir(), ".terraform.d/plugins"), "/usr/{,local/}share/terraform/plugins", "/opt/*"];
const awsProvider = globSync(mirrors.map((each) => `${each}/registry.terraform.io/hashicorp/aws/*/linux_*`))[0];

const hasTerraform = terraform !== undefined && awsProvider !== undefined;
const needsTerraform = leftOutUnless(hasTerraform, "needs terraform and its AWS provider in a folder of providers");

const CODE = `
  exports.handler = async (event, context) => {
    console.log(event.says);
    console.error("ERROR of", event.says);
    return context.logStreamName;
  };`;

/** Says where it logs to. */
const WHERE = `
  exports.handler = async (event, { logGroupName, logStreamName }) => {
    console.log(event.says);
    const { AWS_LAMBDA_LOG_GROUP_NAME: group, AWS_LAMBDA_LOG_STREAM_NAME: stream } = process.env;
    return { context: [logGroupName, logStreamName], environment: [group, stream] };
  };`;

type LogGroup = { readonly logGroupName: string };

/** Clients of the services beside Lambda, one after another against one server. */
describe("AWS's services beside Lambda", () => {
  const folder = mkdtempSync(join(tmpdir(), "hearth-services-"));
  let hearth: HearthProcess;
  let caller: LambdaCaller;
  let environment: Record<string, string>;
  /** The queue that Terraform maps, and what plays it. */
  let aws: AwsWorld | undefined;

  beforeAll(async () => {
    if (hasTerraform && needsMoto.skip !== true) aws = await AwsWorld.start();
    hearth = await HearthProcess.start({ provider, env: aws?.env ?? {} });
    caller = new LambdaCaller(() => hearth.url);
    environment = {
      PATH: process.env["PATH"] ?? "",
      HOME: folder,
      AWS_REGION: "us-east-1",
      AWS_ACCESS_KEY_ID: "local",
      AWS_SECRET_ACCESS_KEY: "local",
      AWS_EC2_METADATA_DISABLED: "true",
    };
    await caller.deploy("talker", { files: { "index.js": CODE } });
  });
  afterAll(async () => {
    caller.close();
    await hearth[Symbol.asyncDispose]();
    await aws?.stop();
    rmSync(folder, { recursive: true });
  });

  describe("AWS CLI", skipUnless(AWS !== undefined, "needs the AWS CLI (Debian: awscli)"), () => {
    const args = (...of: string[]) => ["--endpoint-url", hearth.url, "--output", "json", "logs", ...of];
    const aws = async (...of: string[]) => {
      const { stdout } = await run(AWS ?? "", args(...of), { env: environment });
      return stdout === "" ? undefined : JSON.parse(stdout);
    };
    const group = ["--log-group-name", "/aws/lambda/talker"];

    test("reads what a function wrote", async () => {
      const { json: stream } = await caller.invoke("talker", { says: "hello" });
      expect(stream).toMatch(/^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/);
      const { events } = await aws("get-log-events", ...group, "--log-stream-name", stream, "--start-from-head");
      expect(
        events.map(({ message }: { message: string }) => message.replace(/[0-9a-f-]{36}|[\dTZ:.-]{24}/g, "#")),
      ).toEqual([
        expect.stringMatching(
          /^INIT_START Runtime Version: nodejs:24\.\S+\tRuntime Version ARN: arn:aws:lambda:\S+\n$/,
        ),
        "START RequestId: # Version: $LATEST\n",
        "#\t#\tINFO\thello\n",
        "#\t#\tERROR\tERROR of hello\n",
        "END RequestId: #\n",
        expect.stringMatching(/^REPORT RequestId: #\tDuration: .* ms\t.*\t\n$/),
      ]);
      const filtered = await aws("filter-log-events", ...group, "--filter-pattern", '"ERROR of hello"');
      expect(filtered.events).toMatchObject([{ logStreamName: stream, timestamp: events[3].timestamp }]);
      const { logStreams } = await aws("describe-log-streams", ...group, "--order-by", "LastEventTime", "--descending");
      expect(logStreams).toMatchObject([{ logStreamName: stream, lastEventTimestamp: events[5].timestamp }]);
    });

    /** What `aws logs tail --follow` prints while `during` runs. @param during is given a wait for what it prints. */
    const tailing = async (name: string, during: (until: (part: string) => Promise<void>) => Promise<void>) => {
      const tail = spawn(AWS ?? "", args("tail", name, "--follow", "--since", "1h"), {
        env: { ...environment, PYTHONUNBUFFERED: "1" },
        stdio: ["ignore", "pipe", "inherit"],
      });
      let text = "";
      try {
        await during(async (part) => {
          while (!text.includes(part)) text += String((await once(tail.stdout, "data"))[0]);
        });
      } finally {
        tail.kill();
        await once(tail, "exit");
      }
      return text;
    };

    test("tails and follows", async () => {
      const text = await tailing("/aws/lambda/talker", async (until) => {
        await until("INFO\thello");
        const { requestId } = await caller.invoke("talker", { says: "again" });
        await until(`REPORT RequestId: ${requestId}`);
      });
      expect(text.match(/INFO\tagain/g)).toHaveLength(1);
    });

    test("reads a log group that two functions share, also after the server was killed", {
      timeout: 240_000,
    }, async () => {
      const shared = ["--log-group-name", "/my/group"];
      const named = async () => (await aws("describe-log-groups")).logGroups.map((each: LogGroup) => each.logGroupName);
      const said = async (...of: string[]) => {
        const { events } = await aws("filter-log-events", ...of, "--filter-pattern", "INFO");
        return events.map(({ message }: { message: string }) => message.split("\t").at(-1)?.trimEnd());
      };
      const logging = { LogGroup: "/my/group" };
      for (const name of ["one", "two"]) await caller.deploy(name, { files: { "index.js": WHERE }, logging });
      const { json: one } = await caller.invoke("one", { says: "of one" });
      expect(one.context).toEqual([
        "/my/group",
        expect.stringMatching(/^\d{4}\/\d\d\/\d\d\/one\[\$LATEST\][0-9a-f]{32}$/),
      ]);
      expect(one.environment).toEqual(one.context);
      const text = await tailing("/my/group", async (until) => {
        await until("of one");
        await caller.invoke("two", { says: "of two" });
        await until("of two");
      });
      expect(text).toMatch(/\/one\[\$LATEST\]\S+ .*of one\n[\s\S]*\/two\[\$LATEST\]\S+ .*of two\n/);
      expect(await named()).toEqual(["/aws/lambda/talker", "/my/group"]);
      expect((await aws("describe-log-streams", ...shared)).logStreams).toHaveLength(2);

      await hearth.kill();
      await hearth.start();
      const { json: again } = await caller.invoke("one", { says: "again" });
      expect(again.context).toEqual(one.context);
      const { events } = await aws(
        "get-log-events",
        ...shared,
        "--log-stream-name",
        one.context[1],
        "--limit",
        "10000",
      );
      expect(events.filter(({ message }: { message: string }) => message.startsWith("REPORT"))).toHaveLength(2);
      expect(await said(...shared)).toEqual(["of one", "of two", "again"]);

      // Another group: what was written before stays where it is, and is in the function's own log still.
      const change = JSON.stringify({ LoggingConfig: { LogGroup: "/aws/lambda/one" } });
      await caller.request("PUT", "/2015-03-31/functions/one/configuration", change);
      await caller.settled("one");
      const { json: own } = await caller.invoke("one", { says: "own" });
      expect(own.context).toEqual(["/aws/lambda/one", expect.stringMatching(/\/\[\$LATEST\][0-9a-f]{32}$/)]);
      expect(await said(...shared)).toEqual(["of one", "of two", "again"]);
      expect(await said("--log-group-name", "/aws/lambda/one")).toEqual(["own"]);
      expect((await hearth.functionLog("one")).match(/(?<=INFO\t).*/g)).toEqual(["of one", "again", "own"]);
      expect((await hearth.functionLog("two")).match(/(?<=INFO\t).*/g)).toEqual(["of two"]);

      await aws("delete-log-group", ...shared);
      await aws("delete-log-group", "--log-group-name", "/aws/lambda/one");
      expect(await named()).toEqual(["/aws/lambda/talker"]);
      expect(await hearth.functionLog("two")).toBe("");
    });
  });

  describe("boto3", skipUnless(python !== undefined, "needs boto3: python3 -m pip install boto3"), () => {
    test("does a tour of them", async () => {
      await caller.invoke("talker", { says: "boto" });
      const tour = fileURLToPath(new URL("./boto3-services.py", import.meta.url));
      const { stdout, stderr } = await run(python ?? "", [tour, hearth.url]);
      expect({ stdout, stderr }).toEqual({ stdout: "", stderr: "" });
    });
  });

  test("osls deploys a function, invokes it and shows its log", async () => {
    const project = join(folder, "osls");
    mkdirSync(project);
    writeFileSync(
      join(project, "serverless.yml"),
      "service: osls\nprovider: { name: aws, runtime: nodejs22.x }\nfunctions: { hi: { handler: index.handler } }\n",
    );
    writeFileSync(join(project, "index.js"), "exports.handler = async () => console.log('from osls') ?? 'deployed';");
    await caller.deploy("osls-dev-hi", { files: { "index.js": "" }, runtime: "nodejs22.x" });
    const serverless = async (...args: string[]) => {
      const env = {
        ...environment,
        AWS_ENDPOINT_URL: hearth.url,
        SLS_NOTIFICATIONS_MODE: "off",
        SLS_TELEMETRY_DISABLED: "1",
      };
      const running = run(process.execPath, [osls, ...args], { cwd: project, env });
      running.child.stdin?.end(); // It takes an event from there.
      return (await running).stdout;
    };
    await serverless("deploy", "function", "-f", "hi");
    expect(await serverless("invoke", "-f", "hi")).toContain('"deployed"');
    expect(await serverless("logs", "-f", "hi")).toMatch(/START[\s\S]*INFO\tfrom osls[\s\S]*END Duration/);
  });

  describe("Terraform", hasTerraform ? needsMoto : needsTerraform, () => {
    test("applies, changes, plans nothing more, destroys", { timeout: 600_000 }, async () => {
      const project = join(folder, "terraform");
      cpSync(fileURLToPath(new URL("./terraform", import.meta.url)), project, { recursive: true });
      const code = "exports.handler = async () => process.env.GREETING;";
      writeFileSync(join(project, "code.zip"), archiveOf({ "index.js": code }));
      writeFileSync(join(project, "layer.zip"), archiveOf({ "nodejs/a.txt": "a" }));
      const queue = await (aws as AwsWorld).queue("tf");
      const tf = async (greeting: string, ...args: string[]) => {
        const env = {
          ...environment,
          TF_VAR_endpoint: hearth.url,
          TF_VAR_greeting: greeting,
          TF_VAR_queue_arn: queue.arn,
          CHECKPOINT_DISABLE: "1",
        };
        const { stdout } = await run(terraform ?? "", [...args, "-input=false", "-no-color"], { cwd: project, env });
        return stdout;
      };
      const read = async (path: string) => JSON.parse((await caller.request("GET", path)).body.toString());
      const provisioned = () => read("/2019-09-30/functions/tf/provisioned-concurrency?Qualifier=live");
      const mappings = async () => (await read("/2015-03-31/event-source-mappings")).EventSourceMappings;
      const plugins = awsProvider?.slice(0, awsProvider.indexOf("/registry.terraform.io")) ?? "";
      await tf("hello", "init", `-plugin-dir=${plugins}`);
      expect(await tf("hello", "apply", "-auto-approve")).toContain("Apply complete! Resources: 14 added, 0 changed");
      expect((await caller.invoke("tf:live")).json).toBe("hello");
      expect(await provisioned()).toMatchObject({ Status: "READY", AvailableProvisionedConcurrentExecutions: 1 });
      const changed = await tf("changed", "apply", "-auto-approve");
      expect(changed).toMatch(/Apply complete! Resources: 0 added, \d+ changed, 0 destroyed/);
      expect((await caller.invoke("tf:live")).json).toBe("changed");
      expect(await provisioned()).toMatchObject({ Status: "READY", AllocatedProvisionedConcurrentExecutions: 2 });
      expect(await mappings()).toMatchObject([{ State: "Enabled", BatchSize: 20, EventSourceArn: queue.arn }]);
      await queue.send([{ body: '{"greeting":"changed"}' }, { body: '{"greeting":"hello"}' }]);
      const left = await eventually(
        () => queue.length(),
        (length) => length === 0,
        20_000,
      );
      expect(left).toBe(0);
      await expect.poll(mappings).toMatchObject([{ LastProcessingResult: "OK" }]);
      expect(await tf("changed", "plan")).toContain("No changes. Your infrastructure matches the configuration.");
      expect(await tf("changed", "destroy", "-auto-approve")).toContain("Destroy complete! Resources: 14 destroyed.");
      expect((await caller.invoke("tf")).status).toBe(404);
      expect(await mappings()).toEqual([]);
    });
  });
});
