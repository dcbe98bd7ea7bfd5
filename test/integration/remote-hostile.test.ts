import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { InstanceOrder } from "../../src/protocol/host-protocol.ts";
import { RawAgent, type Run } from "./remote-fixture/raw-agent.ts";
import { newKey, RawHost } from "./remote-fixture/raw-host.ts";
import { RemoteServer } from "./remote-fixture/remote-server.ts";
import { eventually } from "./server-fixture/eventually.ts";
import { LambdaCaller } from "./server-fixture/lambda-caller.ts";

const TIMEOUT_MS = 120_000;
const WAIT_MS_MAX = 40_000;
/** Until an instance that keeps its containers is given up (30 s), has had its time to end (10 s), and is replaced. */
const REPLACED_MS_MAX = 80_000;
const FILES = { "index.mjs": "export const handler = () => 'really run';" };
/** Two of these do not fit into one instance. */
const MEMORY_MIB = 900;

/** A machine that joined, whose agents make no containers and run nothing but say so. */
class HostileMachine {
  readonly host: RawHost;
  readonly agents: { readonly order: InstanceOrder; readonly agent: RawAgent }[] = [];
  readonly #timer: NodeJS.Timeout;

  readonly #dial: () => RawHost;

  private constructor(host: RawHost, dial: () => RawHost, agentOf: (order: InstanceOrder) => RawAgent) {
    this.host = host;
    this.#dial = dial;
    let heard = 0;
    this.#timer = setInterval(() => {
      host.send({ kind: "heartbeat", load: { cpu: 0 } });
      for (const { message } of host.heard.slice(heard)) {
        heard++;
        if (message.kind === "launch") this.agents.push({ order: message.order, agent: agentOf(message.order) });
        if (message.kind === "launch" || message.kind === "terminate")
          host.send({ kind: "done", orderId: message.orderId });
      }
    }, 50);
    host.socket.on("close", () => clearInterval(this.#timer));
  }

  static async join(server: RemoteServer): Promise<HostileMachine> {
    const key = await newKey();
    const port = Number(server.address.split(":").at(-1));
    const host = new RawHost(port, key).join((await server.invite()).token);
    await host.next("welcome");
    return new HostileMachine(
      host,
      () => new RawHost(port, key),
      (order) => new RawAgent(port, key, order),
    );
  }

  fetch(sha256Hex: string): RawHost {
    return this.#dial().send({ kind: "fetchCode", sha256Hex });
  }

  /** The next execution that one of its instances was given. */
  async nextRun(
    waitMsMax = WAIT_MS_MAX,
  ): Promise<{ readonly agent: RawAgent; readonly order: InstanceOrder; readonly run: Run }> {
    const asked = async () => this.agents.find(({ agent }) => agent.runs.length > 0);
    const found = await eventually(asked, (each) => each !== undefined, waitMsMax);
    const run = found?.agent.runs.shift();
    if (found === undefined || run === undefined) throw new Error("the machine was not asked to run anything");
    return { ...found, run };
  }

  leave(): void {
    clearInterval(this.#timer);
    this.host.socket.destroy();
    for (const { agent } of this.agents) agent.socket.destroy();
  }
}

describe("a hostile machine that joined", { timeout: TIMEOUT_MS }, () => {
  let server: RemoteServer;
  let lambda: LambdaCaller;
  let machine: HostileMachine;

  beforeEach(async () => {
    server = await RemoteServer.start("127.0.0.1");
    lambda = new LambdaCaller(() => server.hearth.url);
    machine = await HostileMachine.join(server);
    await lambda.deploy("mine", { files: FILES, memoryMiB: MEMORY_MIB });
  }, TIMEOUT_MS);
  afterEach(async () => {
    machine.leave();
    lambda.close();
    await server[Symbol.asyncDispose]();
  }, TIMEOUT_MS);

  test("cannot bring the server down with figures that are none", async () => {
    const claims = [
      { wallUs: "1e999" },
      { wallUs: -1 },
      { wallUs: 1e300 },
      { cpuUs: "1e999" },
      { initUs: "1e999" },
      { memoryPeakBytes: -1 },
    ];
    for (const claim of claims) {
      const answer = lambda.invoke("mine", {});
      const { agent, run } = await machine.nextRun();
      agent.finish(run, claim);
      // The agent is cut off, and the caller told.
      await agent.closed();
      expect((await answer).status, JSON.stringify(claim)).toBeGreaterThanOrEqual(500);
    }
    expect((await fetch(`${server.hearth.url}/metrics`)).status).toBe(200);
  });

  test("writes neither outside the logs nor into those of another account", async () => {
    const answer = lambda.invoke("mine", {});
    const { agent, run } = await machine.nextRun();
    const write = (functionKey: string) =>
      agent.send({ kind: "log", containerId: run.containerId, functionKey }, Buffer.from(`as ${functionKey}\n`));
    for (const accountId of ["..", "../..", "", ".", "111111111111", "logs"]) write(`${accountId}/mine/$LATEST/1`);
    write(run.assignment?.functionKey ?? "");
    agent.finish(run);
    expect((await answer).json).toBe("done");
    const { dataDir } = server.hearth;
    const logs = async () =>
      readdirSync(dataDir, { recursive: true, encoding: "utf8" })
        .filter((name) => name.includes("mine-"))
        .map((name) => [name, readFileSync(join(dataDir, name), "utf8")] as const);
    const written = await eventually(logs, (each) => each.some(([, text]) => text.includes("END Req")), WAIT_MS_MAX);
    expect(written).toEqual([[expect.stringMatching(/^logs\/000000000000\/mine-/), expect.any(String)]]);
    const lines = written[0]?.[1].split("\n").filter((line) => line.startsWith("as "));
    expect(lines).toEqual([`as ${run.assignment?.functionKey}`]);
  });

  test("that ends nothing that it is told to end holds up no call for ever", async () => {
    await eventually(
      async () => machine.agents,
      (agents) => agents.length > 0,
      WAIT_MS_MAX,
    );
    const [idle] = machine.agents;
    if (idle === undefined) throw new Error("nothing was launched");
    idle.agent.endsContainers = false;
    // Its blank containers have to go first.
    const answer = lambda.invoke("mine", {});
    const { agent, order, run } = await machine.nextRun(REPLACED_MS_MAX);
    expect(order.instanceId).not.toBe(idle.order.instanceId);
    agent.finish(run);
    expect((await answer).json).toBe("done");
  });

  test("gets the code that it was ordered to run, and no other", async () => {
    await lambda.deploy("theirs", { files: { "index.mjs": "export const handler = () => 'secret';" } });
    const theirs = await lambda.request("GET", "/2015-03-31/functions/theirs/configuration");
    const hash = Buffer.from(JSON.parse(theirs.body.toString()).CodeSha256, "base64").toString("hex");
    const answer = lambda.invoke("mine", {});
    const { agent, run } = await machine.nextRun();
    expect(await machine.fetch(run.assignment?.codeSha256Hex ?? "").next("codePart")).toMatchObject({ isLast: true });
    expect(await machine.fetch(hash).next("refused")).toMatchObject({
      detail: expect.stringContaining("was ordered to run"),
    });
    agent.finish(run);
    await answer;
  });

  test("ends no execution of another instance", async () => {
    const answers = [lambda.invoke("mine", {}), lambda.invoke("mine", {})];
    const [first, second] = [await machine.nextRun(), await machine.nextRun()];
    expect(first.order.instanceId).not.toBe(second.order.instanceId);
    // By its whole name, and by its lease alone: leases can be guessed.
    second.agent.finish(first.run);
    second.agent.finish({ ...first.run, invocationId: second.run.invocationId });
    second.agent.finish(second.run);
    await Promise.race(answers);
    const { instances } = await server.hearth.pools();
    const states = instances
      .filter(({ id }) => id === first.order.instanceId)
      .flatMap(({ containers }) => containers.map(({ state }) => state));
    expect(states).toContain("running");
    first.agent.finish(first.run);
    expect((await Promise.all(answers)).map(({ json }) => json)).toEqual(["done", "done"]);
  });
});
