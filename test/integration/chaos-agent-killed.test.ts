import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";
import { eventually } from "./server-fixture/eventually.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";
import { LambdaCaller } from "./server-fixture/lambda-caller.ts";

const SLOW =
  'exports.handler = async ({ ms = 0 }) => { console.log("BEGAN"); await new Promise((r) => setTimeout(r, ms)); return "done"; };';

for (const provider of ["process", "sandbox"] as const) {
  describe(`kill -9 of an agent, ${provider}`, provider === "sandbox" ? needsSandbox : {}, () => {
    test("callers get a coded error that may be retried, events are retried, and nothing is left", async () => {
      await using hearth = await HearthProcess.start({ provider });
      const lambda = new LambdaCaller(() => hearth.url);
      await lambda.deploy("slow", { files: { "index.js": SLOW }, timeoutS: 60 });
      expect((await lambda.invoke("slow")).json).toBe("done");
      await lambda.deploy("event", { files: { "index.js": SLOW }, timeoutS: 60 });

      const calls = Promise.all([lambda.invoke("slow", { ms: 50_000 }), lambda.invoke("slow", { ms: 50_000 })]);
      expect((await lambda.invoke("event", { ms: 2000 }, { type: "Event" })).status).toBe(202);
      await eventually(
        () => hearth.status(),
        ({ counts }) => counts.runningInvocations === 3,
        20_000,
      );
      await eventually(
        () => hearth.functionLog("event"),
        (log) => log.includes("BEGAN"),
        20_000,
      );
      await killAgents(hearth);

      for (const { status, errorType, headers } of await calls) {
        expect([status, errorType, headers["x-hearth-error-code"]]).toEqual([500, "ServiceException", "INSTANCE_LOST"]);
      }
      expect((await lambda.invoke("slow")).json).toBe("done");
      await eventually(
        () => hearth.status(),
        ({ counts }) => counts.queuedEvents === 0,
        30_000,
      );
      const log = await hearth.functionLog("event");
      expect(log.match(/^RETRY RequestId: /gm)).toHaveLength(1);
      expect(log.match(/^REPORT /gm)).toHaveLength(1);
      expect(await hearth.stop()).toBe(0);
      expect(await hearth.leftovers()).toEqual([]);
    });

    test("under load every caller is answered once, with a result or a coded error", async () => {
      await using hearth = await HearthProcess.start({ provider });
      const lambda = new LambdaCaller(() => hearth.url);
      await lambda.deploy("slow", { files: { "index.js": SLOW }, timeoutS: 60 });
      const outcomes = new Map<string, number>();
      let kills = 0;
      let isOver = false;
      const callers = Array.from({ length: 8 }, async () => {
        while (!isOver) {
          const { status, errorType } = await lambda.invoke("slow", { ms: 20 });
          const outcome = `${status} ${errorType ?? ""}`.trim();
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        }
      });
      const answered = () => outcomes.get("200") ?? 0;
      while (kills < 3) {
        const before = answered();
        await eventually(
          async () => answered(),
          (count) => count >= before + 20,
          30_000,
        );
        await killAgents(hearth);
        kills++;
      }
      const before = answered();
      await eventually(
        async () => answered(),
        (count) => count >= before + 20,
        30_000,
      );
      isOver = true;
      await Promise.all(callers);
      expect([...outcomes.keys()].filter((outcome) => !["200", "500 ServiceException"].includes(outcome))).toEqual([]);
      expect(answered()).toBeGreaterThanOrEqual(before + 20);
    });
  });
}

/** All that have joined; one that is still starting is another story. */
async function killAgents(hearth: HearthProcess): Promise<void> {
  await eventually(
    () => hearth.pools(),
    ({ instances }) => instances.every(({ state }) => state !== "launching"),
    20_000,
  );
  const agents = agentsOf(hearth.dataDir);
  expect(agents).not.toEqual([]);
  for (const pid of agents) process.kill(pid, "SIGKILL");
}

/** Processes that run the agent's bundle out of this data directory. */
function agentsOf(dataDir: string): number[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const [, script = ""] = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0");
      return script.startsWith(`${dataDir}/images/`) && script.includes("agent") ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}
