import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { RuntimeName } from "../../src/model/runtime.ts";
import { AgentHarness, DeployedFunction, type FunctionSource } from "./agent-harness.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";

/** Tells what the container knows of its own past. */
const COUNTER = `
console.log("loading");
let calls = 0;
const loadedAs = process.env.AWS_LAMBDA_INITIALIZATION_TYPE;
export const handler = async (event) => ({ loadedAs, calls: ++calls, event });`;

const SHELL_COUNTER = `#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime
headers=\${TMPDIR:-/tmp}/headers
calls=0
echo loading
while :; do
  event=$(curl -sS -D "$headers" "$api/invocation/next") || exit 1
  id=$(tr -d '\\r' <"$headers" | sed -n 's/^lambda-runtime-aws-request-id: //Ip')
  calls=$((calls + 1))
  answer="{\\"loadedAs\\":\\"$AWS_LAMBDA_INITIALIZATION_TYPE\\",\\"calls\\":$calls,\\"event\\":$event}"
  curl -sS -o /dev/null -d "$answer" "$api/invocation/$id/response"
done
`;

const SHELL_FAILING = `#!/bin/sh
echo "about to fail"
curl -sS -o /dev/null -d '{"errorType":"Shell.NoConfig","errorMessage":"m"}' "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/init/error"
sleep 600
`;

const javascript = (text: string, rest: Partial<FunctionSource> = {}): FunctionSource => ({
  files: { "index.mjs": text },
  ...rest,
});
const bootstrap = (text: string): FunctionSource => ({ files: { bootstrap: text }, runtime: "provided.al2023" });

const COUNTERS: readonly (readonly [RuntimeName, FunctionSource])[] = [
  ["nodejs22.x", javascript(COUNTER, { runtime: "nodejs22.x" })],
  ["nodejs24.x", javascript(COUNTER, { runtime: "nodejs24.x" })],
  ["provided.al2023", bootstrap(SHELL_COUNTER)],
];

const BACKENDS = [
  ["process", {}],
  ["sandbox", needsSandbox],
] as const;

describe.each(BACKENDS)("in a %s instance", (kind, condition) => {
  describe("a prewarm", condition, () => {
    let harness: AgentHarness;

    beforeAll(async () => {
      harness = await AgentHarness.start(kind);
      await harness.launch(4096);
    });
    afterAll(() => harness?.stop());

    test.each(COUNTERS)("of %s: its first run is a warm one", async (_, source) => {
      const counter = await harness.deploy(source);
      expect((await counter.prewarm()).initUs).toBeGreaterThan(0);
      await expect.poll(() => counter.logs()).toContain("loading\n");
      const first = await counter.run({ n: 1 });
      expect(first).toMatchObject({ outcome: "ok", containerUsable: true });
      expect(first.initUs).toBeUndefined();
      expect(JSON.parse(first.payload)).toEqual({ loadedAs: "provisioned-concurrency", calls: 1, event: { n: 1 } });
      const second = await counter.run({ n: 2 });
      expect(JSON.parse(second.payload)).toMatchObject({ calls: 2, event: { n: 2 } });
      expect(counter.logs()).not.toContain("loading");
    });

    test.each(COUNTERS)("does not come by itself: a cold run of %s says so", async (_, source) => {
      const counter = await harness.deploy(source);
      const cold = await counter.run({});
      expect(cold.initUs).toBeGreaterThan(0);
      expect(JSON.parse(cold.payload)).toEqual({ loadedAs: "on-demand", calls: 1, event: {} });
    });

    test("that fails is told by the log and the end of the container; the next cold run tells its caller", async () => {
      const source = javascript(`throw new RangeError("at init");`);
      const broken = await harness.deploy(source);
      broken.beginPrewarm();
      expect(await broken.gone()).toMatchObject({ reason: "the function's init failed" });
      const [error, report] = broken.logs().split("INIT_REPORT ");
      expect(error).toContain("RangeError");
      expect(report).toMatch(/^Init Duration: \d+\.\d\d ms\tPhase: init\tStatus: error\tError Type: RangeError\n$/);
      const called = new DeployedFunction(harness, await harness.create(), broken.assignment);
      const result = await called.run();
      expect(result).toMatchObject({ outcome: "initError", containerUsable: false });
      expect(JSON.parse(result.payload)).toMatchObject({ errorType: "RangeError", errorMessage: "at init" });
      await called.gone();
    });

    test("of a bootstrap that reports an error of its init", async () => {
      const broken = await harness.deploy(bootstrap(SHELL_FAILING));
      broken.beginPrewarm();
      expect(await broken.gone()).toMatchObject({ reason: "the function's init failed" });
      const log = broken.logs();
      expect(log).toContain("about to fail\n");
      expect(log).toContain("\tPhase: init\tStatus: error\tError Type: Shell.NoConfig\n");
    });

    test.each([
      ["process.exit(3)", "exit status 3"],
      ["process.kill(process.pid, 'SIGKILL')", "signal: killed"],
    ])("that ends with %s", async (ending, reason) => {
      const ended = await harness.deploy(javascript(`${ending}; await new Promise(() => {});`));
      ended.beginPrewarm();
      expect(await ended.gone()).toMatchObject({ reason: `exited: ${reason}` });
      expect(ended.logs()).toContain("\tStatus: error\tError Type: Runtime.ExitError\n");
    });

    test("without a bootstrap", async () => {
      const missing = await harness.deploy({ files: { "readme.txt": "none" }, runtime: "provided.al2023" });
      missing.beginPrewarm();
      expect(await missing.gone()).toMatchObject({ reason: "exited: exit status 127" });
      expect(missing.logs()).toContain("Runtime.InvalidEntrypoint");
    });

    test("of code that is not there ends the container, and is not the function's fault", async () => {
      const lost = await harness.deploy(javascript(COUNTER));
      Object.assign(lost.assignment, { codeDir: join(harness.directory, "missing") });
      lost.beginPrewarm();
      const { reason } = await lost.gone();
      // Without mounts it is the runtime that finds the folder missing.
      if (kind === "sandbox") expect([reason, lost.logs()]).toEqual([expect.stringContaining("assign: "), ""]);
      else expect(reason).toBe("the function's init failed");
    });

    test("is undone when the container is destroyed meanwhile", async () => {
      const endless = await harness.deploy(javascript(`console.log("began"); await new Promise(() => {});`));
      endless.beginPrewarm();
      let log = "";
      await expect.poll(() => (log += endless.logs())).toContain("began");
      harness.send({ kind: "destroyContainer", containerId: endless.containerId });
      expect(await endless.gone()).toMatchObject({ reason: "destroyed by the server" });
      expect(endless.logs()).not.toContain("INIT_REPORT");
      // To a container that is gone it is too late: nothing answers it, and nothing breaks.
      endless.beginPrewarm();
      const other = await harness.deploy(javascript(COUNTER));
      expect(await other.run({})).toMatchObject({ outcome: "ok" });
    });
  });
});

describe("prewarming", () => {
  let harness: AgentHarness;

  beforeEach(async () => {
    harness = await AgentHarness.start();
    await harness.launch();
  });
  afterEach(() => harness.stop());

  /** An init that ends when the test says so. */
  const gated = () =>
    javascript(
      `import { existsSync } from "node:fs";
      while (!existsSync(process.env.GATE)) await new Promise((resolve) => setTimeout(resolve, 5));
      export const handler = async (event) => event;`,
      { environment: { GATE: join(harness.directory, "gate") } },
    );
  const openGate = () => writeFileSync(join(harness.directory, "gate"), "");

  test("an init of more than 10 s, which a call would not wait for, has the time that Lambda gives one ahead of calls", async () => {
    const slow = await harness.deploy(gated());
    const prewarmed = slow.prewarm();
    await setTimeout(11_000);
    expect(slow.logs()).not.toContain("INIT_REPORT");
    openGate();
    expect((await prewarmed).initUs).toBeGreaterThan(10_500_000);
    expect(await slow.run(1)).toMatchObject({ outcome: "ok", payload: "1" });
  });

  test("what was prewarmed waits frozen, and thaws for its first run", async () => {
    const ticking = await harness.deploy(
      javascript(
        `setInterval(() => {}, 1); console.log("pid", process.pid); export const handler = async () => "thawed";`,
      ),
    );
    await ticking.prewarm();
    const pid = Number(/pid\t?\s(\d+)\n/.exec(ticking.logs())?.[1]);
    await expect.poll(() => stateOf(pid), { timeout: 20_000, interval: 5 }).toBe("T");
    expect(await ticking.run()).toMatchObject({ outcome: "ok", payload: '"thawed"' });
  });

  test("a run that overtakes it waits for the rest of the init, as a cold one does", async () => {
    const slow = await harness.deploy(gated());
    slow.beginPrewarm();
    const lease = slow.begin("early");
    // The run is with the agent before the init may end.
    await harness.create();
    openGate();
    const result = await slow.end(lease);
    expect(result).toMatchObject({ outcome: "ok", payload: '"early"', containerUsable: true });
    expect(result.initUs).toBeGreaterThan(0);
    expect((await slow.run("late")).initUs).toBeUndefined();
    expect(harness.received.filter(({ message }) => message.kind === "prewarmed")).toEqual([]);
  });

  test("a server that comes back finds the container idle, and is not told twice", async () => {
    const slow = await harness.deploy(gated());
    slow.beginPrewarm();
    // The order is with the agent before the connection ends.
    await harness.create();
    await harness.vanish();
    await harness.listen();
    const { functionKey, memoryMiB, cpuMilli } = slow.assignment;
    const size = { memoryMiB, cpuMilli };
    const idle = { state: "idle", containerId: slow.containerId, runtime: "nodejs24.x", functionKey, ...size };
    expect((await harness.next("hello")).containers).toContainEqual({ ...idle, isInitializedAhead: true });
    openGate();
    expect(await slow.run("again")).toMatchObject({ outcome: "ok", payload: '"again"' });
    expect(harness.received.filter(({ message }) => message.kind === "prewarmed")).toEqual([]);
  });

  test("an order for a container that holds a function already breaks the protocol", async () => {
    const held = await harness.deploy(javascript(COUNTER));
    await held.prewarm();
    held.beginPrewarm();
    expect((await harness.next("hello")).containers).toMatchObject([{ state: "idle" }]);
    expect(harness.agentLog.filter((line) => line.includes("PROTOCOL_VIOLATION"))).toHaveLength(1);
    expect(await held.run({})).toMatchObject({ outcome: "ok" });
  });

  test("it gives the instance to the function's account", async () => {
    const first = await harness.deploy(javascript(COUNTER));
    await first.prewarm();
    const second = await harness.deploy(javascript(COUNTER));
    Object.assign(second.assignment, { accountId: "111111111111" });
    second.beginPrewarm();
    const hello = await harness.next("hello");
    expect(hello.accountId).toBe("000000000000");
    expect(hello.containers).toContainEqual(
      expect.objectContaining({ state: "blank", containerId: second.containerId }),
    );
  });
});

/** One letter, as /proc says it: T is stopped. */
function stateOf(pid: number): string | undefined {
  return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.[0];
}
