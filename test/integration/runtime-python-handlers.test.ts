import { chmodSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describePythonRuntimes, type Files, workshop } from "./runtime-python-fixture.ts";

const RAISES = `class NoMoney(Exception):
    pass
def handler(e, c):
    raise NoMoney("none left")
`;

describePythonRuntimes(({ load, ready, start }) => {
  test.each<[string, Files, string]>([
    ["a module", { "index.py": "def handler(e, c): return 1" }, "index.handler"],
    ["a module in a folder", { "src/app.py": "def run(e, c): return 1" }, "src/app.run"],
    ["a module in a package", { "pack/sub/app.py": "def run(e, c): return 1" }, "pack.sub.app.run"],
    ["a package", { "pack/__init__.py": "def run(e, c): return 1" }, "pack.run"],
    [
      "a callable object",
      { "index.py": "class H:\n    def __call__(self, e, c): return 1\nhandler = H()" },
      "index.handler",
    ],
    ["a module beside it", { "a.py": "from b import one\ndef h(e, c): return one", "b.py": "one = 1" }, "a.h"],
    [
      "a path file",
      { "index.py": "import far\ndef handler(e, c): return far.x", "more.pth": "lib", "lib/far.py": "x = 1" },
      "index.handler",
    ],
  ])("loads %s", async (_, files, handler) => {
    const process = await ready(files, handler);
    expect((await process.invoke({})).text).toBe("1");
  });

  test.each<[string, string, string, string]>([
    [
      "def handler(",
      "index.handler",
      "Runtime.UserCodeSyntaxError",
      "Syntax error in module 'index': '(' was never closed (index.py, line 1)",
    ],
    [
      "import not_there",
      "index.handler",
      "Runtime.ImportModuleError",
      "Unable to import module 'index': No module named 'not_there'",
    ],
    ["x = 1", "other.handler", "Runtime.ImportModuleError", "Unable to import module 'other': No module named 'other'"],
    ["x = 1", "index.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'index'"],
    [
      "x = 1",
      "index",
      "Runtime.MalformedHandlerName",
      "Bad handler 'index': not enough values to unpack (expected 2, got 1)",
    ],
    ["x = 1", "sys.exit", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as a handler module"],
    ["1 / 0", "index.handler", "ZeroDivisionError", "division by zero"],
  ])("says what keeps %j as %s from loading", async (code, handler, errorType, errorMessage) => {
    const { process, answer } = await load(code, handler);
    expect(answer.kind).toBe("initError");
    const error = JSON.parse(answer.text);
    expect(error).toEqual({ errorMessage, errorType, requestId: "", stackTrace: expect.any(Array) });
    expect(process.log).toContain(`[ERROR] ${errorType}: ${errorMessage}\nTraceback (most recent call last):\n`);
    expect((await process.exited).status).toBe(1);
    if (errorType === "ZeroDivisionError") expect(error.stackTrace.at(-1)).toMatch(/index\.py", line 1, in <module>\n/);
    if (errorType === "Runtime.UserCodeSyntaxError")
      expect(error.stackTrace[0]).toMatch(/^ {2}File ".*index\.py" Line 1\n/);
  });

  test("reports what a handler raises in AWS's form, and stays", async () => {
    const { process, root } = await load(RAISES);
    const answer = await process.invoke({});
    expect(answer).toMatchObject({ kind: "error", fatal: false, requestId: "request-1" });
    expect(JSON.parse(answer.text)).toEqual({
      errorMessage: "none left",
      errorType: "NoMoney",
      requestId: "request-1",
      stackTrace: [`  File "${root}/index.py", line 4, in handler\n    raise NoMoney("none left")\n`],
    });
    expect(process.log).toBe(
      `[ERROR] NoMoney: none left\nTraceback (most recent call last):\n\u00a0\u00a0File "${root}/index.py", line 4, in handler\n\u00a0\u00a0\u00a0\u00a0raise NoMoney("none left")\n`,
    );
    expect((await process.invoke({})).kind).toBe("error");
  });

  test("an error whose text cannot be told is an error all the same", async () => {
    const process = await ready(
      "class Bad(Exception):\n    def __str__(self): raise ValueError\ndef handler(e, c): raise Bad()",
    );
    expect(JSON.parse((await process.invoke({})).text)).toMatchObject({ errorType: "Bad", errorMessage: "" });
  });

  test.each([
    ["{1, 2}", "Object of type set is not JSON serializable"],
    ["object()", "Object of type object is not JSON serializable"],
    ["(lambda a: (a.append(a), a)[1])([])", "Circular reference detected"],
  ])("says that %s is no JSON", async (expression, why) => {
    const process = await ready(`def handler(e, c): return ${expression}`);
    const { kind, text } = await process.invoke({});
    expect(kind).toBe("error");
    expect(JSON.parse(text)).toEqual({
      errorMessage: `Unable to marshal response: ${why}`,
      errorType: "Runtime.MarshalError",
      requestId: "request-1",
      stackTrace: [],
    });
  });

  test("a coroutine is no answer", async () => {
    const process = await ready("async def handler(e, c): return 1");
    const { text } = await process.invoke({});
    expect(JSON.parse(text).errorMessage).toBe(
      "Unable to marshal response: Object of type coroutine is not JSON serializable",
    );
  });

  test("writes JSON as simplejson does", async () => {
    const process = await ready(
      `import collections, decimal
Point = collections.namedtuple("Point", "x y")
def handler(e, c):
    return [decimal.Decimal("3.14159265358979323846"), decimal.Decimal("nan"), float("inf"), b"bytes", (1, Point(2, (Point(3, 4),))), {1: None}]
`,
    );
    expect((await process.invoke({})).text).toBe(
      '[3.14159265358979323846, NaN, Infinity, "bytes", [1, {"x": 2, "y": [{"x": 3, "y": 4}]}], {"1": null}]',
    );
  });

  test("answers bytes as they are", async () => {
    const process = await ready("def handler(e, c): return b'{no json'");
    expect((await process.invoke({})).text).toBe("{no json");
  });

  test("gives a context as AWS does", async () => {
    const code = `import os
def handler(e, c):
    client = c.client_context
    return {
        "names": {n: getattr(c, n) for n in ("aws_request_id", "function_name", "function_version", "invoked_function_arn",
            "memory_limit_in_mb", "log_group_name", "log_stream_name", "tenant_id")},
        "identity": [c.identity.cognito_identity_id, c.identity.cognito_identity_pool_id],
        "client": client and [client.custom, client.env, client.client.app_title, client.client.installation_id],
        "ms": c.get_remaining_time_in_millis(), "env": dict(os.environ), "cwd": os.getcwd(), "repr": repr(c),
    }
`;
    const environment = {
      AWS_LAMBDA_FUNCTION_NAME: "f",
      AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "256",
      AWS_LAMBDA_LOG_GROUP_NAME: "/aws/lambda/f",
      AWS_LAMBDA_LOG_STREAM_NAME: "stream",
    };
    const { process, root } = await load(code, "index.handler", environment);
    const members = {
      deadlineMs: Date.now() + 60_000,
      traceId: "Root=1-2-3",
      clientContext: '{"custom":{"ü":1},"client":{"app_title":"t"}}',
    };
    const seen = JSON.parse((await process.invoke({}, members)).text);
    expect(seen.names).toEqual({
      aws_request_id: "request-1",
      function_name: "f",
      function_version: "$LATEST",
      invoked_function_arn: "arn:aws:lambda:us-east-1:000000000000:function:f",
      memory_limit_in_mb: "256",
      log_group_name: "/aws/lambda/f",
      log_stream_name: "stream",
      tenant_id: null,
    });
    expect([seen.identity, seen.client]).toEqual([
      [null, null],
      [{ ü: 1 }, null, "t", null],
    ]);
    expect(seen.ms).toBeGreaterThan(50_000);
    expect(seen.ms).toBeLessThanOrEqual(60_000);
    expect(seen.env).toEqual({ ...environment, _X_AMZN_TRACE_ID: "Root=1-2-3" });
    expect(seen.cwd).toBe(realpathSync(root));
    expect(seen.repr).toMatch(/^LambdaContext\(\[aws_request_id=request-1,/);
    const late = JSON.parse((await process.invoke({}, { deadlineMs: 5 })).text);
    expect([late.ms, late.client]).toEqual([0, null]);
    const broken = JSON.parse((await process.invoke({}, { clientContext: "{" })).text);
    expect(broken.errorType).toBe("Runtime.LambdaContextUnmarshalError");
  });

  test("programs that the function starts see the trace of this invocation", async () => {
    const process = await ready(
      `import os, subprocess
def handler(e, c):
    if e == "run": return subprocess.run(["printenv", "_X_AMZN_TRACE_ID"], capture_output=True, text=True).stdout
    if e == "system": return os.system('test "$_X_AMZN_TRACE_ID" = system=1')
    return os.popen("printenv _X_AMZN_TRACE_ID").read()
`,
    );
    for (const how of ["run", "popen"]) {
      for (const traceId of [`${how}=1`, `${how}=2`]) {
        expect((await process.invoke(how, { traceId })).text).toBe(`"${traceId}\\n"`);
      }
    }
    expect((await process.invoke("system", { traceId: "system=1" })).text).toBe("0");
  });

  test("a trace that changes with every invocation takes no memory", async () => {
    const process = await ready(
      "def handler(e, c): return int(open('/proc/self/statm').read().split()[1]) if e else None",
    );
    const pages = async () => Number((await process.invoke(1)).text);
    for (let i = 0; i < 200; i++) await process.invoke(0, { traceId: `${i}`.repeat(80) });
    const before = await pages();
    for (let i = 0; i < 3000; i++) await process.invoke(0, { traceId: `${i}`.repeat(80) });
    expect((await pages()) - before).toBeLessThan(64);
  });

  test("searches the function's folder first, then what PYTHONPATH says", async () => {
    const layer = workshop.writeFunction({ "layered.py": "x = 'from the layer'", "index.py": "raise Exception" });
    const code = "import layered, sys\ndef handler(e, c): return [layered.x, sys.path[:2]]";
    const { process, root } = await load(code, "index.handler", { PYTHONPATH: layer });
    expect(JSON.parse((await process.invoke({})).text)).toEqual(["from the layer", [root, layer]]);
    const usual = await ready("import sys\ndef handler(e, c): return sys.path[1:3]", "index.handler", {
      PYTHONPATH: "/var/runtime",
      LAMBDA_RUNTIME_DIR: "/var/runtime",
    });
    const [site, opt] = JSON.parse((await usual.invoke({})).text);
    expect([site, opt]).toEqual([
      expect.stringMatching(/^\/opt\/python\/lib\/python3\.\d+\/site-packages$/),
      "/opt/python",
    ]);
  });

  test("runs the example", async () => {
    const example = new URL("../../examples/python-hello/", import.meta.url);
    const manifest = JSON.parse(readFileSync(new URL("function.json", example), "utf8"));
    const code = readFileSync(new URL("lambda_function.py", example), "utf8");
    const process = await ready({ "lambda_function.py": code }, manifest.handler);
    expect(JSON.parse((await process.invoke(manifest.event)).text)).toMatchObject({ greeting: "Hello, Ada!" });
    expect(process.log).toContain("\tgreeting Ada\n");
  });

  test("takes the time zone of the function", async () => {
    const process = await ready("import time\ndef handler(e, c): return time.localtime(0).tm_hour", "index.handler", {
      TZ: "CET-1",
    });
    expect((await process.invoke({})).text).toBe("1");
  });

  test.each([
    ["sys.exit(7)", 7, ""],
    ["sys.exit()", 0, ""],
    ["sys.exit('gone')", 1, "gone\n"],
    ["os._exit(9)", 9, ""],
  ])("%s ends the process", async (expression, status, said) => {
    const process = await ready(`import os, sys\ndef handler(e, c): ${expression}`);
    await expect(process.invoke({})).rejects.toThrow("the runtime exited");
    expect(await process.exited).toMatchObject({ status, signal: null });
    expect(process.log).toBe(said);
  });

  test("SIGTERM ends it, unless the function has a say in it", async () => {
    const process = await ready("def handler(e, c): pass");
    process.child.kill("SIGTERM");
    expect(await process.exited).toMatchObject({ status: null, signal: "SIGTERM" });
  });

  test("threads go on between invocations", async () => {
    const process = await ready(
      `import threading
done = threading.Event()
def handler(e, c):
    if e == "start":
        threading.Timer(0.05, done.set).start()
        return "started"
    return done.wait(5)
`,
    );
    expect((await process.invoke("start")).text).toBe('"started"');
    expect((await process.invoke("ask")).text).toBe("true");
  });

  test("processes of multiprocessing work, in every way they are started", async () => {
    const process = await ready({
      "index.py": `import multiprocessing
from work import double
def handler(method, c):
    with multiprocessing.get_context(method).Pool(2) as pool:
        return pool.map(double, [1, 2, 3])
`,
      "work.py": "def double(n): return 2 * n",
    });
    for (const method of ["fork", "spawn"]) {
      expect((await process.invoke(method)).text, process.log).toBe("[2, 4, 6]");
    }
  }, 20_000);

  test("is blank with nothing of the function, and can be told of one only", async () => {
    const process = start({ SECRET: "of the blank" });
    const root = workshop.writeFunction({ "index.py": "import os\ndef handler(e, c): return dict(os.environ)" });
    await process.init(root, "index.handler", { A: "1" });
    expect(JSON.parse((await process.invoke({}, { traceId: "t" })).text)).toEqual({ A: "1", _X_AMZN_TRACE_ID: "t" });
    process.send({ kind: "init", environment: {}, handler: "index.handler", taskRoot: root });
    expect(await process.exited).toMatchObject({ status: 70 });
  });

  test("AWS_LAMBDA_EXEC_WRAPPER starts the runtime again, with what it adds", async () => {
    const files = {
      "index.py": `import os, sys
def handler(e, c):
    at_home = os.getcwd() == os.environ["LAMBDA_TASK_ROOT"]
    return [os.environ.get("ADDED"), os.environ.get("HEARTH_WRAPPED"), sys.flags.optimize, at_home]`,
      wrapper: '#!/bin/sh\nexport ADDED=yes\npython=$1; shift\nexec "$python" -O "$@"\n',
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
    expect(answer?.kind, runtime.log).toBe("initDone");
    expect(JSON.parse((await runtime.invoke({})).text)).toEqual(["yes", null, 1, true]);
    runtime.child.kill("SIGTERM");
    expect(await runtime.exited).toMatchObject({ signal: "SIGTERM" });
    const endOf = async (name: string) => (await wrapped(join(root, name))).runtime.exited;
    expect(await endOf("leaver")).toMatchObject({ status: 9 });
    expect(await endOf("missing")).toMatchObject({ status: 127, stderr: `${join(root, "missing")}: does not exist\n` });
    expect(await endOf("index.py")).toMatchObject({ status: 126 });
  });
});
