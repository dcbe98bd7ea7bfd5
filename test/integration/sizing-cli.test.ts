import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import type { SizedVersionView, SizingPage } from "../../src/ports/sizing-view.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";
import { eventually } from "./server-fixture/eventually.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";

const COMMAND = fileURLToPath(new URL("../../bin/hearth.mjs", import.meta.url));
const CALLS = 40;
/** Memory that the function takes for a moment, by its event. */
const CODE = `export const handler = async ({ mib = 1, ms = 0 }) => {
  const memory = Buffer.alloc(mib * 2 ** 20, 1);
  await new Promise((resolve) => setTimeout(resolve, ms));
  return memory.length;
};`;

type CliRun = { readonly exitCode: number; readonly out: string; readonly err: string };

async function hearthCli({ url, dataDir }: HearthProcess, ...args: string[]): Promise<CliRun> {
  const env = { ...process.env, HEARTH_SERVER: url, HEARTH_DATA: dataDir };
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [COMMAND, ...args], { env });
    return { exitCode: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { exitCode: code, out: stdout, err: stderr };
  }
}

async function deploy(hearth: HearthProcess, memoryMiB: number): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "hearth-sizing-"));
  writeFileSync(join(dir, "index.mjs"), CODE);
  const flags = ["--name", "f", "--memory", String(memoryMiB), "--timeout", "20"];
  expect(await hearthCli(hearth, "deploy", dir, ...flags)).toMatchObject({ exitCode: 0 });
  rmSync(dir, { recursive: true });
}

async function invoke({ url }: HearthProcess, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const answer = await fetch(`${url}/2015-03-31/functions/f/invocations`, {
      method: "POST",
      body: JSON.stringify({ mib: 10 + (i % 4) }),
    });
    expect(answer.headers.get("x-amz-function-error")).toBeNull();
    await answer.text();
  }
}

async function sizeOf(hearth: HearthProcess): Promise<SizedVersionView> {
  const { versions } = JSON.parse((await hearthCli(hearth, "sizing", "--json")).out) as SizingPage;
  const [version] = versions;
  if (version === undefined) throw new Error("no function is listed");
  return version;
}

/** Executions that would survive a crash now: the server keeps others away from its database, so a copy is read. */
function storedExecutions({ dataDir }: HearthProcess): number {
  const dir = mkdtempSync(join(tmpdir(), "hearth-sizing-"));
  for (const name of ["hearth.db", "hearth.db-wal"]) copyFileSync(join(dataDir, name), join(dir, name));
  const database = new DatabaseSync(join(dir, "hearth.db"));
  try {
    const row = database.prepare("SELECT record ->> '$.version.counts[0]' AS executions FROM size").get();
    return Number(row?.["executions"] ?? 0);
  } finally {
    database.close();
    rmSync(dir, { recursive: true });
  }
}

describe("sizes in real containers", needsSandbox, () => {
  test("a function that asks for too much is learned, told, and known again after kill -9", {
    timeout: 120_000,
  }, async () => {
    await using hearth = await HearthProcess.start({ provider: "sandbox", args: ["--no-network"] });
    await deploy(hearth, 512);
    await invoke(hearth, CALLS);
    const size = await eventually(
      () => sizeOf(hearth),
      ({ evidence }) => evidence.executions >= CALLS,
      10_000,
    );
    expect(size.evidence).toMatchObject({ executions: CALLS, failures: 0 });
    expect(size.effective.memoryMiB).toBe(512);
    expect(size.savedMiB).toBeGreaterThan(300);
    const { peaks } = size.evidence;
    expect(peaks?.maxMiB).toBeGreaterThan(20);
    expect(peaks?.maxMiB).toBeLessThan(200);
    const why = await hearthCli(hearth, "sizing", "f", "--why");
    expect(why.out).toMatch(/^ +20 .* too much +reserved +512 +\d+ +The mean of 20 peaks is [\d.]+ MiB/m);
    expect((await hearthCli(hearth, "sizing", "f", "--svg", "-")).out).toContain(`reserved: `);
    expect((await hearthCli(hearth, "sizing", "f", "--mode", "suggest")).exitCode).toBe(0);

    await eventually(
      async () => storedExecutions(hearth),
      (executions) => executions === CALLS,
      20_000,
    );
    hearth.signal("SIGKILL");
    await hearth.exited();
    await hearth.start();
    const again = await sizeOf(hearth);
    expect(again.evidence).toMatchObject({
      executions: CALLS,
      peaksMeasured: size.evidence.peaksMeasured,
      failures: 0,
    });
    expect(again.evidence.peaks?.maxMiB).toBeCloseTo(peaks?.maxMiB ?? Number.NaN, 2);
    expect(again.settings.mode).toBe("suggest");
    expect(again.decisions.map(({ decidedMs }) => decidedMs)).toEqual(size.decisions.map(({ decidedMs }) => decidedMs));
    expect(again.reservationMiB).toBe(512); // It is only suggested now.
    await hearth.stop();
  });

  test("a sweep leaves out the size that is too small, compares, and leaves nothing behind, also after Ctrl-C", {
    timeout: 120_000,
  }, async () => {
    await using hearth = await HearthProcess.start({ provider: "sandbox", args: ["--no-network"] });
    await deploy(hearth, 256);
    const sweep = ["tune", "f", "--sizes", "128,512", "--invocations", "3", "--payload"];
    const { exitCode, out } = await hearthCli(hearth, ...sweep, '{"mib": 200}');
    expect(exitCode, out).toBe(0);
    expect(out).toMatch(/^512 +[\d.]+ +█.*← cost$/m);
    expect(out).toMatch(/^128 MiB is left out: after 0 calls, Runtime\.OutOfMemory/m);
    expect(out).toMatch(/^sweep: 512 MiB, from 4 synthetic calls with one payload$/m);
    const hopeless = await hearthCli(
      hearth,
      "tune",
      "f",
      "--sizes",
      "128",
      "--invocations",
      "1",
      "--payload",
      '{"mib": 400}',
    );
    expect([hopeless.exitCode, hopeless.err]).toEqual([1, expect.stringContaining("f failed at every size")]);

    const env = { ...process.env, HEARTH_SERVER: hearth.url, HEARTH_DATA: hearth.dataDir };
    const args = [COMMAND, "tune", "f", "--sizes", "256", "--invocations", "100", "--payload", '{"ms": 200}'];
    const child = spawn(process.execPath, args, { env, stdio: ["ignore", "ignore", "pipe"] });
    const exited = once(child, "exit");
    await once(child.stderr, "data"); // It has begun.
    expect((await hearthCli(hearth, "list")).out).toMatch(/^f-tune-[0-9a-f]{6} /m);
    child.kill("SIGINT");
    expect(await exited).toEqual([130, null]);
    const list = (await hearthCli(hearth, "list")).out;
    expect(list).toMatch(/^f /m);
    expect(list).not.toContain("tune");
    // It was disturbed by nothing: it did not run once.
    expect((await sizeOf(hearth)).evidence.executions).toBe(0);
    await hearth.stop();
  });
});
