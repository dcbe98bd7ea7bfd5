import { chmodSync } from "node:fs";
import { join } from "node:path";
import { generate } from "selfsigned";
import { expect, test } from "vitest";
import { describeNodeRuntimes, type Files, workshop } from "./runtime-node-fixture.ts";

describeNodeRuntimes(({ is22, load, ready, start }) => {
  const forms: [name: string, files: Files, handler: string, result: unknown][] = [
    ["CommonJS, async", { "index.js": "exports.handler = async (e) => e.n + 1" }, "index.handler", 42],
    ["below default", { "index.js": "exports.default = { handler: async (e) => e.n }" }, "index.handler", 41],
    ["CommonJS, promise", { "index.js": "exports.handler = (e) => Promise.resolve(e.n)" }, "index.handler", 41],
    ["CommonJS, thenable", { "index.js": "exports.handler = (e) => ({ then: (f) => f(e.n) })" }, "index.handler", 41],
    [
      "file without extension",
      { index: "exports.handler = async () => 'bare'", "index.js": "" },
      "index.handler",
      "bare",
    ],
    [".js before .mjs", { "index.js": "exports.handler = async () => 'js'", "index.mjs": "" }, "index.handler", "js"],
    [
      ".mjs before .cjs",
      { "index.mjs": "export const handler = async () => 'mjs'", "index.cjs": "" },
      "index.handler",
      "mjs",
    ],
    [".cjs", { "index.cjs": "exports.handler = async () => 'cjs'" }, "index.handler", "cjs"],
    [
      "type: module",
      {
        "package.json": '{"type":"module"}',
        "index.js": "export const handler = async () => import.meta.url.slice(0, 5)",
      },
      "index.handler",
      "file:",
    ],
    [
      "top-level await",
      { "index.mjs": "const a = await new Promise((r) => setTimeout(r, 5, 7)); export const handler = async () => a" },
      "index.handler",
      7,
    ],
    [
      "folder and nested export",
      { "src/app.js": "exports.api = { get: { one: async () => 1 } }" },
      "src/app.api.get.one",
      1,
    ],
    [
      "class method keeps working",
      { "index.js": "class A { static async run() { return 'static' } }; exports.A = A" },
      "index.A.run",
      "static",
    ],
    ["package in node_modules", { "node_modules/pkg/index.js": "exports.h = async () => 'pkg'" }, "pkg.h", "pkg"],
    [
      "dependency of an ES module",
      {
        "node_modules/d/index.js": "module.exports = 3",
        "index.mjs": "import d from 'd'; export const handler = async () => d",
      },
      "index.handler",
      3,
    ],
    ["undefined becomes null", { "index.js": "exports.handler = async () => {}" }, "index.handler", null],
    ["function becomes null", { "index.js": "exports.handler = async () => () => 1" }, "index.handler", null],
    [
      "global JSON replaced",
      { "index.js": "globalThis.JSON = null; exports.handler = async (e) => e.n" },
      "index.handler",
      41,
    ],
    [
      "JSON's functions replaced",
      { "index.js": "JSON.parse = JSON.stringify = () => { throw 1 }; exports.handler = async (e) => e.n" },
      "index.handler",
      41,
    ],
    [
      "Promise, timers, Date replaced",
      {
        "index.js":
          "exports.handler = async (e) => { console.log(1); return e.n }; globalThis.Promise = globalThis.setImmediate = globalThis.Date = process.nextTick = null",
      },
      "index.handler",
      41,
    ],
  ];
  test.each(forms)("runs: %s", async (_name, files, handler, result) => {
    const process = await ready(files, handler);
    for (let i = 0; i < 2; i++) {
      const answer = await process.invoke({ n: 41 });
      expect(answer).toMatchObject({ kind: "result", requestId: "request-1", cpuUs: 0, memoryBytes: 0 });
      expect(JSON.parse(answer.text)).toEqual(result);
    }
  });

  const callbacks: [name: string, body: string, kind: "result" | "error", text: string][] = [
    ["callback", "(e, c, callback) => { setTimeout(callback, 2, null, 'later') }", "result", '"later"'],
    [
      "callback with an error",
      "(e, c, callback) => callback(new Error('x'))",
      "error",
      '"errorType":"Error","errorMessage":"x"',
    ],
    [
      "callback with a string as error",
      "(e, c, callback) => callback('x')",
      "error",
      '"errorType":"string","errorMessage":"x"',
    ],
    [
      "waits for an empty loop",
      "(e, c, callback) => { const r = []; setTimeout(() => r.push(1), 20); callback(null, r) }",
      "result",
      "[1]",
    ],
    [
      "does not wait when told so",
      "(e, c, callback) => { c.callbackWaitsForEmptyEventLoop = false; const r = []; setTimeout(() => r.push(1), 20); callback(null, r) }",
      "result",
      "[]",
    ],
    [
      "first call counts",
      "(e, c, callback) => { c.callbackWaitsForEmptyEventLoop = false; callback(null, 1); setTimeout(callback, 0, null, 2) }",
      "result",
      "1",
    ],
    ["context.done", "(e, c) => { c.done(null, 'd') }", "result", '"d"'],
    ["context.succeed", "(e, c) => { setTimeout(() => c.succeed('s'), 1) }", "result", '"s"'],
    ["context.fail", "(e, c) => { c.fail(new Error('f')) }", "error", '"errorMessage":"f"'],
    [
      "no promise, no callback: null when the loop is empty",
      "() => { setTimeout(() => {}, 5); return 'ignored' }",
      "result",
      "null",
    ],
  ];
  if (is22)
    test.each(callbacks)("callback handler: %s", async (_name, body, kind, text) => {
      const process = await ready(`exports.handler = ${body}`);
      for (let i = 0; i < 2; i++) {
        const answer = await process.invoke({});
        expect(answer.kind).toBe(kind);
        expect(answer.text).toContain(text);
      }
    });

  if (!is22)
    test("refuses callback handlers, and takes what a plain function returns", async () => {
      const { process, answer } = await load("exports.handler = (event, context, callback) => callback(null, 1)");
      expect(answer.kind).toBe("initError");
      expect(JSON.parse(answer.text)).toMatchObject({ errorType: "Runtime.CallbackHandlerDeprecated" });
      expect((await process.exited).status).toBeGreaterThan(0);
      const plain = await ready("exports.handler = (e, c) => [e.n, c.done, c.callbackWaitsForEmptyEventLoop]");
      expect((await plain.invoke({ n: 1 })).text).toBe("[1,null,null]");
    });

  test("gives the context, the environment and the trace id of the invocation", async () => {
    const environment = {
      AWS_LAMBDA_FUNCTION_NAME: "f",
      AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "256",
      AWS_LAMBDA_LOG_GROUP_NAME: "/aws/lambda/f",
      AWS_LAMBDA_LOG_STREAM_NAME: "stream",
      TZ: "Europe/Berlin",
      OWN: "übergröße\nzwei",
    };
    const code =
      "exports.handler = async (e, c) => ({ c, ms: c.getRemainingTimeInMillis(), env: process.env, cwd: process.cwd(), hour: new Date(0).getHours() })";
    const { process, root, answer } = await load(code, "index.handler", environment);
    expect(answer.kind).toBe("initDone");
    const members = { traceId: "Root=1-2-3", clientContext: '{"client":{"ü":1}}', deadlineMs: Date.now() + 60_000 };
    const seen = JSON.parse((await process.invoke({}, members)).text);
    expect(seen.c).toEqual({
      ...(is22 ? { callbackWaitsForEmptyEventLoop: true } : {}),
      functionVersion: "$LATEST",
      functionName: "f",
      memoryLimitInMB: "256",
      logGroupName: "/aws/lambda/f",
      logStreamName: "stream",
      clientContext: { client: { ü: 1 } },
      invokedFunctionArn: "arn:aws:lambda:us-east-1:000000000000:function:f",
      awsRequestId: "request-1",
      xRayTraceId: "Root=1-2-3",
    });
    expect(seen.ms).toBeGreaterThan(50_000);
    expect(seen.ms).toBeLessThanOrEqual(60_000);
    expect(seen.env).toEqual({ ...environment, _X_AMZN_TRACE_ID: "Root=1-2-3" });
    expect(seen.cwd).toBe(root);
    expect(seen.hour).toBe(1);
  });

  test("searches NODE_PATH as it is in the function's environment", async () => {
    const layer = workshop.writeFunction({ "layered/index.js": "module.exports = 'from the layer'" });
    const process = await ready("const l = require('layered'); exports.handler = async () => l", "index.handler", {
      NODE_PATH: layer,
    });
    expect((await process.invoke({})).text).toBe('"from the layer"');
  });

  test("tells libraries of the running invocation where AWS's package looks for it", async () => {
    const process = await ready(`exports.handler = async (own) => {
      const store = globalThis.awslambda.InvokeStore, before = store.get("own");
      store.set("own", own);
      let refused; try { store.set(Symbol.for("_AWS_LAMBDA_REQUEST_ID"), 1); } catch (error) { refused = error.message; }
      return [store.getRequestId(), store.getXRayTraceId(), store.getTenantId() ?? null, before ?? null, store.get("own"), !!refused];
    }`);
    const traced = { requestId: "a", traceId: "Root=1-a" };
    expect(JSON.parse((await process.invoke(1, traced)).text)).toEqual(["a", "Root=1-a", null, null, 1, true]);
    expect(JSON.parse((await process.invoke(2)).text)).toEqual(["request-1", "Root=1-1-1", null, null, 2, true]);
  });

  test("AWS_LAMBDA_EXEC_WRAPPER starts the runtime again, with what it adds", async () => {
    const files = {
      "index.js": `exports.handler = async () => {
        const { ADDED, HEARTH_WRAPPED } = process.env;
        return [ADDED, globalThis.preloaded, HEARTH_WRAPPED ?? null, process.cwd() === process.env.LAMBDA_TASK_ROOT];
      }`,
      "preload.js": "globalThis.preloaded = true",
      wrapper: '#!/bin/sh\nexport ADDED=yes\nnode=$1; shift\nexec "$node" --require ./preload.js "$@"\n',
      leaver: "#!/bin/sh\nexit 9\n",
    };
    const root = workshop.writeFunction(files);
    const wrapped = async (path: string) => {
      const runtime = start();
      const environment = {
        AWS_LAMBDA_EXEC_WRAPPER: path,
        _HANDLER: "index.handler",
        LAMBDA_TASK_ROOT: root,
      };
      return { runtime, answer: await runtime.init(root, "index.handler", environment).catch(() => undefined) };
    };
    for (const name of ["wrapper", "leaver"]) chmodSync(join(root, name), 0o755);
    const { runtime, answer } = await wrapped("./wrapper");
    expect(answer?.kind).toBe("initDone");
    expect(JSON.parse((await runtime.invoke({})).text)).toEqual(["yes", true, null, true]);
    runtime.child.kill("SIGTERM");
    expect(await runtime.exited).toMatchObject({ status: 143 });
    const endOf = async (name: string) => {
      const { runtime } = await wrapped(join(root, name));
      return [(await runtime.exited).status, runtime.log.replace(root, "")];
    };
    expect(await endOf("leaver")).toEqual([9, ""]);
    expect(await endOf("missing")).toEqual([127, "/missing: does not exist\n"]);
    expect(await endOf("index.js")).toEqual([126, "/index.js: is not an executable: EACCES\n"]);
  });

  test("trusts NODE_EXTRA_CA_CERTS, and warns of a file that is not there", async () => {
    const { cert } = await generate([{ name: "commonName", value: "own authority" }]);
    const files = {
      "index.js": `exports.handler = async (own) =>
        require("node:tls").getCACertificates("default").some((one) => one.trim() === own.trim())`,
      "own.pem": cert,
    };
    const root = workshop.writeFunction(files);
    const trusting = async (file: string) => {
      const runtime = start();
      await runtime.init(root, "index.handler", { NODE_EXTRA_CA_CERTS: join(root, file), LAMBDA_TASK_ROOT: root });
      return [(await runtime.invoke(cert)).text, runtime.log.includes("Ignoring extra certs")];
    };
    expect(await trusting("own.pem")).toEqual(["true", false]);
    expect(await trusting("missing.pem")).toEqual(["false", true]);
  });

  test("does what NODE_OPTIONS asks where that is still possible", async () => {
    const files = {
      "index.js": "exports.handler = async () => [globalThis.a, globalThis.b, process.sourceMapsEnabled]",
      "a.js": "globalThis.a = 1",
      "b.mjs": "globalThis.b = await 2",
    };
    const options = "--require ./a.js --import=./b.mjs --enable-source-maps --inspect";
    const process = await ready(files, "index.handler", { NODE_OPTIONS: options });
    expect(JSON.parse((await process.invoke({})).text).slice(0, 2)).toEqual([1, 2]);
  });
});
