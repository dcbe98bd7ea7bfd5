import { basename } from "node:path";
import { describe, expect, test } from "vitest";
import { dataIdOf } from "../../src/provider/sandbox/data-id.ts";
import { CapacityClient, IN_TIME_MS } from "./capacity-fixture/capacity-client.ts";
import { containerProcessesOf, findProcesses, killNow, type ProcessEntry } from "./capacity-fixture/processes.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";
import { eventually } from "./server-fixture/eventually.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";

const TIMEOUT_MS = 180_000;
const KILLS = 4;
const FUNCTIONS = 6;
const IN_TIME = { timeout: IN_TIME_MS };
const files = {
  "index.js": `exports.handler = async ({ ms = 0 }) => {
  console.log("BEGAN");
  await new Promise((resolve) => setTimeout(resolve, ms));
  return "done";
};`,
};

describe("kill -9 below an instance", needsSandbox, () => {
  test("of the OCI runtime while it makes containers: they are made again, and everybody is answered", {
    timeout: TIMEOUT_MS,
  }, async () => {
    await using hearth = await HearthProcess.start({ provider: "sandbox" });
    const { lambda } = new CapacityClient(() => hearth.url);
    const names = Array.from({ length: FUNCTIONS }, (_, i) => `f${i}`);
    for (const name of names) await lambda.deploy(name, { files });
    let kills = 0;
    const killer = setInterval(() => {
      for (const { pid } of kills < KILLS ? ociRuntimesOf(hearth.dataDir) : []) if (killNow(pid)) kills++;
    }, 5);
    try {
      // Each needs containers that are not there yet; the killing goes on until it has hit.
      for (let round = 0; round < 20 && kills < KILLS; round++) {
        const calls = names.flatMap((name) => [lambda.invoke(name, { ms: 300 }), lambda.invoke(name, { ms: 300 })]);
        expect((await Promise.all(calls)).map(({ json }) => json)).toEqual(calls.map(() => "done"));
        const more = `more-${round}`;
        await lambda.deploy(more, { files });
        names.push(more);
      }
    } finally {
      clearInterval(killer);
    }
    expect(kills).toBeGreaterThan(0);
    expect((await lambda.invoke("f0")).json).toBe("done");
    expect(await hearth.stop()).toBe(0);
    expect(await hearth.leftovers()).toEqual([]);
  });

  test("of all that runs in containers: the instance lives on, callers are told, events run again and say so", {
    timeout: TIMEOUT_MS,
  }, async () => {
    await using hearth = await HearthProcess.start({
      provider: "sandbox",
      env: { HEARTH_ASYNC_RETRY_SECONDS: "1,1" },
    });
    const client = new CapacityClient(() => hearth.url);
    const { lambda } = client;
    await lambda.deploy("f", { files, timeoutS: 300 });
    await lambda.deploy("event", { files, timeoutS: 300 });
    const call = lambda.invoke("f", { ms: 200_000 });
    const id = await client.enqueue("event", { ms: 3000 });
    for (const name of ["f", "event"]) {
      await expect.poll(() => hearth.functionLog(name), IN_TIME).toContain("BEGAN");
    }
    const active = async () =>
      (await hearth.pools()).instances.flatMap(({ state, id: i }) => (state === "active" ? i : []));
    const before = await active();
    const killed = containerProcessesOf(hearth.dataDir).filter(killNow);
    expect(killed.length).toBeGreaterThanOrEqual(2);
    const { status, functionError, json } = await call;
    expect([status, functionError, json.errorType]).toEqual([200, "Unhandled", "Runtime.ExitError"]);
    // A blank container that is dead, and not yet known to be, may be taken for a call: that may be tried again.
    const next = await eventually(
      () => lambda.invoke("f"),
      (answer) => answer.json === "done" || answer.headers["x-hearth-error-code"] !== "INSTANCE_LOST",
      IN_TIME_MS,
    );
    expect([next.headers["x-hearth-error-code"], next.json]).toEqual([undefined, "done"]);
    await client.drained();
    const log = await hearth.functionLog("event");
    expect(log.match(/^RETRY RequestId: .*$/gm)).toEqual([`RETRY RequestId: ${id} Attempt: 2`]);
    expect(log.match(/BEGAN$/gm)).toHaveLength(2);
    expect(await active()).toEqual(expect.arrayContaining(before));
    expect(await hearth.stop()).toBe(0);
    expect(await hearth.leftovers()).toEqual([]);
  });
});

function ociRuntimesOf(dataDir: string): ProcessEntry[] {
  const isOurs = ({ args }: ProcessEntry) =>
    ["runc", "crun"].includes(basename(args[0] ?? "")) &&
    args.some((arg) => arg.includes(dataDir) || arg.includes(dataIdOf(dataDir)));
  return findProcesses(isOurs);
}
