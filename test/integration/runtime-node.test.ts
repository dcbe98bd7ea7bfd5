import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { skipUnless } from "../skip.ts";
import {
  NODE_RUNTIMES,
  type NodeRuntime,
  NodeRuntimeProcess,
  nodeBinaryPath,
  RuntimeWorkshop,
} from "./node-runtime-process.ts";

const workshop = new RuntimeWorkshop();
const processes: NodeRuntimeProcess[] = [];
beforeAll(() => workshop.open());
afterAll(() => workshop.close());
afterEach(async () => {
  for (const process of processes.splice(0)) await process.stop();
});

for (const runtime of NODE_RUNTIMES) {
  const binary = nodeBinaryPath(runtime);
  describe(runtime, skipUnless(binary !== undefined, `npm has no ${runtime} for this host`), () =>
    testRuntime(runtime, binary ?? ""),
  );
}

function testRuntime(runtime: NodeRuntime, binary: string): void {
  const is22 = runtime === "nodejs22.x";

  function start(environment: Record<string, string> = {}): NodeRuntimeProcess {
    const process = new NodeRuntimeProcess(binary, workshop.bundlePath, environment);
    processes.push(process);
    return process;
  }

  type Files = Readonly<Record<string, string>>;
  async function load(files: Files | string, handler = "index.handler", environment: Record<string, string> = {}) {
    const process = start();
    const root = workshop.writeFunction(typeof files === "string" ? { "index.js": files } : files);
    const answer = await process.init(root, handler, environment);
    return { process, answer, root };
  }

  async function ready(files: Files | string, handler?: string, environment?: Record<string, string>) {
    const loaded = await load(files, handler, environment);
    expect(loaded.answer).toMatchObject({ kind: "initDone" });
    return loaded.process;
  }

  const forms: [name: string, files: Files, handler: string, result: unknown][] = [
    ["CommonJS, async", { "index.js": "exports.handler = async (e) => e.n + 1" }, "index.handler", 42],
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

  const failures: [name: string, body: string, errorType: string, errorMessage: string][] = [
    ["throws", "async () => { throw new TypeError('no') }", "TypeError", "no"],
    ["throws at once", "() => { throw new RangeError('now') }", "RangeError", "now"],
    ["throws a string", "async () => { throw 'text' }", "string", "text"],
    ["throws undefined", "async () => { throw undefined }", "undefined", "undefined"],
    ["own name", "async () => { const e = new Error('m'); e.name = 'Mine'; throw e }", "Mine", "m"],
    [
      "circular result",
      "async () => { const a = {}; a.a = a; return a }",
      is22 ? "Error" : "Runtime.JSONStringifyError",
      "Unable to stringify response body",
    ],
    [
      "BigInt result",
      "async () => 1n",
      is22 ? "Error" : "Runtime.JSONStringifyError",
      "Unable to stringify response body",
    ],
    [
      "promise that nothing settles",
      "() => new Promise(() => {})",
      "Runtime.NodejsExit",
      "Lambda runtime client detected an unexpected Node.js exit code.",
    ],
    [
      "hostile error",
      "async () => { throw { name: 1, message: 2, get stack() { throw 3 } } }",
      "handled",
      "callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack",
    ],
  ];
  test.each(failures)("reports and goes on: %s", async (_name, body, errorType, errorMessage) => {
    const process = await ready(
      `let calls = 0; const f = ${body}; exports.handler = (e) => calls++ ? Promise.resolve('on') : f(e)`,
    );
    const failed = await process.invoke({});
    expect(failed).toMatchObject({ kind: "error", fatal: false });
    expect(JSON.parse(failed.text)).toMatchObject({ errorType, errorMessage, trace: expect.any(Array) });
    expect(await process.invoke({})).toMatchObject({ kind: "result", text: '"on"' });
    expect(process.log).toMatch(/^\S+Z\trequest-1\tERROR\tInvoke Error \t\{.*"stack":\[/);
  });

  test("gives a trace that names the function's file", async () => {
    const process = await ready("exports.handler = async () => { throw new Error('x') }");
    const { trace } = JSON.parse((await process.invoke({})).text);
    expect(trace[0]).toBe("Error: x");
    expect(trace[1]).toContain("index.js:1");
  });

  const initErrors: [name: string, files: Files, handler: string, errorType: string, message: RegExp][] = [
    [
      "no such module",
      { "index.js": "" },
      "other.handler",
      "Runtime.ImportModuleError",
      /^Error: Cannot find module 'other'\nRequire stack:\n- /,
    ],
    [
      "missing dependency",
      { "index.js": "require('absent')" },
      "index.handler",
      "Runtime.ImportModuleError",
      /^Error: Cannot find module 'absent'\nRequire stack:\n- .*index\.js/,
    ],
    [
      "missing dependency of an ES module",
      { "index.mjs": "import 'absent'" },
      "index.handler",
      "Error",
      /^Cannot find package 'absent' imported from /,
    ],
    [
      "no such export",
      { "index.js": "" },
      "index.handler",
      "Runtime.HandlerNotFound",
      /^index\.handler is undefined or not exported$/,
    ],
    [
      "no such nested export",
      { "index.mjs": "export const a = {}" },
      "index.a.b.c",
      "Runtime.HandlerNotFound",
      /^index\.a\.b\.c is undefined or not exported$/,
    ],
    [
      "not a function",
      { "index.js": "exports.handler = 1" },
      "index.handler",
      "Runtime.HandlerNotFound",
      /^index\.handler is not a function$/,
    ],
    [
      "syntax",
      { "index.js": "exports.handler = {{" },
      "index.handler",
      "Runtime.UserCodeSyntaxError",
      /^SyntaxError: /,
    ],
    [
      "syntax of an ES module",
      { "index.mjs": "export const = 1" },
      "index.handler",
      "Runtime.UserCodeSyntaxError",
      /^SyntaxError: /,
    ],
    ["no dot", { "index.js": "" }, "handler", "Runtime.MalformedHandlerName", /^Bad handler$/],
    [
      "above the root",
      { "index.js": "" },
      "../index.handler",
      "Runtime.MalformedHandlerName",
      /^'\.\.\/index\.handler' is not a valid handler name\./,
    ],
    ["module throws", { "index.js": "throw new RangeError('at load')" }, "index.handler", "RangeError", /^at load$/],
    ["module throws undefined", { "index.js": "throw undefined" }, "index.handler", "undefined", /^undefined$/],
    [
      "rejection while loading",
      { "index.mjs": "Promise.reject(new Error('early')); await new Promise(() => setTimeout(() => {}, 1e6))" },
      "index.handler",
      "Runtime.UnhandledPromiseRejection",
      /^Error: early$/,
    ],
  ];
  test.each(initErrors)("refuses to start: %s", async (_name, files, handler, errorType, message) => {
    const { process, answer } = await load(files, handler);
    expect(answer.kind).toBe("initError");
    const error = JSON.parse(answer.text);
    expect(error).toMatchObject({ errorType, errorMessage: expect.stringMatching(message), trace: expect.any(Array) });
    const exit = await process.exited;
    expect(exit.status).toBeGreaterThan(0);
    expect(process.log).toContain("\tundefined\tERROR\t");
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

  test("takes an empty payload for {}, and refuses what is no JSON", async () => {
    const process = await ready("exports.handler = async (e) => e");
    expect(await process.invoke(undefined)).toMatchObject({ kind: "result", text: "{}" });
    process.send({ kind: "invoke", requestId: "r", deadlineMs: 0, invokedArn: "", traceId: "", retries: 0 }, "{no");
    expect(await process.next()).toEqual({ kind: "invalidPayload", requestId: "r", text: "" });
    expect(await process.invoke([null, "ü", 1e21])).toMatchObject({ text: '[null,"ü",1e+21]' });
  });

  test("answers up to 6,291,556 bytes and no more", async () => {
    const process = await ready("exports.handler = async (n) => 'x'.repeat(n - 2)");
    const largest = await process.invoke(6_291_556);
    expect([largest.kind, largest.text.length]).toEqual(["result", 6_291_556]);
    expect((await process.invoke(6_291_557)).kind).toBe("responseTooLarge");
    expect((await process.invoke(10)).text).toBe('"xxxxxxxx"');
    const counting = await ready("exports.handler = async (n) => 'ü'.repeat(n)");
    expect((await counting.invoke(3_145_777)).kind).toBe("result");
    expect((await counting.invoke(3_145_778)).kind).toBe("responseTooLarge");
  });

  test("takes a 6 MiB payload", async () => {
    const process = await ready("exports.handler = async (e) => e.length");
    expect((await process.invoke("ü".repeat(3_145_700))).text).toBe("3145700");
  });

  const deaths: [name: string, body: string, status: number, errorType: string | undefined][] = [
    [
      "unhandled rejection",
      "async () => { Promise.reject(new Error('lost')); await new Promise((r) => setTimeout(r, 1e6)) }",
      128,
      "Runtime.UnhandledPromiseRejection",
    ],
    [
      "uncaught exception",
      "async () => { setTimeout(() => { throw new RangeError('lost') }); await new Promise((r) => setTimeout(r, 1e6)) }",
      129,
      "RangeError",
    ],
    [
      "process.exit",
      "async () => { console.log('last words'); process.stdout.write('half a line'); process.exit(7) }",
      7,
      undefined,
    ],
  ];
  test.each(deaths)("ends with: %s", async (_name, body, status, errorType) => {
    const process = await ready(`exports.handler = ${body}`);
    const answer = process.invoke({});
    if (errorType === undefined) {
      await expect(answer).rejects.toThrow("the runtime exited");
      expect(process.log).toMatch(/\tINFO\tlast words\nhalf a line\n$/);
    } else {
      const failed = await answer;
      expect(failed).toMatchObject({ kind: "error", fatal: true });
      expect(JSON.parse(failed.text)).toMatchObject({ errorType, errorMessage: expect.stringContaining("lost") });
    }
    expect((await process.exited).status).toBe(status);
  });

  test("a process.exit that the function replaced does not stop it from ending", async () => {
    const process = await ready(
      "process.exit = () => {}; exports.handler = async () => { setTimeout(() => { throw new Error('x') }); await new Promise((r) => setTimeout(r, 1e6)) }",
    );
    expect(await process.invoke({})).toMatchObject({ kind: "error", fatal: true });
    expect((await process.exited).status).toBe(129);
  });

  test("exits when background work fails between invocations", async () => {
    const process = await ready(
      "exports.handler = async () => { setTimeout(() => { throw new Error('late') }, 5); return 1 }",
    );
    expect((await process.invoke({})).text).toBe("1");
    expect((await process.exited).status).toBe(129);
    expect(process.log).toContain("ERROR\tUncaught Exception \t");
  });

  test("logs in order and before the result", async () => {
    const process = await ready(
      `exports.handler = async (e) => {
         console.log("a", { b: 1 }); console.warn("w"); console.error("e\\nf"); console.debug("d"); console.trace("t"); console.info("%d%%", 5);
         process.stdout.write("half "); process.stderr.write(Buffer.from("line\\nnext")); console.log("after"); process.stdout.write("end", () => {});
         return 1;
       }`,
    );
    await process.invoke({});
    const lines = process.log.replace(/^\S+Z\t/gm, "").split("\n");
    expect(lines).toEqual([
      "request-1\tINFO\ta { b: 1 }",
      "request-1\tWARN\tw",
      "request-1\tERROR\te",
      "f",
      "request-1\tDEBUG\td",
      "request-1\tTRACE\tt",
      "request-1\tINFO\t5%",
      "half line",
      "next",
      "request-1\tINFO\tafter",
      "end",
      "",
    ]);
  });

  test("what was logged before an endless loop is there", async () => {
    const process = await ready("exports.handler = async () => { console.log('here'); for (;;); }");
    void process.invoke({}).catch(() => {});
    await expect.poll(() => process.log).toContain("INFO\there");
  });

  test("logs while the handler still waits", async () => {
    const process = await ready(
      "exports.handler = async () => { console.log('early'); await new Promise((r) => globalThis.go = r) }; setInterval(() => {}, 1e6)",
    );
    const answer = process.invoke({});
    const logged = new Promise<void>((resolve) =>
      process.channel.on("data", () => process.log.includes("early") && resolve()),
    );
    await Promise.race([logged, answer]);
    expect(process.log).toContain("\tINFO\tearly\n");
    answer.catch(() => {});
  });

  test("logs JSON at the chosen level", async () => {
    const process = await ready(
      "exports.handler = async () => { console.debug('no'); console.info({ a: 1 }); console.warn('w', 2); console.error('e', new TypeError('t')); console.error(new TypeError('u')); console.log(1n); throw new Error('x') }",
      "index.handler",
      { AWS_LAMBDA_LOG_FORMAT: "JSON", AWS_LAMBDA_LOG_LEVEL: "info" },
    );
    await process.invoke({});
    const lines = process.log
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const base = { timestamp: expect.any(String), requestId: "request-1" };
    expect(lines).toEqual([
      { ...base, level: "INFO", message: { a: 1 } },
      { ...base, level: "WARN", message: "w 2" },
      {
        ...base,
        level: "ERROR",
        message: expect.stringContaining("e TypeError: t"),
        errorType: "TypeError",
        errorMessage: "t",
        stackTrace: expect.any(Array),
      },
      {
        ...base,
        level: "ERROR",
        message: { errorType: "TypeError", errorMessage: "u", stackTrace: expect.any(Array) },
      },
      { ...base, level: "INFO", message: "1n" },
      { ...base, level: "ERROR", message: expect.objectContaining({ errorType: "Error", errorMessage: "x" }) },
    ]);
  });

  test("a loop of log lines and a huge one do not fill the memory", async () => {
    const process = await ready(
      "exports.handler = async () => { for (let i = 0; i < 200000; i++) console.log('line ' + i + ' of a function that never rests'); console.log('ü'.repeat(9e6)); return process.memoryUsage().rss }",
    );
    const answer = await process.invoke({});
    expect(process.log).toContain("line 199999 of");
    expect(process.log.match(/ü/g)).toHaveLength(9e6);
    expect(Number(answer.text)).toBeLessThan(400e6);
  });

  test("keeps the channel from the function's child processes", async () => {
    const process = await ready(
      `const { spawnSync } = require("node:child_process");
       exports.handler = async () => spawnSync("/bin/sh", ["-c", "echo started; : 2>/dev/null >&3 && echo open"]).stdout.toString()`,
    );
    const answer = (await process.invoke({})).text;
    expect(answer).toContain("started");
    expect(answer).not.toContain("open");
  });

  test("reports usage only when told to, and hides that setting", async () => {
    const process = start({ HEARTH_REPORT_USAGE: "1" });
    const code =
      "exports.handler = async () => { const end = process.cpuUsage().user + 30000; while (process.cpuUsage().user < end); return process.env.HEARTH_REPORT_USAGE }";
    await process.init(workshop.writeFunction({ "index.js": code }), "index.handler");
    const answer = await process.invoke({});
    expect(answer.text).toBe("null");
    if (answer.kind !== "result") throw new Error(answer.kind);
    expect(answer.cpuUs).toBeGreaterThan(10_000);
    expect(answer.memoryBytes).toBeGreaterThan(20_000_000);
  });

  test("ends when the agent closes the channel", async () => {
    const process = start();
    await process.next();
    process.channel.destroy();
    expect(await process.exited).toEqual({ status: 0, signal: null, stderr: "" });
  });

  test("ends with a clear line when the agent's orders are out of place", async () => {
    const orders = [{ kind: "dance" }, null, { kind: "invoke" }, []];
    for (const order of orders) {
      const process = start();
      await process.next();
      process.send(order as object);
      const exit = await process.exited;
      expect(exit.status).toBe(70);
      expect(exit.stderr).toMatch(/^hearth: the agent broke the runtime protocol: order .* while blank\n$/);
    }
  });

  test("ends with a clear line on any bytes that are no frames", async () => {
    const notFrames = fc.uint8Array({ minLength: 12, maxLength: 200 }).map((bytes) => {
      const frame = Buffer.from(bytes);
      // A length that is possible and a header that is too long or no JSON; other lengths end it sooner.
      if ((frame[0] ?? 0) % 2 === 0) frame.writeUInt32LE(frame.length - 4, 0);
      frame.writeUInt8(0xff, 8);
      return frame;
    });
    await fc.assert(
      fc.asyncProperty(notFrames, async (bytes) => {
        const process = start();
        await process.next();
        process.channel.end(bytes);
        const { status, stderr } = await process.exited;
        // A frame that never becomes whole is an agent that went away.
        if (status !== 0) expect([status, stderr]).toEqual([70, expect.stringMatching(/^hearth: the agent broke/)]);
      }),
      { numRuns: 12 },
    );
  });
}
