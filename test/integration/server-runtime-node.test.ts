import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";
import { eventsOf } from "./server-fixture/cloudwatch-events.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";
import { LambdaCaller } from "./server-fixture/lambda-caller.ts";

/** An init that fails is repeated as part of the first invocation: on a busy machine both take longer than the 3 s of the default. */
const INIT_TWICE_S = 30;

/** Handlers of one module, by the ways in which Lambda's Node.js functions are written. */
const HANDLERS = `
exports.plain = async (event) => ({ got: event });
exports.late = () => new Promise((resolve) => setTimeout(resolve, 20, "late"));
exports.callback = (event, context, callback) => setTimeout(callback, 5, null, "called back");
exports.nothing = async () => {};
exports.context = async (event, context) => ({
  ...context,
  remainingMs: context.getRemainingTimeInMillis(),
});
class NoMoneyError extends Error { name = "NoMoneyError"; }
exports.throws = async () => { throw new NoMoneyError("none left"); };
exports.throwsText = async () => { throw "just text"; };
exports.unhandled = async () => { Promise.reject(new Error("nobody cares")); await new Promise((r) => setTimeout(r, 5000)); };
exports.uncaught = async () => { setTimeout(() => { throw new Error("out of the blue"); }, 5); await new Promise((r) => setTimeout(r, 5000)); };
exports.exits = async () => process.exit(7);
exports.aborts = async () => process.kill(process.pid, "SIGKILL");
exports.prints = async () => { console.log("one"); console.error(new Error("two")); process.stdout.write("three\\nfour\\n"); return "printed"; };
exports.environment = async () => process.env;
exports.circular = async () => { const a = {}; a.a = a; return a; };
let calls = 0;
exports.counts = async () => ++calls;
exports.versions = async () => process.version;
`;

const hearth = await startUnlessSkipped();
const lambda = new LambdaCaller(() => hearth?.url ?? "");

async function startUnlessSkipped(): Promise<HearthProcess | undefined> {
  return needsSandbox.skip === true ? undefined : HearthProcess.start({ provider: "sandbox" });
}
afterAll(async () => {
  lambda.close();
  await hearth?.[Symbol.asyncDispose]();
});

for (const runtime of ["nodejs22.x", "nodejs24.x"] as const) {
  const prefix = runtime.slice(6, 8);

  describe(`${runtime} in a sandbox`, needsSandbox, () => {
    const nameOf = (handler: string) => `${handler}-${prefix}`;
    const call = (handler: string, payload: unknown = {}) => lambda.invoke(nameOf(handler), payload, { tail: true });

    beforeAll(async () => {
      const handlers = [...HANDLERS.matchAll(/^exports\.(\w+)/gm)].map(([, name]) => name as string);
      await Promise.all(
        handlers.map((handler) =>
          lambda.deploy(nameOf(handler), {
            runtime,
            handler: `index.${handler}`,
            files: { "index.js": HANDLERS },
            environment: { COLOUR: "green" },
            ...(handler === "callback" ? { timeoutS: INIT_TWICE_S } : {}),
          }),
        ),
      );
    });

    test("is Node.js of that version", async () => {
      expect((await call("versions")).json).toMatch(new RegExp(`^v${prefix}\\.`));
    });

    test("passes events and results", async () => {
      const event = { text: "ä€😀", list: [1, null, true], nested: { a: {} } };
      expect((await call("plain", event)).json).toEqual({ got: event });
      expect((await call("plain", "")).json).toEqual({ got: {} });
      expect((await call("late")).json).toBe("late");
      expect((await call("nothing")).body.toString()).toBe("null");
    });

    test("has callback handlers up to nodejs22.x", async () => {
      const { json, functionError } = await call("callback");
      if (prefix === "22") expect(json).toBe("called back");
      else expect([functionError, json.errorType]).toEqual(["Unhandled", "Runtime.CallbackHandlerDeprecated"]);
    });

    test("gives a context object", async () => {
      const { json, requestId } = await call("context");
      expect(json).toMatchObject({
        awsRequestId: requestId,
        functionName: nameOf("context"),
        functionVersion: "$LATEST",
        memoryLimitInMB: "128",
        invokedFunctionArn: `arn:aws:lambda:us-east-1:000000000000:function:${nameOf("context")}`,
        logGroupName: `/aws/lambda/${nameOf("context")}`,
      });
      expect(json.logStreamName).toMatch(/^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/);
      expect(json.remainingMs).toBeGreaterThan(0);
      expect(json.remainingMs).toBeLessThanOrEqual(3000);
    });

    test("reports what the handler throws, and keeps the container", async () => {
      const { status, functionError, json } = await call("throws");
      expect([status, functionError]).toEqual([200, "Unhandled"]);
      expect(json).toMatchObject({ errorType: "NoMoneyError", errorMessage: "none left" });
      expect(json.trace[0]).toBe("NoMoneyError: none left");
      expect((await call("throws")).log).not.toContain("Init Duration");
      expect((await call("throwsText")).functionError).toBe("Unhandled");
    });

    test("reports unhandled rejections and exceptions, and starts anew", async () => {
      const rejected = await call("unhandled");
      expect(rejected.functionError).toBe("Unhandled");
      expect(rejected.json.errorType).toBe("Runtime.UnhandledPromiseRejection");
      const thrown = await call("uncaught");
      expect(thrown.functionError).toBe("Unhandled");
      expect(thrown.json.errorMessage).toContain("out of the blue");
      expect((await call("uncaught")).log).toContain("Init Duration");
    });

    test("reports exits and signals as Lambda does, and starts anew", async () => {
      const exited = await call("exits");
      expect([exited.status, exited.functionError]).toEqual([200, "Unhandled"]);
      expect(exited.json).toEqual({
        errorType: "Runtime.ExitError",
        errorMessage: `RequestId: ${exited.requestId} Error: Runtime exited with error: exit status 7`,
      });
      expect(exited.log).toContain("Status: error\tError Type: Runtime.ExitError");
      const [start, trouble] = await eventsOf(hearth?.url ?? "", nameOf("exits"), exited.requestId);
      expect(start).toMatch(/^START /);
      expect(trouble).toBe(`${exited.json.errorMessage}\nRuntime.ExitError\n`);
      expect((await call("exits")).log).toContain("Init Duration");
      expect((await call("aborts")).json.errorMessage).toMatch(/Runtime exited with error: signal: killed$/);
    });

    test("what is printed in init stands before START, if the init fails too", async () => {
      await lambda.deploy(nameOf("prints-in-init"), {
        runtime,
        files: { "index.js": 'console.log("init"); exports.handler = async () => console.log("handler");' },
      });
      await lambda.deploy(nameOf("fails-in-init"), {
        runtime,
        timeoutS: 30,
        files: { "index.js": 'console.log("init"); throw new Error("no");' },
      });
      const tails = [
        await lambda.invoke(nameOf("prints-in-init"), {}, { tail: true }),
        await lambda.invoke(nameOf("fails-in-init"), {}, { tail: true }),
        await lambda.invoke(nameOf("prints-in-init"), {}, { tail: true }),
      ].map(({ log }) => log);
      const [prints, fails, again] = tails.map(wordsOf);
      expect(prints).toEqual(["init", "START", "handler", "END", "REPORT"]);
      expect(fails).toEqual(["init", "INIT_REPORT init", "init", "INIT_REPORT invoke", "START", "END", "REPORT"]);
      expect(again).toEqual(["START", "handler", "END", "REPORT"]);
      expect(tails[1]).toMatch(/^REPORT .*\tStatus: error\tError Type: Error\t$/m);
      // The whole log says which runtime it was; what a caller is told does not.
      const whole = (await hearth?.functionLog(nameOf("fails-in-init"))) ?? "";
      expect(wordsOf(whole)).toEqual(["INIT_START", ...(fails ?? [])]);
    });

    test("writes START, END and REPORT around what the function prints", async () => {
      const { log, requestId } = await call("prints");
      const lines = log.split("\n");
      expect(lines[0]).toBe(`START RequestId: ${requestId} Version: $LATEST`);
      expect(log).toMatch(new RegExp(`^\\d{4}-[^\\t]+Z\\t${requestId}\\tINFO\\tone$`, "m"));
      expect(log).toMatch(new RegExp(`^\\d{4}-[^\\t]+Z\\t${requestId}\\tERROR\\tError: two\n    at [^\n]+\n`, "m"));
      expect(lines).toContain("three");
      expect(lines).toContain(`END RequestId: ${requestId}`);
      const report =
        /^REPORT RequestId: (\S+)\tDuration: ([\d.]+) ms\tBilled Duration: (\d+) ms\tMemory Size: 128 MB\tMax Memory Used: (\d+) MB\tInit Duration: ([\d.]+) ms\t$/m.exec(
          log,
        );
      expect(report?.[1]).toBe(requestId);
      expect(Number(report?.[3])).toBe(Math.ceil(Number(report?.[2]) + Number(report?.[5])));
      expect(Number(report?.[4])).toBeGreaterThan(5);
      expect(Number(report?.[4])).toBeLessThan(129);
      expect((await call("prints")).log).not.toContain("Init Duration");
      expect(await hearth?.functionLog(nameOf("prints"))).toContain(log);
      const events = await eventsOf(hearth?.url ?? "", nameOf("prints"), requestId);
      const own = events.slice(1, -2).map((message) => message.split("\t").at(-1));
      expect(own).toEqual(["one\n", expect.stringMatching(/^Error: two\n( {4}at .*\n)+$/), "three\n", "four\n"]);
    });

    test("sets the environment as Lambda does, and nothing of the host's", async () => {
      const { json } = await call("environment");
      expect(json).toMatchObject({
        COLOUR: "green",
        _HANDLER: "index.environment",
        AWS_REGION: "us-east-1",
        AWS_EXECUTION_ENV: `AWS_Lambda_${runtime}`,
        AWS_LAMBDA_FUNCTION_NAME: nameOf("environment"),
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "128",
        AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
        AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
        LAMBDA_TASK_ROOT: "/var/task",
        LAMBDA_RUNTIME_DIR: "/var/runtime",
        TZ: ":UTC",
      });
      expect(Object.keys(json).filter((name) => name in process.env && !EXPECTED_ON_BOTH.includes(name))).toEqual([]);
    });

    test("answers what is no JSON, or cannot become JSON", async () => {
      const refused = await call("plain", "{not json");
      expect([refused.status, refused.errorType]).toEqual([400, "InvalidRequestContentException"]);
      expect(refused.json.message).toMatch(/^Could not parse request body into json: /);
      expect((await call("circular")).functionError).toBe("Unhandled");
      expect((await call("plain", { still: "here" })).json).toEqual({ got: { still: "here" } });
    });

    test("keeps a module's state between warm invocations", async () => {
      for (const count of [1, 2, 3]) expect((await call("counts")).json).toBe(count);
    });

    test("reports what keeps a module from loading", async () => {
      const broken = {
        ImportModuleError: { "index.js": 'require("not-there");' },
        HandlerNotFound: { "index.js": "exports.other = 1;" },
        UserCodeSyntaxError: { "index.js": "exports.handler = (;" },
      };
      for (const [errorType, files] of Object.entries(broken)) {
        const name = `${errorType}-${prefix}`;
        await lambda.deploy(name, { runtime, files, timeoutS: INIT_TWICE_S });
        const { status, functionError, json } = await lambda.invoke(name);
        expect([status, functionError, json.errorType]).toEqual([200, "Unhandled", `Runtime.${errorType}`]);
      }
      const name = nameOf("evaluation");
      await lambda.deploy(name, {
        runtime,
        files: { "index.mjs": 'throw new RangeError("at load");' },
        timeoutS: INIT_TWICE_S,
      });
      expect((await lambda.invoke(name)).json).toMatchObject({ errorType: "RangeError", errorMessage: "at load" });
    });

    test("is started by the function's wrapper; its log is JSON, of the level that the function asks for", async () => {
      await lambda.deploy(nameOf("wrapped"), {
        runtime,
        files: {
          "index.js": `exports.handler = async () => {
            console.info("not said"); console.warn("said"); return [process.env.ADDED, globalThis.preloaded];
          };`,
          "preload.js": "globalThis.preloaded = true;",
          "bin/wrapper":
            '#!/bin/sh\nexport ADDED=yes\nnode=$1; shift\nexec "$node" --require /var/task/preload.js "$@"\n',
        },
        environment: { AWS_LAMBDA_EXEC_WRAPPER: "/var/task/bin/wrapper" },
        logging: { LogFormat: "JSON", ApplicationLogLevel: "WARN" },
      });
      const { json, log, requestId } = await lambda.invoke(nameOf("wrapped"), {}, { tail: true });
      expect(json).toEqual(["yes", true]);
      expect(linesOf(log)).toMatchObject([
        {
          type: "platform.initStart",
          record: { phase: "init", runtimeVersion: expect.stringMatching(/^nodejs:2\d\./) },
        },
        { type: "platform.start", record: { requestId, version: "$LATEST" } },
        { level: "WARN", message: "said", requestId },
        { type: "platform.report", record: { requestId, status: "success", metrics: { memorySizeMB: 128 } } },
      ]);
    });

    test("loads ES modules, packages and nested handlers", async () => {
      await lambda.deploy(nameOf("modules"), {
        runtime,
        handler: "lib/main.nested.handler",
        files: {
          "lib/main.mjs":
            'import { two } from "pack"; const three = await two() + 1; export const nested = { handler: async () => three };',
          "node_modules/pack/package.json": '{"name":"pack","type":"module","exports":"./two.js"}',
          "node_modules/pack/two.js": "export const two = async () => 2;",
        },
      });
      expect((await lambda.invoke(nameOf("modules"))).json).toBe(3);
    });
  });
}

/** Its lines' first words. */
const wordsOf = (log: string) =>
  [...log.matchAll(/\b(?:init|handler)$|^(?:INIT_START|START|END|REPORT)\b|^(INIT_REPORT) .*Phase: (\w+)/gm)].map(
    ([word, report, phase]) => (report === undefined ? word : `${report} ${phase}`),
  );

const linesOf = (log: string) =>
  log
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);

/** Set by Lambda as well as by shells; their values are checked elsewhere. */
const EXPECTED_ON_BOTH = [
  "PATH",
  "LANG",
  "TZ",
  "PWD",
  "SHLVL",
  "NODE_PATH",
  "LD_LIBRARY_PATH",
  "AWS_REGION",
  "AWS_DEFAULT_REGION",
];
