import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findPythons, PYTHON_RUNTIMES } from "../../src/images/pythons.ts";
import type { PythonRuntime } from "../../src/model/runtime.ts";
import type { PoolsSnapshot } from "../../src/model/snapshot.ts";
import { skipUnless } from "../skip.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";
import { eventsOf } from "./server-fixture/cloudwatch-events.ts";
import { eventually } from "./server-fixture/eventually.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";
import { LambdaCaller } from "./server-fixture/lambda-caller.ts";

/** Handlers of one module, by the ways in which Lambda's Python functions are written. */
const HANDLERS = `
import json, logging, os, sys, threading, time
from collections import namedtuple

log = logging.getLogger()
log.setLevel(logging.INFO)
calls = 0
ticks = []

def plain(event, context): return {"got": event}
def nothing(event, context): pass
def context(event, context):
    return {**{name: value for name, value in vars(context).items() if isinstance(value, str)},
        "remainingMs": context.get_remaining_time_in_millis()}
class NoMoneyError(Exception): pass
def raises(event, context): raise NoMoneyError("none left")
def exits(event, context): sys.exit(7)
def exits_well(event, context): sys.exit()
def kills(event, context): os.kill(os.getpid(), 9)
def sleeps(event, context): print("before", flush=True); time.sleep(60)
def prints(event, context):
    print("one\\nand more"); log.info("two\\nand more"); print("three", file=sys.stderr); os.write(1, b"four\\n"); return "printed"
def environment(event, context): return dict(os.environ)
def unserializable(event, context): return {1, 2}
def counts(event, context):
    global calls
    calls += 1
    return calls
def place(event, context):
    import ctypes, sqlite3, ssl, zoneinfo
    return {"version": sys.version_info[:2], "prefix": sys.prefix, "executable": sys.executable, "path": sys.path,
        "home": sorted(os.listdir("/var/lang")), "root": sorted(os.listdir("/")), "ssl": ssl.OPENSSL_VERSION}
def writes(event, context):
    refused = []
    for path in ("/var/lang/lib/x", "/var/task/x", "/var/runtime/x", sys.prefix + "/bin/x"):
        try: open(path, "w").close()
        except OSError as error: refused.append(error.errno)
    open("/tmp/x", "w").close()
    return refused
def sdk(event, context):
    import boto3
    client = boto3.client("s3", aws_access_key_id="a", aws_secret_access_key="b")
    return client.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"})
def thread(event, context):
    def tick():
        while True:
            ticks.append(time.monotonic()); time.sleep(0.005)
    if not ticks: threading.Thread(target=tick, daemon=True).start()
    time.sleep(0.05)
    return len(ticks)
def spawns(event, context):
    import subprocess
    return json.loads(subprocess.run([sys.executable, "-c", "import json, ssl, sys; print(json.dumps(sys.prefix))"],
        capture_output=True, text=True).stdout)
def echo(event, context): return event
`;

/** An init that fails is repeated as part of the first invocation: on a busy machine both take longer than the 3 s of the default. */
const INIT_TWICE_S = 30;

const EXECUTABLE = /^\/var\/lang\/bin\/python3\.\d+$/;
const pythons = await findPythons();
const runtimes = PYTHON_RUNTIMES.filter((runtime) => pythons[runtime] !== undefined);
const hasSdk = Object.values(pythons).some(({ sdk }) => sdk !== null);
const absent = PYTHON_RUNTIMES.find((runtime) => pythons[runtime] === undefined);

const hearth = await startUnlessSkipped();
const lambda = new LambdaCaller(() => hearth?.url ?? "");

async function startUnlessSkipped(): Promise<HearthProcess | undefined> {
  return needsSandbox.skip === true ? undefined : HearthProcess.start({ provider: "sandbox" });
}
afterAll(async () => {
  lambda.close();
  await hearth?.[Symbol.asyncDispose]();
});

const isBlank = (runtime: PythonRuntime) => (pools: PoolsSnapshot) =>
  pools.instances.some(({ containers }) =>
    containers.some((container) => container.runtime === runtime && container.state === "blank"),
  );
const pools = async () => (await lambda.request("GET", "/_hearth/pools")).body;

describe("Python in a sandbox", needsSandbox, () => {
  test("is on this machine", skipUnless(runtimes.length > 0, "needs Python 3.11 or newer"), async () => {
    const status = JSON.parse((await lambda.request("GET", "/_hearth/status")).body.toString());
    expect(Object.keys(status.pythons)).toEqual(runtimes);
    for (const text of Object.values(status.pythons)) expect(text).toMatch(/^Python 3\.\d+\.\S+ of \/\S+, .*boto3/);
  });

  test("has no blank containers before there is a function", async () => {
    const { instances } = JSON.parse((await pools()).toString()) as PoolsSnapshot;
    const kinds = instances.flatMap(({ containers }) => containers.map(({ runtime }) => runtime));
    expect(kinds.filter((runtime) => runtime.startsWith("python"))).toEqual([]);
  });

  if (absent !== undefined) {
    test("that is not on this machine is refused with the remedy", async () => {
      const { status, body } = await lambda.create("absent", { runtime: absent, files: { "index.py": "" } });
      expect([status, JSON.parse(body.toString()).message]).toEqual([
        400,
        expect.stringMatching(
          new RegExp(
            `^Runtime ${absent} cannot run on this server: the machine has no ${absent} \\(it has .*\\)\\. Install`,
          ),
        ),
      ]);
    });
  }
});

for (const runtime of runtimes) {
  const minor = Number(runtime.split(".")[1]);

  describe(`${runtime} in a sandbox`, needsSandbox, () => {
    const nameOf = (handler: string) => `${handler}-${minor}`;
    const call = (handler: string, payload: unknown = {}) => lambda.invoke(nameOf(handler), payload, { tail: true });

    beforeAll(async () => {
      const handlers = [...HANDLERS.matchAll(/^def (\w+)/gm)].map(([, name]) => name as string);
      for (const handler of handlers) {
        await lambda.deploy(nameOf(handler), {
          runtime,
          handler: `index.${handler}`,
          files: { "index.py": HANDLERS },
          memoryMiB: handler === "sdk" || handler === "echo" ? 512 : 128,
          environment: { COLOUR: "green" },
          ...(handler === "sleeps" ? { timeoutS: 1 } : { timeoutS: 20 }),
        });
      }
    }, 60_000);

    test("is started by the function's wrapper; its log is JSON, of the level that the function asks for", async () => {
      await lambda.deploy(nameOf("wrapped"), {
        runtime,
        files: {
          "index.py": `import logging, os, sys
log = logging.getLogger()
def handler(event, context):
    log.info("not said"); log.warning("said"); return [os.environ["ADDED"], sys.flags.optimize]`,
          "bin/wrapper": '#!/bin/sh\nexport ADDED=yes\npython=$1; shift\nexec "$python" -O "$@"\n',
        },
        environment: { AWS_LAMBDA_EXEC_WRAPPER: "/var/task/bin/wrapper" },
        logging: { LogFormat: "JSON", ApplicationLogLevel: "WARN" },
      });
      const { json, log, requestId } = await lambda.invoke(nameOf("wrapped"), {}, { tail: true });
      expect(json, log).toEqual(["yes", 1]);
      expect(log.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]))).toMatchObject([
        { type: "platform.initStart", record: { phase: "init" } },
        { type: "platform.start", record: { requestId, version: "$LATEST" } },
        { level: "WARNING", message: "said", requestId },
        { type: "platform.report", record: { requestId, status: "success" } },
      ]);
    });

    test("finds shared libraries in the function's lib and in its layers'", async () => {
      const library = (result: number) => {
        const path = join(tmpdir(), `hearth-test-${randomUUID()}.so`);
        execFileSync("gcc", ["-shared", "-nostdlib", "-o", path, "-x", "c", "-"], {
          input: `int value(void) { return ${result}; }`,
        });
        const bytes = readFileSync(path);
        rmSync(path);
        return bytes;
      };
      const layer = await lambda.publishLayer(nameOf("native"), { "lib/liblayered.so": library(7) });
      await lambda.deploy(nameOf("native"), {
        runtime,
        timeoutS: 20,
        layers: [layer],
        files: {
          "index.py": `import ctypes
def handler(event, context): return [ctypes.CDLL(name).value() for name in ("libowned.so", "liblayered.so")]`,
          "lib/libowned.so": library(5),
        },
      });
      const { json, log } = await lambda.invoke(nameOf("native"), {}, { tail: true });
      expect(json, log).toEqual([5, 7]);
    });

    test("gets a blank container once there is a function", async () => {
      const found = await eventually(pools, (body) => isBlank(runtime)(JSON.parse(body.toString())), 20_000);
      expect(isBlank(runtime)(JSON.parse(found.toString()))).toBe(true);
    });

    test("is Python of that version, in AWS's place, with nothing else of the host", async () => {
      const { json } = await call("place");
      expect(json).toMatchObject({
        version: [3, minor],
        prefix: "/var/lang",
        executable: expect.stringMatching(EXECUTABLE),
        home: ["bin", "lib"],
      });
      expect(json.root).not.toContain("root");
      expect(json.path.slice(0, 3)).toEqual(["/var/task", `/opt/python/lib/${runtime}/site-packages`, "/opt/python"]);
      expect(json.path.filter((path: string) => !/^\/(var|opt)\//.test(path))).toEqual([]);
      expect((await call("spawns")).json).toBe("/var/lang");
    });

    test("cannot write where its interpreter and code are", async () => {
      expect((await call("writes")).json).toEqual([30, 30, 30, 30]);
    });

    test("passes events and results", async () => {
      const event = { text: "ä€😀", list: [1, null, true], nested: { a: {} } };
      expect((await call("plain", event)).json).toEqual({ got: event });
      expect((await call("plain", "")).json).toEqual({ got: {} });
      expect((await call("nothing")).body.toString()).toBe("null");
    });

    test("gives a context object", async () => {
      const { json, requestId } = await call("context");
      expect(json).toMatchObject({
        aws_request_id: requestId,
        function_name: nameOf("context"),
        function_version: "$LATEST",
        memory_limit_in_mb: "128",
        invoked_function_arn: `arn:aws:lambda:us-east-1:000000000000:function:${nameOf("context")}`,
        log_group_name: `/aws/lambda/${nameOf("context")}`,
        log_stream_name: expect.stringMatching(/^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/),
      });
      expect(json.remainingMs).toBeGreaterThan(0);
      expect(json.remainingMs).toBeLessThanOrEqual(20_000);
    });

    test("reports what the handler raises, and keeps the container", async () => {
      const { status, functionError, json, requestId, log } = await call("raises");
      expect([status, functionError]).toEqual([200, "Unhandled"]);
      expect(json).toEqual({
        errorMessage: "none left",
        errorType: "NoMoneyError",
        requestId,
        stackTrace: [expect.stringMatching(/^ {2}File "\/var\/task\/index\.py", line \d+, in raises\n/)],
      });
      expect(log).toContain("[ERROR] NoMoneyError: none left\nTraceback (most recent call last):\n");
      expect((await call("raises")).log).not.toContain("Init Duration");
    });

    test("reports exits, signals and time-outs as Lambda does, and starts anew", async () => {
      const exited = await call("exits");
      expect(exited.json).toEqual({
        errorType: "Runtime.ExitError",
        errorMessage: `RequestId: ${exited.requestId} Error: Runtime exited with error: exit status 7`,
      });
      expect((await call("exits")).log).toContain("Init Duration");
      expect((await call("exits_well")).json.errorMessage).toMatch(/Runtime exited without providing a reason$/);
      expect((await call("kills")).json.errorMessage).toMatch(/Runtime exited with error: signal: killed$/);
      const late = await call("sleeps");
      expect(late.json.errorMessage).toMatch(/Task timed out after 1\.00 seconds$/);
      expect(late.log).toContain("before\n");
    });

    test("writes START, END and REPORT around what the function says", async () => {
      const { log, requestId } = await call("prints");
      const lines = log.split("\n");
      expect(lines[0]).toBe(`START RequestId: ${requestId} Version: $LATEST`);
      expect(lines).toEqual(expect.arrayContaining(["one", "and more", "three", `END RequestId: ${requestId}`]));
      expect(log).toMatch(new RegExp(`^one\nand more\n\\[INFO\\]\t\\S+Z\t${requestId}\ttwo\nand more\nthree$`, "m"));
      const report = /Max Memory Used: (\d+) MB\tInit Duration: ([\d.]+) ms\t$/m.exec(log);
      expect(Number(report?.[1])).toBeGreaterThan(5);
      expect((await call("prints")).log).not.toContain("Init Duration");
      const events = await eventsOf(hearth?.url ?? "", nameOf("prints"), requestId);
      const own = events.map((message) => message.split("\t").at(-1)).slice(1, 5);
      expect(own).toEqual(["one\n", "and more\n", "two\nand more\n", "three\n"]);
      // What does not go through Python's own streams may come behind the answer.
      const written = () => hearth?.functionLog(nameOf("prints")) ?? Promise.resolve("");
      expect(await eventually(written, (text) => text.includes("\nfour\n"), 5000)).toContain("\nfour\n");
    });

    test("sets the environment as Lambda does, and nothing of the host's", async () => {
      const { json } = await call("environment");
      expect(json).toMatchObject({
        COLOUR: "green",
        _HANDLER: "index.environment",
        AWS_EXECUTION_ENV: `AWS_Lambda_${runtime}`,
        LAMBDA_TASK_ROOT: "/var/task",
        LAMBDA_RUNTIME_DIR: "/var/runtime",
        PYTHONPATH: "/var/runtime",
        TZ: ":UTC",
        _X_AMZN_TRACE_ID: expect.stringMatching(/^Root=1-/),
      });
      expect(json.NODE_PATH).toBeUndefined();
      expect(JSON.stringify(json)).not.toContain(process.env["HOME"]);
    });

    test("answers what is no JSON, or cannot become JSON", async () => {
      const refused = await call("plain", "{not json");
      expect([refused.status, refused.errorType]).toEqual([400, "InvalidRequestContentException"]);
      expect((await call("unserializable")).json.errorType).toBe("Runtime.MarshalError");
      expect((await call("plain", { still: "here" })).json).toEqual({ got: { still: "here" } });
    });

    test("6 MB go both ways", async () => {
      const payload = `"${"x".repeat(6_291_454)}"`;
      const { status, body } = await call("echo", payload);
      expect([status, body.equals(Buffer.from(payload))]).toEqual([200, true]);
    });

    test("keeps a module's state between warm invocations, and its threads going", async () => {
      for (const count of [1, 2, 3]) expect((await call("counts")).json).toBe(count);
      const first = (await call("thread")).json;
      expect((await call("thread")).json).toBeGreaterThan(first);
    });

    test("has boto3 for functions that do not bring it", skipUnless(hasSdk, "needs python3-boto3"), async () => {
      const { json, functionError } = await call("sdk");
      expect([functionError, json]).toEqual([undefined, expect.stringMatching(/^https:\/\/.*bucket.*key/)]);
    });

    test("reports what keeps a module from loading", async () => {
      const broken = {
        ImportModuleError: "import not_there",
        HandlerNotFound: "other = 1",
        UserCodeSyntaxError: "def handler(",
      };
      for (const [errorType, code] of Object.entries(broken)) {
        const name = nameOf(errorType);
        await lambda.deploy(name, { runtime, files: { "index.py": code }, timeoutS: INIT_TWICE_S });
        const { status, functionError, json } = await lambda.invoke(name);
        expect([status, functionError, json.errorType]).toEqual([200, "Unhandled", `Runtime.${errorType}`]);
        expect(json.requestId).toBe("");
      }
    });
  });
}
