import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { availableMemoryMiB } from "../../src/host/host-resources.ts";
import type { PoolsSnapshot } from "../../src/model/snapshot.ts";
import { harvestDirOf } from "../../src/provider/harvest/harvest-provider.ts";
import { type Hearth, startHearth } from "../../src/up/hearth.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";
import { LambdaCaller } from "./server-fixture/lambda-caller.ts";
import { leftoversOf } from "./server-fixture/leftovers.ts";

/** Others may use this machine too, so nothing here is fast for sure. */
const IN_TIME = { timeout: 240_000, interval: 100 };
const TEST_MS = 600_000;

const SANDBOX_MIB = 1024;
/** As in harvest-load.test.ts: spare before the load comes, what it takes, what the host has at the least then. */
const SPARE_MIB = 4096;
const LOAD_MIB = 4608;
const LEFT_MIB = 4096;
const NO_LIMIT = { cpuMilli: -100_000 };

const SOURCE = {
  "index.js": `exports.handler = async ({ ms = 0 }) => {
  console.log("began");
  await new Promise((resolve) => setTimeout(resolve, ms));
  return "done";
};`,
};

const TOUCH = `
  const blocks = [];
  for (let at = 0; at < ${LOAD_MIB}; at += 64) blocks.push(Buffer.alloc(64 * 1024 * 1024, 1));
  console.log("taken");
  setInterval(() => blocks.length, 1000);`;

describe("a server whose variable capacity is this host's", needsSandbox, () => {
  let dataDir: string;
  let hearth: Hearth;
  let lambda: LambdaCaller;
  let load: ChildProcess | undefined;

  beforeEach(async () => {
    expect(availableMemoryMiB(), "the machine survives the load").toBeGreaterThan(LOAD_MIB + LEFT_MIB);
    dataDir = realpathSync(mkdtempSync(join(tmpdir(), "hearth-test-")));
    const reserveMiB = availableMemoryMiB() - SANDBOX_MIB - SPARE_MIB;
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    hearth = await startHearth({
      host: "127.0.0.1",
      port: 0,
      dataDir,
      network: false,
      region: "us-east-1",
      log,
      onStoreLost() {},
      retrySettings: { errorDelaysMs: [] },
      fleet: {
        providers: ["sandbox", "harvest"],
        ec2File: undefined,
        agentHost: "127.0.0.1",
        agentPort: 0,
        agentAdvertise: undefined,
        sandboxMemoryMiB: SANDBOX_MIB,
        microvmMemoryMiB: undefined,
        harvest: {
          calmMs: 3000,
          pressedMs: 2000,
          noticeMs: 8000,
          cpuPressureMax: 2,
          memoryPressureMax: 2,
          reserve: { memoryMiB: reserveMiB, ...NO_LIMIT },
          floor: { memoryMiB: reserveMiB - 256, ...NO_LIMIT },
        },
      },
    });
    lambda = new LambdaCaller(() => hearth.url);
    await lambda.deploy("slow", { files: SOURCE, timeoutS: 300 });
    const { status } = await lambda.request(
      "PUT",
      "/_hearth/accounts/000000000000/capacity",
      JSON.stringify({ class: "variable" }),
    );
    expect(status).toBe(200);
  }, TEST_MS);

  afterEach(async () => {
    await unload();
    lambda.close();
    await hearth.stop(0);
    await expect
      .poll(() => [dataDir, harvestDirOf(dataDir)].flatMap(leftoversOf).filter(isNotOurs), IN_TIME)
      .toEqual([]);
    rmSync(dataDir, { recursive: true, force: true });
  }, TEST_MS);

  async function busy(): Promise<void> {
    load = spawn(process.execPath, ["-e", TOUCH], { stdio: ["ignore", "pipe", "inherit"] });
    await once(load.stdout as NonNullable<typeof load.stdout>, "data");
  }

  async function unload(): Promise<void> {
    if (load === undefined) return;
    load.kill("SIGKILL");
    if (load.exitCode === null && load.signalCode === null) await once(load, "exit");
    load = undefined;
  }

  const pools = async () =>
    JSON.parse((await lambda.request("GET", "/_hearth/pools")).body.toString()) as PoolsSnapshot;
  const harvested = async () => (await pools()).instances.filter(({ subPool }) => subPool === "variable");
  const logOf = async (name: string) => (await lambda.request("GET", `/_hearth/logs/${name}`)).body.toString();

  test("a busy host: what runs is cut off and told, what is queued runs again, and callers wait", {
    timeout: TEST_MS,
  }, async () => {
    expect((await lambda.invoke("slow")).json).toBe("done");
    const [instance] = await harvested();
    expect(instance).toMatchObject({ state: "active", offerId: "harvest/host/slice/spare" });

    const cut = lambda.invoke("slow", { ms: 250_000 });
    expect((await lambda.invoke("slow", { ms: 60_000 }, { type: "Event" })).status).toBe(202);
    const began = async () => (await logOf("slow")).split("began").length - 1;
    await expect.poll(began, IN_TIME).toBe(3);
    await busy();
    expect(await cut).toMatchObject({ status: 500, errorType: "ServiceException" });
    expect((await cut).body.toString()).toContain("taken away");
    await expect.poll(async () => (await harvested()).length, IN_TIME).toBe(0);

    // Nothing is to be had: a caller waits, though a fixed instance is idle.
    const waiting = lambda.invoke("slow");
    await expect
      .poll(async () => (await pools()).instances.some(({ state }) => state === "warming"), IN_TIME)
      .toBe(true);
    expect(await began()).toBe(3);
    await unload();
    expect((await waiting).json).toBe("done");
    // The queued one once more, and to its end: of five executions two were cut off.
    await expect.poll(began, IN_TIME).toBe(5);
    await expect.poll(async () => (await logOf("slow")).split("REPORT").length - 1, IN_TIME).toBe(3);
    expect((await harvested()).length).toBeGreaterThan(0);
  });
});

/** The server of this test runs in this process: its folder is open here until it is removed. */
function isNotOurs(line: string): boolean {
  return !line.startsWith(`process ${process.pid}:`);
}
