import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ContainerId } from "../../src/model/ids.ts";
import { RESPONSE_BYTES_MAX, RESPONSE_TOO_LARGE } from "../../src/model/response-limit.ts";
import { AgentHarness, type FunctionSource } from "./agent-harness.ts";

let harness: AgentHarness;

beforeAll(async () => {
  harness = await AgentHarness.start();
  await harness.launch();
});
afterAll(() => harness.stop());

const javascript = (text: string, rest: Partial<FunctionSource> = {}): FunctionSource => ({
  files: { "index.mjs": text },
  ...rest,
});

describe.each(["nodejs22.x", "nodejs24.x"] as const)("%s", (runtime) => {
  test("cold, then warm, with usage and logs before the result", async () => {
    const echo = await harness.deploy(
      javascript(
        `let n = 0; export const handler = async (event, context) => { console.log("call", ++n); return { event, n, id: context.awsRequestId }; };`,
        { runtime },
      ),
    );
    const cold = await echo.run({ hello: "world" });
    expect(cold).toMatchObject({ outcome: "ok", containerUsable: true });
    expect(JSON.parse(cold.payload)).toEqual({ event: { hello: "world" }, n: 1, id: cold.invocationId });
    expect(cold.initUs).toBeGreaterThan(0);
    expect(cold.memoryPeakBytes).toBeGreaterThan(10 * 1024 * 1024);
    expect(echo.logs()).toMatch(/call 1\n$/);
    const warm = await echo.run({});
    expect(warm).toMatchObject({ outcome: "ok", containerUsable: true });
    expect(warm.initUs).toBeUndefined();
    expect(warm.wallUs).toBeGreaterThan(0);
    expect(echo.logs()).toMatch(/call 2\n$/);
  });

  test("function error leaves the container usable", async () => {
    const thrower = await harness.deploy(
      javascript(`export const handler = async () => { throw new TypeError("no"); };`, { runtime }),
    );
    const result = await thrower.run();
    expect(result).toMatchObject({ outcome: "functionError", containerUsable: true });
    expect(JSON.parse(result.payload)).toMatchObject({ errorType: "TypeError", errorMessage: "no" });
    expect(await thrower.run()).toMatchObject({ outcome: "functionError" });
  });

  test("unhandled rejection: the runtime's report, then the container is gone", async () => {
    const rejecter = await harness.deploy(
      javascript(
        `export const handler = async () => { Promise.reject(new Error("lost")); await new Promise(() => {}); };`,
        { runtime },
      ),
    );
    const result = await rejecter.run();
    expect(result).toMatchObject({ outcome: "functionError", containerUsable: false });
    expect(JSON.parse(result.payload)).toMatchObject({ errorType: "Runtime.UnhandledPromiseRejection" });
    await rejecter.gone();
    expect(await rejecter.run()).toMatchObject({ outcome: "agentFault", containerUsable: false });
  });

  test("init error carries the runtime's error object", async () => {
    const broken = await harness.deploy(javascript(`throw new RangeError("at init");`, { runtime }));
    const result = await broken.run();
    expect(result).toMatchObject({ outcome: "initError", containerUsable: false });
    expect(JSON.parse(result.payload)).toMatchObject({ errorType: "RangeError", errorMessage: "at init" });
    await broken.gone();
  });
});

test("an init error over the limit of a response is told as such, and no larger frame passes", async () => {
  const raw = (bytes: number) =>
    javascript(`
      import { writeSync } from "node:fs";
      const header = Buffer.from('{"kind":"initError"}');
      const frame = Buffer.alloc(8 + header.length + ${bytes}, "x");
      frame.writeUInt32LE(frame.length - 4, 0);
      frame.writeUInt32LE(header.length, 4);
      header.copy(frame, 8);
      for (let at = 0; at < frame.length; ) {
        try { at += writeSync(3, frame, at); } catch (error) { if (error.code !== "EAGAIN") break; }
      }
      await new Promise(() => {});`);
  // Twice such an error takes a busy machine its time, and the second one counts as the run's.
  const thrower = await harness.deploy(javascript(`throw new Error("x".repeat(7_000_000));`, { timeoutMs: 15_000 }));
  const thrown = await thrower.run();
  expect(thrown.outcome).toBe("initError");
  expect(JSON.parse(thrown.payload)).toEqual(RESPONSE_TOO_LARGE);
  const large = await harness.deploy(raw(RESPONSE_BYTES_MAX + 1));
  expect(await large.run()).toMatchObject({ outcome: "responseTooLarge", containerUsable: false, payload: "" });
  // The largest that would fit into a frame to the server, were its header not longer.
  const hostile = await harness.deploy(raw(8_388_584));
  expect(await hostile.run()).toMatchObject({ outcome: "exit", containerUsable: false, payload: "" });
  for (const ended of [thrower, large, hostile]) await ended.gone();
});

test("timeout kills and reports at least the function's timeout", async () => {
  const slow = await harness.deploy(
    javascript(
      `export const handler = async () => { console.log("began"); await new Promise((r) => setTimeout(r, 10)); while (true); };`,
      { timeoutMs: 300 },
    ),
  );
  const result = await slow.run();
  expect(result).toMatchObject({ outcome: "timeout", containerUsable: false, payload: "" });
  expect(result.wallUs).toBeGreaterThanOrEqual(300_000);
  expect(result.wallUs).toBeLessThan(1_000_000);
  await slow.gone();
  expect(slow.logs()).toContain("began");
});

test.each([
  ["process.exit(3)", "exit status 3"],
  ["process.kill(process.pid, 'SIGKILL'); await new Promise(() => {})", "signal: killed"],
  ["process.exit(0)", undefined],
])("%s in the handler", async (code, exit) => {
  const exiter = await harness.deploy(javascript(`export const handler = async () => { ${code}; };`));
  const result = await exiter.run();
  expect(result).toMatchObject({ outcome: "exit", containerUsable: false });
  expect(result.exit).toBe(exit);
  await exiter.gone();
});

test("an idle container that dies is announced as gone", async () => {
  // Killed from outside: one that shall end itself may be frozen before it comes to it.
  const dying = await harness.deploy(javascript(`export const handler = async () => process.pid;`));
  const { outcome, payload } = await dying.run();
  expect(outcome).toBe("ok");
  process.kill(Number(payload), "SIGKILL");
  expect((await dying.gone()).reason).toContain("signal: killed");
});

test("what is not JSON is refused before the function runs", async () => {
  const echo = await harness.deploy(javascript(`export const handler = async (event) => event;`));
  expect(await echo.run(Buffer.from("{nope"))).toMatchObject({ outcome: "invalidPayload", containerUsable: true });
  expect(await echo.run({ a: 1 })).toMatchObject({ outcome: "ok", payload: '{"a":1}' });
});

test("payloads of 6 MB both ways", async () => {
  const echo = await harness.deploy(
    javascript(`export const handler = async (event) => event;`, { timeoutMs: 20_000 }),
  );
  const text = "x".repeat(6 * 1024 * 1024 - 10);
  expect((await echo.run(text)).payload.length).toBe(text.length + 2);
});

test("an idle container is frozen and thaws for the next run", async () => {
  const ticker = await harness.deploy(
    javascript(
      `let ticks = 0; setInterval(() => ticks++, 5); export const handler = async () => ({ ticks, pid: process.pid });`,
    ),
  );
  const { pid } = JSON.parse((await ticker.run()).payload) as { pid: number };
  await expect.poll(() => stateOf(pid), { timeout: 5000, interval: 5 }).toBe("T");
  expect(await ticker.run()).toMatchObject({ outcome: "ok", containerUsable: true });
});

test("destroying a running container answers it first", async () => {
  const sleeper = await harness.deploy(javascript(`export const handler = () => new Promise(() => {});`));
  const lease = sleeper.begin();
  harness.send({ kind: "destroyContainer", containerId: sleeper.containerId });
  expect(await sleeper.end(lease)).toMatchObject({ outcome: "agentFault", containerUsable: false });
  await sleeper.gone();
});

test("a container that breaks the protocol is killed, others live on", async () => {
  const good = await harness.deploy(javascript(`export const handler = async () => "fine";`));
  await good.run();
  const bad = await harness.deploy(
    javascript(
      `import { writeSync } from "node:fs"; export const handler = async () => { writeSync(3, Buffer.from("\\xff\\xff\\xff\\xff garbage")); await new Promise(() => {}); };`,
    ),
  );
  expect(await bad.run()).toMatchObject({ outcome: "exit", containerUsable: false });
  await bad.gone();
  expect(await good.run()).toMatchObject({ outcome: "ok", payload: '"fine"' });
});

test("output that never ends does not fill the agent's memory", async () => {
  const flood = await harness.deploy(
    javascript(
      `import { spawn } from "node:child_process"; export const handler = async () => { const c = spawn("sh", ["-c", "yes hearth | head -c 100000000"], { stdio: "inherit" }); await new Promise((r) => c.on("exit", r)); };`,
      { timeoutMs: 60_000 },
    ),
  );
  expect(await flood.run()).toMatchObject({ outcome: "ok" });
  const bytes = flood.logs().length;
  expect(bytes).toBeGreaterThan(90_000_000);
});

test("the environment is Lambda's", async () => {
  const env = await harness.deploy(
    javascript(`export const handler = async () => ({ env: process.env, cwd: process.cwd() });`, {
      environment: { GREETING: 'it\'s\n"ok"', AWS_REGION: "nowhere" },
    }),
  );
  const { env: seen } = JSON.parse((await env.run()).payload) as { env: Record<string, string> };
  expect(seen).toMatchObject({
    GREETING: 'it\'s\n"ok"',
    AWS_REGION: "us-east-1",
    AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x",
    AWS_LAMBDA_FUNCTION_NAME: env.assignment.functionName,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "256",
    _HANDLER: "index.handler",
    TZ: ":UTC",
  });
  expect(existsSync(seen["LAMBDA_TASK_ROOT"] as string)).toBe(true);
  expect(Object.keys(seen).filter((name) => name.startsWith("HEARTH"))).toEqual([]);
});

test("a container that cannot be made is gone", async () => {
  const containerId = "too-long-for-a-folder".repeat(20) as ContainerId;
  harness.send({ kind: "createContainer", containerId, runtime: "nodejs24.x" });
  const { reason } = await harness.next("containerGone", (gone) => gone.containerId === containerId);
  expect(reason).toContain("start");
});

test("init over 10 s is killed, reported, and repeated within the function's timeout", async () => {
  const slowOnce = await harness.deploy(
    javascript(
      `import { existsSync, writeFileSync } from "node:fs"; const mark = process.env.MARK; if (!existsSync(mark)) { writeFileSync(mark, ""); await new Promise((r) => setTimeout(r, 60_000)); } export const handler = async () => "second";`,
      { environment: { MARK: `${harness.directory}/mark` } },
    ),
  );
  const result = await slowOnce.run();
  expect(result).toMatchObject({ outcome: "ok", payload: '"second"', containerUsable: true });
  expect(result.initUs).toBeUndefined();
  expect(slowOnce.logs()).toMatch(/INIT_REPORT Init Duration: 100\d\d\.\d\d ms\tPhase: init\tStatus: timeout\n/);
  expect(await slowOnce.run()).toMatchObject({ outcome: "ok" });
});

test("a cold run that asks for it is told to have begun between its init and its handler; others are not", async () => {
  const code = `console.log("init"); export const handler = async () => console.log("handler");`;
  const kindsOf = (containerId: ContainerId) =>
    harness.received
      .filter(({ message }) => "containerId" in message && message.containerId === containerId)
      .map(({ message, payload }) =>
        message.kind === "log" ? payload.toString().trim().split(/\s/).at(-1) : message.kind,
      );
  const [asks, asksNot] = [await harness.deploy(javascript(code)), await harness.deploy(javascript(code))];
  await asks.end(asks.begin({}, { tellBegun: true }));
  await asks.end(asks.begin({}, { tellBegun: true }));
  expect(kindsOf(asks.containerId)).toEqual(["init", "begun", "handler", "handler"]);
  await asksNot.run();
  expect(kindsOf(asksNot.containerId)).toEqual(["init", "handler"]);
});

/** One letter, as /proc says it: T is stopped. */
function stateOf(pid: number): string | undefined {
  return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.[0];
}
