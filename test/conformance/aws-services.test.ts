import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findProgram } from "../../src/host/command.ts";
import { HearthProcess } from "../integration/server-fixture/hearth-process.ts";
import { LambdaCaller } from "../integration/server-fixture/lambda-caller.ts";
import { skipUnless } from "../skip.ts";
import { provider } from "./provider.ts";

/** Debian's: only version 2 of the CLI can tail. */
const AWS = existsSync("/usr/bin/aws") ? "/usr/bin/aws" : await findProgram("aws");
const PYTHONS = [process.env["HEARTH_BOTOCORE_PYTHON"] ?? "", "python3", "/usr/bin/python3"];
const python = PYTHONS.filter((name) => name !== "").find(
  (name) => spawnSync(name, ["-c", "import boto3"]).status === 0,
);
const run = promisify(execFile);

const CODE = `
  exports.handler = async (event, context) => {
    console.log(event.says);
    console.error("ERROR of", event.says);
    return context.logStreamName;
  };`;

/** Clients of the services beside Lambda, one after another against one server. */
describe("AWS's services beside Lambda", () => {
  const folder = mkdtempSync(join(tmpdir(), "hearth-services-"));
  let hearth: HearthProcess;
  let caller: LambdaCaller;
  let environment: Record<string, string>;

  beforeAll(async () => {
    hearth = await HearthProcess.start({ provider });
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
        "START RequestId: # Version: $LATEST\n",
        "#\t#\tINFO\thello\n",
        "#\t#\tERROR\tERROR of hello\n",
        "END RequestId: #\n",
        expect.stringMatching(/^REPORT RequestId: #\tDuration: .* ms\t.*\t\n$/),
      ]);
      const filtered = await aws("filter-log-events", ...group, "--filter-pattern", '"ERROR of hello"');
      expect(filtered.events).toMatchObject([{ logStreamName: stream, timestamp: events[2].timestamp }]);
      const { logStreams } = await aws("describe-log-streams", ...group, "--order-by", "LastEventTime", "--descending");
      expect(logStreams).toMatchObject([{ logStreamName: stream, lastEventTimestamp: events[4].timestamp }]);
    });

    test("tails and follows", async () => {
      const tail = spawn(AWS ?? "", args("tail", "/aws/lambda/talker", "--follow", "--since", "1h"), {
        env: { ...environment, PYTHONUNBUFFERED: "1" },
        stdio: ["ignore", "pipe", "inherit"],
      });
      let text = "";
      const until = async (part: string) => {
        while (!text.includes(part)) text += String((await once(tail.stdout, "data"))[0]);
      };
      try {
        await until("INFO\thello");
        const { requestId } = await caller.invoke("talker", { says: "again" });
        await until(`REPORT RequestId: ${requestId}`);
        expect(text.match(/INFO\tagain/g)).toHaveLength(1);
      } finally {
        tail.kill();
        await once(tail, "exit");
      }
    });
  });

  describe("boto3", skipUnless(python !== undefined, "needs boto3: python3 -m pip install boto3"), () => {
    test("does a tour of the log groups", async () => {
      await caller.invoke("talker", { says: "boto" });
      const tour = fileURLToPath(new URL("./boto3-logs.py", import.meta.url));
      const { stdout, stderr } = await run(python ?? "", [tour, hearth.url]);
      expect({ stdout, stderr }).toEqual({ stdout: "", stderr: "" });
    });
  });
});
