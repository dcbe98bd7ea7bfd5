import { describe, expect, test } from "vitest";
import type { CostsAnswer } from "../../src/ports/capacity-view.ts";
import { CapacityClient, fateOf, IN_TIME_MS, invocationsOf } from "./capacity-fixture/capacity-client.ts";
import { cpuSecondsOf } from "./capacity-fixture/cpu-time.ts";
import { needsFaketime, SettableClock } from "./capacity-fixture/set-clock.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";

const TIMEOUT_MS = 240_000;
const HOUR_S = 3600;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Of a whole processor that an idle server takes at most, though its clock jumps; a loop without a pause takes all of it. */
const IDLE_SHARE_MAX = 0.5;
const WATCHED_MS = 1500;
const IN_TIME = { timeout: IN_TIME_MS };

/** `HH:MM` of UTC. */
const timeOf = (ms: number) => new Date(ms).toISOString().slice(11, 16);

describe("a clock that is set by hours while invocations wait and are held", needsFaketime, () => {
  test("opens and closes windows, and moves neither waits nor pauses nor costs", { timeout: TIMEOUT_MS }, async () => {
    using clock = new SettableClock();
    await using hearth = await HearthProcess.start({
      provider: "process",
      args: ["--fixed-price", "0.01", "--blanks", "1"],
      env: { ...clock.env, HEARTH_ASYNC_RETRY_SECONDS: "3,3" },
    });
    const client = new CapacityClient(() => hearth.url);
    const { lambda } = client;
    await lambda.deploy("f", { files: { "index.js": "exports.handler = async (event) => event;" } });
    await lambda.deploy("fails", {
      files: { "index.js": 'exports.handler = async () => { throw new Error("no"); };' },
    });
    expect((await lambda.invoke("f", 1)).json).toBe(1);

    // The window is five hours away; when it opens there is no variable instance yet, which is another cause.
    const window = {
      kind: "window",
      timeZone: "UTC",
      from: timeOf(clock.nowMs + 4.5 * HOUR_MS),
      to: timeOf(clock.nowMs + 5.5 * HOUR_MS),
    } as const;
    await client.set({ class: "variable", constraints: [window] });
    const waiting = lambda.invoke("f", 2);
    const held = lambda.request("POST", invocationsOf("f"), "3", { "x-hearth-deadline": "+3h" });
    const heldFate = fateOf(held);
    await client.waiting(2);
    const causes = async () => (await client.waits()).entries[0]?.waitsFor.map(({ kind }) => kind) ?? [];
    const waitedMs = async () => {
      const { entries, nowMs } = await client.waits();
      return Math.max(...entries.map(({ sinceMs }) => nowMs - sinceMs));
    };
    await expect.poll(causes, IN_TIME).toContain("window");

    for (const hours of [5, -20, 5.1, -3, 0]) {
      clock.setBy(hours * HOUR_S);
      const isOpen = hours >= 5;
      await expect.poll(async () => (await causes()).includes("window"), IN_TIME).toBe(!isOpen);
      expect((await client.waits()).entries).toHaveLength(2);
      expect(await waitedMs()).toBeLessThan(HOUR_MS / 2);
      expect(await shareOfCpu(hearth.pid)).toBeLessThan(IDLE_SHARE_MAX);
    }

    // A pause before a retry is as long as it is, wherever the clock goes meanwhile.
    await client.set({ class: "fixed" });
    expect((await waiting).json).toBe(2);
    expect(await heldFate).toBe(200);
    for (const hours of [-9, 40]) {
      const id = await client.enqueue("fails");
      await expect.poll(async () => (await client.executions(id)).length, IN_TIME).toBe(1);
      clock.setBy(hours * HOUR_S);
      await expect.poll(async () => (await client.executions(id)).length, IN_TIME).toBe(3);
      await client.drained();
    }

    // A wait that ends in a refusal, too.
    await client.set({ class: "variable", onShortage: { kind: "fail", after: "30m" } });
    const patient = lambda.invoke("f", 4);
    await client.waiting(1);
    clock.setBy(60 * HOUR_S);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect((await client.waits()).entries).toHaveLength(1);
    await client.set({ class: "fixed" });
    expect((await patient).json).toBe(4);

    // No more was held than there was time for.
    const [from, to] = [-3, 3].map((days) => new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10));
    const { rows } = await client.get<CostsAnswer>(`/_hearth/costs?from=${from}&to=${to}`);
    const instances = rows.filter(({ functionName }) => functionName === undefined);
    for (const row of rows) {
      expect(row.heldMs).toBeGreaterThanOrEqual(0);
      expect(Number.isFinite(row.heldUsd) && row.heldUsd >= 0).toBe(true);
    }
    expect(instances.length).toBeGreaterThan(0);
    expect(instances.reduce((sum, { heldMs }) => sum + heldMs, 0)).toBeLessThan(HOUR_MS);
    expect(await hearth.stop()).toBe(0);
  });
});

/** Over a few seconds, in which it has nothing to do. */
async function shareOfCpu(pid: number): Promise<number> {
  const [beganS, beganMs] = [cpuSecondsOf(pid), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, WATCHED_MS));
  return ((cpuSecondsOf(pid) - beganS) * 1000) / (performance.now() - beganMs);
}
