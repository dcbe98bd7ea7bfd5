import { expect, test } from "vitest";
import { describeNodeRuntimes, type Files } from "./runtime-node-fixture.ts";

describeNodeRuntimes(({ is22, load, ready }) => {
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
});
