import fc from "fast-check";
import { expect, test } from "vitest";
import { describePythonRuntimes, workshop } from "./runtime-python-fixture.ts";

const INVOKE = { kind: "invoke", requestId: "r", deadlineMs: 0, invokedArn: "", traceId: "", retries: 0 };

describePythonRuntimes(({ minor, start, ready }) => {
  test("takes an empty payload for {}, and refuses what is no JSON", async () => {
    const process = await ready("def handler(e, c): return e");
    expect(await process.invoke(undefined)).toMatchObject({ kind: "result", text: "{}" });
    for (const payload of ["{no", "NaN", "[Infinity]", Buffer.from([0x22, 0xff, 0x22]), "[".repeat(100_000)]) {
      process.send(INVOKE, payload);
      expect(await process.next()).toEqual({ kind: "invalidPayload", requestId: "r", text: "" });
    }
    expect((await process.invoke([null, 1e21])).text).toBe("[null, 1e+21]");
  });

  test("gives back any JSON value as it was", async () => {
    const process = await ready("def handler(e, c): return e");
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        const { kind, text } = await process.invoke(value);
        expect(kind).toBe("result");
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: 100 },
    );
  });

  test("writes text beyond ASCII as AWS's runtime of that version does, and refuses half of a character", async () => {
    const process = await ready("def handler(e, c): return e");
    expect((await process.invoke("ü😀")).text).toBe(minor < 12 ? '"\\u00fc\\ud83d\\ude00"' : '"ü😀"');
    process.send(INVOKE, '"\\ud800"');
    const half = await process.next();
    if (minor < 12) expect(half).toMatchObject({ kind: "result", text: '"\\ud800"' });
    else expect(JSON.parse(half.text).errorType).toBe("Runtime.MarshalError");
  });

  test("answers up to 6,291,556 bytes and no more", async () => {
    const process = await ready("def handler(n, c): return 'x' * (n - 2)");
    const largest = await process.invoke(6_291_556);
    expect([largest.kind, largest.text.length]).toEqual(["result", 6_291_556]);
    expect((await process.invoke(6_291_557)).kind).toBe("responseTooLarge");
    expect((await process.invoke(10)).text).toBe('"xxxxxxxx"');
  });

  test("takes a 6 MiB payload", async () => {
    const process = await ready("def handler(e, c): return len(e)");
    expect((await process.invoke("ü".repeat(3_145_700))).text).toBe("3145700");
    expect((await process.invoke("again")).text).toBe("5");
  });

  test("logs what is printed and logged, in order and before the result", async () => {
    const process = await ready(
      `import logging, sys
print("at load")
logging.getLogger().setLevel("INFO")
def handler(e, c):
    print("a", {"b": 1}); logging.warning("w %s", 1); print("e\\nf", file=sys.stderr)
    logging.getLogger("named").info("i"); logging.debug("no")
    sys.stdout.write("half "); sys.stderr.write("line\\nnext"); logging.error("two\\nlines")
    sys.stdout.buffer.write("bytes ü".encode()); c.log("by context")
    sys.stdout.write("end")
    return 1
`,
    );
    await process.invoke({});
    const lines = process.log.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/gm, "TIME").split("\n");
    expect(lines).toEqual([
      "at load",
      "a {'b': 1}",
      "[WARNING]\tTIME\trequest-1\tw 1",
      "e",
      "f",
      "[INFO]\tTIME\trequest-1\ti",
      "half line",
      "next",
      "[ERROR]\tTIME\trequest-1\ttwo",
      "lines",
      "bytes ü",
      "by context",
      "end",
      "",
    ]);
    expect(process.messages.map((text) => text.replace(/.*\t/, ""))).toEqual([
      "w 1\n",
      "i\n",
      "two\nlines\n",
      "by context\n",
    ]);
  });

  test("what was logged before an endless loop or a crash is there", async () => {
    const looping = await ready("def handler(e, c):\n    print('here')\n    while True: pass");
    void looping.invoke({}).catch(() => {});
    await expect.poll(() => looping.log).toContain("here\n");
    const crashing = await ready("import os\ndef handler(e, c):\n    print('here too')\n    os.abort()");
    await expect(crashing.invoke({})).rejects.toThrow("SIGABRT");
    expect(crashing.log).toBe("here too\n");
  });

  test("logs JSON with AWS's members, at the chosen level", async () => {
    const process = await ready(
      `import logging
log = logging.getLogger("shop")
def handler(e, c):
    log.debug("no"); log.info("i %s", 1, extra={"order": 7}); print("plain")
    try:
        {}["a"]
    except KeyError:
        log.exception("failed")
    raise ValueError("x")
`,
      "index.handler",
      { AWS_LAMBDA_LOG_FORMAT: "JSON", AWS_LAMBDA_LOG_LEVEL: "INFO" },
    );
    await process.invoke({});
    const [first, plain, second, failure] = process.log.trimEnd().split("\n");
    const base = { timestamp: expect.stringMatching(/^\d{4}-.*T.*\.\d{3}Z$/), logger: "shop", requestId: "request-1" };
    expect(JSON.parse(first ?? "")).toEqual({ ...base, level: "INFO", message: "i 1", order: 7 });
    expect(plain).toBe("plain");
    expect(JSON.parse(second ?? "")).toEqual({
      ...base,
      level: "ERROR",
      message: "failed",
      errorType: "KeyError",
      errorMessage: "'a'",
      stackTrace: [expect.stringContaining("index.py")],
      location: expect.stringMatching(/index\.py:handler:\d+$/),
    });
    expect(JSON.parse(failure ?? "")).toEqual({
      timestamp: expect.any(String),
      log_level: "ERROR",
      errorMessage: "x",
      errorType: "ValueError",
      requestId: "request-1",
      stackTrace: [expect.stringContaining("index.py")],
    });
  });

  test("many threads may print at once, and no line is torn", async () => {
    const process = await ready(
      `import threading
def handler(e, c):
    def work(name):
        for i in range(500): print(f"line {name}-{i} that is somewhat long\\n", end="")
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads: t.start()
    for t in threads: t.join()
`,
    );
    await process.invoke({});
    const lines = process.log.trimEnd().split("\n");
    expect(lines).toHaveLength(4000);
    expect(lines.every((line) => /^line \d-\d+ that is somewhat long$/.test(line))).toBe(true);
  });

  test("a huge text leaves in several frames, cut between characters", async () => {
    const process = await ready("def handler(e, c): print('ü' * 900_000) if e == {} else c.log('0123456\\n' * 40_000)");
    await process.invoke({});
    // Compared without a list of differences: the text is long.
    expect(process.log === `${"ü".repeat(900_000)}\n`).toBe(true);
    await process.invoke("a message");
    expect(process.messages.join("") === "0123456\n".repeat(40_000)).toBe(true);
    expect(process.messages.map((text) => text.endsWith("\n"))).toEqual([false, true]);
  });

  test("a signal handler may print while something is printed", async () => {
    const process = await ready(
      `import signal
count = 0
def ring(*_):
    global count
    count += 1
    print("ring")
signal.signal(signal.SIGALRM, ring)
def handler(e, c):
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    for i in range(20000): print("x" * 50)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return count
`,
    );
    const { text } = await process.invoke({});
    const rings = process.log.match(/ring/g)?.length;
    expect(Number(text)).toBeGreaterThan(0);
    expect(rings).toBe(Number(text));
  });

  test("keeps the channel from child processes, and a forked one prints elsewhere", async () => {
    const process = await ready(
      `import os, subprocess
def handler(e, c):
    pid = os.fork()
    if pid == 0:
        print("from the child")
        os._exit(0)
    os.waitpid(pid, 0)
    return subprocess.run(["/bin/sh", "-c", "echo started; : 2>/dev/null >&3 && echo open"], capture_output=True, text=True).stdout
`,
    );
    expect((await process.invoke({})).text).toBe('"started\\n"');
    expect(process.log).toBe("");
  });

  test("reports usage only when told to, and hides that setting", async () => {
    const process = start({ HEARTH_REPORT_USAGE: "1" });
    const code = `import os, time
def handler(e, c):
    end = time.process_time() + 0.03
    while time.process_time() < end: pass
    return os.environ.get("HEARTH_REPORT_USAGE")
`;
    await process.init(workshop.writeFunction({ "index.py": code }), "index.handler");
    const answer = await process.invoke({});
    if (answer.kind !== "result") throw new Error(answer.kind);
    expect(answer.text).toBe("null");
    expect(answer.cpuUs).toBeGreaterThan(10_000);
    expect(answer.memoryBytes).toBeGreaterThan(5_000_000);
  });

  test("ends when the agent closes the channel", async () => {
    const process = start();
    await process.next();
    process.channel.destroy();
    expect(await process.exited).toEqual({ status: 0, signal: null, stderr: "" });
  });

  test("ends with a clear line when the agent's orders are out of place, or no frames", async () => {
    const orders = [{ kind: "dance" }, null, { kind: "invoke" }, []];
    for (const order of orders) {
      const process = start();
      await process.next();
      process.send(order as object);
      const exit = await process.exited;
      expect(exit.status).toBe(70);
      expect(exit.stderr).toMatch(/^hearth: the agent broke the runtime protocol: order .* while blank\n$/);
    }
    const process = start();
    await process.next();
    process.channel.write(Buffer.alloc(16, 0xff));
    expect(await process.exited).toMatchObject({ status: 70, stderr: expect.stringContaining("frame of") });
  });
});
