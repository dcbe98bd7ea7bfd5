import fc from "fast-check";
import { expect, test } from "vitest";
import { describeNodeRuntimes, workshop } from "./runtime-node-fixture.ts";

describeNodeRuntimes(({ start, ready }) => {
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
    expect(process.messages).toHaveLength(7);
    expect(process.messages).toContainEqual(expect.stringMatching(/\tERROR\te\nf\n$/));
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
});
