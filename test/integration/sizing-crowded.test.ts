import { readdirSync, readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AgentHarness, type DeployedFunction } from "./agent-harness.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";

const MEBIBYTE = 1024 * 1024;
const IN_TIME = { timeout: 10_000 };
const TIMEOUT_MS = 60_000;

/** Keeps what it took, over executions. */
const KEEPER = `
  const kept = [];
  export const handler = async ({ takeMiB = 0 }) => {
    for (let n = 0; n < takeMiB; n += 8) {
      kept.push(Buffer.alloc(8 * ${MEBIBYTE}, 1));
      await new Promise((resolve) => setImmediate(resolve));
    }
    return kept.length * 8;
  };`;

describe("an instance whose containers may hold more than it has", needsSandbox, () => {
  let harness: AgentHarness;

  beforeEach(async () => {
    harness = await AgentHarness.start("sandbox");
  });
  afterEach(() => harness.stop());

  const deploy = (memoryMiB = 512) =>
    harness.deploy({ files: { "index.mjs": KEEPER }, timeoutMs: TIMEOUT_MS, cpuMilli: 2000, memoryMiB });

  const frozen = ({ containerId }: DeployedFunction) =>
    expect
      .poll(() => oomScores(containerId), IN_TIME)
      .toSatisfy((scores: number[]) => scores.length > 0 && scores.every((score) => score === 1000));

  test("tells when they hold much, when still more, and when no longer", async () => {
    harness.welcome = { pressureAtMiB: 250, pressureClearMiB: 200 };
    await harness.launch(640);
    const keeper = await deploy();
    await keeper.run({ takeMiB: 104 });
    expect(harness.received.map(({ message }) => message.kind)).not.toContain("pressure");
    await keeper.run({ takeMiB: 160 });
    const risen = await harness.next("pressure");
    expect(risen.memoryUsedMiB).toBeGreaterThanOrEqual(250);
    await keeper.run({ takeMiB: 80 });
    const further = await harness.next("pressure");
    expect(further.memoryUsedMiB).toBeGreaterThan(risen.memoryUsedMiB + 10);
    // A server that joins later is told as well.
    await harness.vanish();
    await harness.listen();
    await harness.next("hello");
    expect((await harness.next("pressure")).memoryUsedMiB).toBeGreaterThan(250);
    harness.send({ kind: "destroyContainer", containerId: keeper.containerId });
    await harness.next("pressure", ({ memoryUsedMiB }) => memoryUsedMiB < 200);
  });

  test("loses one that waits first, though it is the smaller; the agent lives and tells", async () => {
    await harness.launch(448);
    const [waiting, working] = [await deploy(), await deploy()];
    await waiting.run({ takeMiB: 80 });
    await frozen(waiting);
    await working.run({});
    await expect.poll(() => oomScores(working.containerId), IN_TIME).toContain(100);
    // On a host with far too much to do the kernel may kill again before the first one's memory is free.
    expect(["ok", "agentFault"]).toContain((await working.run({ takeMiB: 344 })).outcome);
    const gone = await waiting.gone();
    expect(gone.reason).toContain("the instance was out of memory");
    expect(await (await deploy(128)).run({})).toMatchObject({ outcome: "ok" });
  });

  test("does not blame a function that had to go though it was below its limit", async () => {
    await harness.launch(320);
    const working = await deploy(512);
    const killed = await working.run({ takeMiB: 480 });
    expect(killed).toMatchObject({ outcome: "agentFault", containerUsable: false });
    await working.gone();
    expect(await (await deploy(256)).run({ takeMiB: 8 })).toMatchObject({ outcome: "ok" });
  });
});

/** Of the container's processes, as the kernel keeps them. */
function oomScores(containerId: string): number[] {
  const pids = processesOf(containerId);
  return pids.map((pid) => Number(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8")));
}

function processesOf(containerId: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(containerId);
      } catch {
        return false;
      }
    })
    .map(Number);
}
