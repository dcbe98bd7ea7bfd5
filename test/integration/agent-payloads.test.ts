import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { InstanceId } from "../../src/model/ids.ts";
import { dataIdOf } from "../../src/provider/sandbox/data-id.ts";
import { AgentHarness } from "./agent-harness.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";

const CALLS = 16;
const ROUNDS = 3;
const PAYLOAD = Buffer.from(JSON.stringify("x".repeat(6 * 1024 * 1024 - 10)));
/** Answers all at once, long after the last payload came. */
const ECHO = `export const handler = async (event, context) => {
  await new Promise((resolve) => setTimeout(resolve, context.getRemainingTimeInMillis() - 45_000));
  return event;
};`;

describe("an instance with large payloads", needsSandbox, () => {
  let harness: AgentHarness;
  let instanceId: InstanceId;

  beforeAll(async () => {
    harness = await AgentHarness.start("sandbox");
    instanceId = await harness.launch(4096);
  });
  afterAll(() => harness?.stop());

  test(`carries ${CALLS} times 6 MB both ways at once, again and again`, async () => {
    const source = { files: { "index.mjs": ECHO }, timeoutMs: 48_000 };
    const functions = await Promise.all(Array.from({ length: CALLS }, () => harness.deploy(source)));
    for (let round = 0; round < ROUNDS; round += 1) {
      const leases = functions.map((echo) => echo.begin(PAYLOAD, { keepResult: true }));
      const results = await Promise.all(functions.map((echo, at) => echo.end(leases[at]!)));
      for (const { outcome, payload } of results) expect([outcome, payload.length]).toEqual(["ok", PAYLOAD.length]);
      for (const leaseId of leases) harness.send({ kind: "ack", leaseId });
    }
    // Half as many containers as the instance has room for.
    const { peakMiB, limitMiB } = agentMemory(dataIdOf(harness.directory), instanceId);
    expect(peakMiB).toBeLessThan(limitMiB / 2);
  });
});

/** What the agent's control group held at most, page cache included, and may hold. */
function agentMemory(dataId: string, instanceId: InstanceId): { peakMiB: number; limitMiB: number } {
  const path = `hearth-${dataId}/${instanceId}/agent`;
  const [v1, v2] = [`/sys/fs/cgroup/memory/${path}`, `/sys/fs/cgroup/${path}`];
  const read = (file: string) => Number(readFileSync(file, "utf8")) / 1024 / 1024;
  return existsSync(v1)
    ? { peakMiB: read(`${v1}/memory.max_usage_in_bytes`), limitMiB: read(`${v1}/memory.limit_in_bytes`) }
    : { peakMiB: read(`${v2}/memory.peak`), limitMiB: read(`${v2}/memory.max`) };
}
