import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { logMessage } from "../../src/protocol/log-message.ts";
import type { DeployedFunction, Finished } from "./agent-harness.ts";
import { ExtensionBench } from "./extension-fixture/extension-bench.ts";
import { type Behaviour, internalExtension, nodeExtension, SHELL_EXTENSION } from "./extension-fixture/programs.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";

const ECHO = `
process.on("SIGTERM", () => { console.log("function SIGTERM"); process.exit(0); });
export const handler = async (event) => { console.log("function", event.n); return event; };
`;

const HANGING = `export const handler = () => new Promise(() => setInterval(() => {}, 50));`;

describe.each(["process", "sandbox"] as const)("extensions, provider %s", (kind) => {
  describe("in real containers", kind === "sandbox" ? needsSandbox : {}, () => {
    let bench: ExtensionBench;

    beforeAll(async () => {
      bench = await ExtensionBench.start(kind);
    });
    afterAll(() => bench?.stop());

    const external = (behaviour?: Behaviour) => nodeExtension(bench.nodePath, behaviour);

    test("hear of every invocation and of the end, after the runtime has", async () => {
      const f = await bench.deploy({ files: { "index.mjs": ECHO } }, { node: external(), shell: SHELL_EXTENSION });
      const { functionName } = f.assignment;
      const [first, second] = [await f.run({ n: 1 }), await f.run({ n: 2 })];
      expect([first, second]).toMatchObject([{ outcome: "ok", payload: '{"n":1}' }, { outcome: "ok" }]);
      destroy(bench, f);
      await f.gone();
      const log = f.logs();
      const facts = { functionName, functionVersion: "$LATEST", handler: "index.handler", accountId: "000000000000" };
      expect(log).toContain(`node registered ${JSON.stringify(facts)}\n`);
      expect(log).toContain("EXTENSION\tName: node\tState: Ready\tEvents: [INVOKE,SHUTDOWN]\n");
      expect(log).toContain("EXTENSION\tName: shell\tState: Ready\tEvents: [INVOKE,SHUTDOWN]\n");
      for (const { invocationId } of [first, second]) expect(log).toContain(`node INVOKE ${invocationId}\n`);
      expect(log.match(/shell INVOKE\n/g)).toHaveLength(2);
      expect(log).toMatch(/function SIGTERM\n(.*\n)*node SHUTDOWN spindown\n/);
      expect(log).toContain("shell SHUTDOWN\n");
    });

    test("inside the runtime hear of invocations, and make the runtime hear of the end", async () => {
      const f = await bench.deploy({ files: { "index.mjs": internalExtension("inner") + ECHO } });
      const [first, second] = [await f.run({ n: 1 }), await f.run({ n: 2 })];
      destroy(bench, f);
      await f.gone();
      const log = f.logs();
      for (const { invocationId } of [first, second]) expect(log).toContain(`inner INVOKE ${invocationId}`);
      expect(log).toContain("EXTENSION\tName: inner\tState: Ready\tEvents: [INVOKE]\n");
      expect(log).toContain("function SIGTERM");
      expect(log).not.toContain("SHUTDOWN");
    });

    test("that a function does not have cost it no time at its end", async () => {
      const f = await bench.deploy({ files: { "index.mjs": ECHO } });
      await f.run({ n: 1 });
      destroy(bench, f);
      await f.gone();
      expect(f.logs()).not.toContain("SIGTERM");
    });

    test("count as part of the execution", async () => {
      const slow = external({
        atEvent: 'if (event.eventType === "INVOKE") await new Promise((r) => setTimeout(r, 300));',
      });
      const f = await bench.deploy({ files: { "index.mjs": ECHO } }, { slow });
      const result = await f.run({ n: 1 });
      expect(result).toMatchObject({ outcome: "ok", payload: '{"n":1}' });
      expect(result.wallUs).toBeGreaterThanOrEqual(300_000);
      expect(result.initUs).toBeGreaterThan(0);
    });

    test("that never ask for the next event make the execution time out, and hear why", async () => {
      const stuck = external({
        atEvent:
          'if (event.eventType === "INVOKE") { say(await (await call("GET", "event/next")).text()); process.exit(0); }',
      });
      const never = external({
        atEvent: 'if (event.eventType === "INVOKE") await new Promise(() => setInterval(() => {}, 50));',
      });
      const f = await bench.deploy({ files: { "index.mjs": ECHO }, timeoutMs: 1000 }, { never });
      const result = await f.run({ n: 1 });
      expect(result).toMatchObject({ outcome: "timeout", containerUsable: false });
      await f.gone();
      const g = await bench.deploy({ files: { "index.mjs": HANGING }, timeoutMs: 1000 }, { stuck });
      expect(await g.run()).toMatchObject({ outcome: "timeout" });
      await g.gone();
      expect(g.logs()).toContain('"shutdownReason":"timeout"');
    });

    test("that ignore the end are killed when their time is over", async () => {
      const deaf = external({
        atEvent: 'if (event.eventType === "SHUTDOWN") await new Promise(() => setInterval(() => {}, 50));',
      });
      const f = await bench.deploy({ files: { "index.mjs": ECHO } }, { deaf });
      await f.run({ n: 1 });
      const beganMs = performance.now();
      destroy(bench, f);
      await f.gone();
      const tookMs = performance.now() - beganMs;
      expect(tookMs).toBeGreaterThan(1900);
      expect(f.logs()).toContain("deaf SHUTDOWN spindown");
    });

    test.each([
      ["before they register", { atStart: "process.exit(3);" }, "exit status 3", "Extension.Crash"],
      [
        "in init",
        { atInit: 'process.kill(process.pid, "SIGKILL"); await new Promise(() => {});' },
        "signal: killed",
        "Extension.Crash",
      ],
      ["with success", { atInit: "process.exit(0);" }, "exit code 0", "Extension.Crash"],
      [
        "after they told of it",
        {
          atInit:
            'await call("POST", "init/error", { "Lambda-Extension-Function-Error-Type": "Extension.Mine" }); process.exit(4);',
        },
        "exit status 4",
        "Extension.InitError",
      ],
      ["in an execution", { atEvent: "process.exit(5);" }, "exit status 5", "Extension.Crash"],
      [
        "in an execution after they told of it",
        {
          atEvent:
            'await call("POST", "exit/error", { "Lambda-Extension-Function-Error-Type": "Extension.Mine" }); process.exit(6);',
        },
        "exit status 6",
        "Extension.ExitError",
      ],
    ])("that end %s end the execution with Lambda's error", async (_when, behaviour, text, errorType) => {
      const f = await bench.deploy(
        { files: { "index.mjs": HANGING }, timeoutMs: 30_000 },
        { bad: external(behaviour) },
      );
      const result = await f.run();
      expect(errorOf(result)).toEqual({ errorType, errorMessage: `RequestId: ${result.invocationId} Error: ${text}` });
      expect(result.containerUsable).toBe(false);
      await f.gone();
      // One event of the log.
      const event = logMessage(Buffer.from(`RequestId: ${result.invocationId} Error: ${text}\n${errorType}\n`));
      expect(f.logs()).toContain(String(event));
    });

    test("are told when the runtime has crashed", async () => {
      const f = await bench.deploy(
        { files: { "index.mjs": `export const handler = () => process.exit(7);` } },
        { node: external() },
      );
      expect(await f.run()).toMatchObject({ outcome: "exit", exit: "exit status 7" });
      await f.gone();
      expect(f.logs()).toContain("node SHUTDOWN failure\n");
    });

    test("that cannot be started, or are too many, are refused", async () => {
      const f = await bench.deploy({ files: { "index.mjs": ECHO }, timeoutMs: 30_000 }, { plain: "no program" });
      const result = await f.run();
      expect(errorOf(result)).toEqual({
        errorType: "Extension.LaunchError",
        errorMessage: `RequestId: ${result.invocationId} Error: fork/exec /opt/extensions/plain: permission denied`,
      });
      await f.gone();
      const eleven = Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`e${n}`, SHELL_EXTENSION]));
      const g = await bench.deploy({ files: { "index.mjs": ECHO }, timeoutMs: 30_000 }, eleven);
      expect(errorOf(await g.run())).toMatchObject({ errorType: "Extension.LaunchError" });
      await g.gone();
    });

    test("have their time too when the instance is told to end", async () => {
      const own = await ExtensionBench.start(kind);
      try {
        const f = await own.deploy({ files: { "index.mjs": ECHO } }, { node: external() });
        await f.run({ n: 1 });
        own.harness.send({ kind: "exit", reason: "the test says so" });
        await f.gone();
        expect(f.logs()).toContain("node SHUTDOWN spindown\n");
      } finally {
        await own.stop();
      }
    });

    test("see the function's environment without what is the runtime's", async () => {
      const f = await bench.deploy(
        { files: { "index.mjs": ECHO }, environment: { GREETING: "it's\n'fine'" } },
        { node: external({ atInit: "say(JSON.stringify(process.env));" }) },
      );
      await f.run({ n: 1 });
      const [, text] = /^node (\{"?.*GREETING.*\})$/m.exec(f.logs()) ?? [];
      const seen = JSON.parse(text as string) as Record<string, string>;
      expect(seen).toMatchObject({ GREETING: "it's\n'fine'", AWS_LAMBDA_FUNCTION_NAME: f.assignment.functionName });
      for (const name of ["_HANDLER", "LAMBDA_TASK_ROOT", "AWS_EXECUTION_ENV", "AWS_LAMBDA_LOG_STREAM_NAME"]) {
        expect(seen).not.toHaveProperty(name);
      }
    });
  });
});

function destroy(bench: ExtensionBench, { containerId }: DeployedFunction): void {
  bench.harness.send({ kind: "destroyContainer", containerId });
}

function errorOf({ payload }: Finished): unknown {
  return JSON.parse(payload);
}
