import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import type { ContainerBackend, ContainerHandle } from "../../../src/agent/container-backend.ts";
import { createSandboxBackend } from "../../../src/agent/sandbox/sandbox-backend.ts";
import type { ContainerId } from "../../../src/model/ids.ts";
import { agentConfigSchema } from "../../../src/protocol/agent-config.ts";

/** An agent that does what a test says: one line of JSON in, one line out. */
const config = agentConfigSchema.parse(JSON.parse(process.env["HEARTH_AGENT_CONFIG"] ?? "null"));
const backend: ContainerBackend = await createSandboxBackend(config, () => {});
const containers = new Map<string, TestContainer>();
const server = connect(config.serverSocketPath);
server.on("error", () => {}); // The server was killed: the instance stays.
const answer = (message: object) => server.write(`${JSON.stringify(message)}\n`);

type TestContainer = {
  readonly handle: ContainerHandle;
  readonly answers: Map<string, (answer: object) => void>;
  output: string;
};

// biome-ignore lint/suspicious/noExplicitAny: a test's own messages
type Order = any;

const orders: Record<string, (order: Order) => unknown> = {
  async create({ containerId, runtime, memoryMiB }) {
    const beganMs = performance.now();
    const handle = await backend.create(containerId as ContainerId, runtime, memoryMiB);
    const createMs = performance.now() - beganMs;
    const container: TestContainer = { handle, answers: new Map(), output: "" };
    containers.set(containerId, container);
    handle.output.on("data", (text: Buffer) => {
      container.output += text;
    });
    const isBlank = new Promise((resolve) => container.answers.set("blank", resolve));
    createInterface({ input: handle.channel }).on("line", (line) => {
      const message = JSON.parse(line);
      container.answers.get(message.id ?? message.kind)?.(message);
    });
    void isBlank.then(() => handle.started());
    await Promise.race([isBlank, handle.exited.then((exit) => Promise.reject(new Error(JSON.stringify(exit))))]);
    return { createMs, blankMs: performance.now() - beganMs, hostUid: handle.hostUid };
  },
  assign({ containerId, ...assignment }) {
    const beganMs = performance.now();
    of(containerId).handle.assign(assignment, () => {});
    of(containerId).handle.limitCpu();
    return { assignMs: performance.now() - beganMs };
  },
  evaluate({ id, containerId, code }) {
    const { handle, answers } = of(containerId);
    handle.channel.write(`${JSON.stringify({ id, code })}\n`);
    return Promise.race([new Promise((resolve) => answers.set(id, resolve)), handle.exited.then((exit) => ({ exit }))]);
  },
  shell({ containerId, text }) {
    const { handle, answers } = of(containerId);
    handle.channel.write(`${text}\n`);
    return new Promise((resolve) => answers.set("shell", resolve));
  },
  freeze: ({ containerId }) => of(containerId).handle.freeze(),
  thaw: ({ containerId }) => of(containerId).handle.thaw(),
  beginUsage: ({ containerId }) => of(containerId).handle.beginUsage(),
  readUsage: ({ containerId }) => of(containerId).handle.readUsage(),
  meterCostUs({ containerId, times }) {
    const { handle } = of(containerId);
    const beganMs = performance.now();
    for (let time = 0; time < times; time += 1) {
      handle.beginUsage();
      handle.readUsage();
    }
    return ((performance.now() - beganMs) * 1000) / times;
  },
  async destroy({ containerId }) {
    const beganMs = performance.now();
    await of(containerId).handle.destroy();
    return { destroyMs: performance.now() - beganMs, exit: await of(containerId).handle.exited };
  },
  exited: ({ containerId }) => of(containerId).handle.exited,
  output: ({ containerId }) => of(containerId).output,
  mounts: () => readFileSync("/proc/self/mountinfo", "utf8"),
  processes: () => readdirSync("/proc").filter((name) => /^\d+$/.test(name)).length,
  pid: () => process.pid,
  held: () => ({
    descriptors: readdirSync("/proc/self/fd").length,
    threads: readdirSync("/proc/self/task").length,
  }),
  residentMiB: () => process.memoryUsage.rss() / 1024 / 1024,
};

createInterface({ input: server }).on("line", async (line) => {
  const order = JSON.parse(line);
  try {
    answer({ id: order.id, value: await orders[order.op]?.(order) });
  } catch (error) {
    answer({ id: order.id, error: (error as Error).stack });
  }
});
answer({ hello: config.instanceId });

function of(containerId: string): TestContainer {
  const container = containers.get(containerId);
  if (container === undefined) throw new Error(`no container ${containerId}`);
  return container;
}
