import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { learn, serveSizingRoutes, tenant, url } from "../frontend/admin/sizing-fixture.ts";
import { DEFAULT_ACCOUNT_ID } from "../model/ids.ts";
import type { SizingAnswer } from "../ports/sizing-document.ts";
import { runCommandLine } from "./command-line-fixture.ts";
import { chanceText } from "./sizing-text.ts";

serveSizingRoutes();

const run = (...args: string[]) => runCommandLine(args, { HEARTH_DATA: "/nowhere", HEARTH_SERVER: url });

const cells = (line = "") => line.trim().split(/ {2,}/);

test("all functions as a table, with what is saved in all", async () => {
  learn(DEFAULT_ACCOUNT_ID, "lean", 300);
  const { out, err } = await run("sizing");
  const [header, lean, fresh, other] = out.split("\n").map(cells);
  expect(header).toEqual(["FUNCTION", "REQUESTED", "LIMIT", "RESERVED", "NEEDS", "SAVED", "CONFIDENCE", "NEXT STEP"]);
  expect(lean?.slice(0, 2)).toEqual(["lean", "1024"]);
  const [limit, reserved, needs, saved] = (lean ?? []).slice(2, 6).map(Number);
  expect([limit, needs]).toEqual([reserved, reserved]);
  expect(saved).toBe(1024 - (reserved ?? 0));
  expect(saved).toBeGreaterThan(850);
  expect(lean?.[6]).toBe("at most 1 in 300 needs more");
  expect(lean?.[7]).toMatch(/^Looked at again after/);
  expect(fresh).toEqual(["new", "1024", "1024", "1024", "?", "0", "0 of 20 executions", expect.any(String)]);
  expect(other?.[0]).toBe(`${tenant}/own`);
  expect(err).toMatch(/^one container of each takes \d+ instead of 3072 MiB of an instance: \d+ MiB saved \(\d+ %\)$/m);
  const json = JSON.parse((await run("sizing", "--json")).out) as { versions: unknown[] };
  expect(json.versions).toHaveLength(3);
  expect((await run("sizing", "--account", tenant)).out.split("\n")).toHaveLength(3);
});

test("why, as text and as a chart", async () => {
  learn(DEFAULT_ACCOUNT_ID, "lean", 300);
  const { out } = await run("sizing", "lean", "--why");
  expect(out).toMatch(/^requested +1024 MiB, 0\.58 vCPU$/m);
  expect(out).toMatch(/^peaks +half below [\d.]+ MiB, 90 % below [\d.]+, 99 % below [\d.]+; the largest 91\.0$/m);
  expect(out).toMatch(/^EXECUTION +TIME +BECAUSE +OF +FROM MIB +TO MIB +EVIDENCE$/m);
  expect(out).toMatch(
    /^ +20 +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +too much +limit +1024 +\d+ +The largest of 20 peaks is 91\.0 MiB/m,
  );
  const dir = mkdtempSync(join(tmpdir(), "hearth-cli-"));
  try {
    const file = join(dir, "lean.svg");
    expect((await run("sizing", "lean", "--why", "--svg", file)).err).toBe(`wrote ${file}\n`);
    expect(readFileSync(file, "utf8")).toMatch(/^<svg [\s\S]*<\/svg>\s*$/);
    const missing = await run("sizing", "lean", "--svg", join(dir, "none", "lean.svg"));
    expect([missing.exitCode, missing.err]).toEqual([2, expect.stringContaining("name a file that can be written")]);
  } finally {
    rmSync(dir, { recursive: true });
  }
  expect((await run("sizing", "lean", "--svg", "-")).out).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
  expect((await run("sizing", "new", "--why")).out).toContain("Nothing was decided yet.");
  const none = await run("sizing", "none", "--why");
  expect(none.err).toContain("There is no function none in account 000000000000.");
});

test("settings are set, added to, and taken back, for a function and for an account", async () => {
  const said = async (...args: string[]) =>
    (JSON.parse((await run("sizing", ...args, "--json")).out) as SizingAnswer).said;
  expect(await said("lean", "--policy", "slo", "--slo-ms", "800", "--max", "2048")).toEqual({
    policy: "slo",
    sloMs: 800,
    memoryMiBMax: 2048,
  });
  expect(await said("lean", "--mode", "suggest")).toMatchObject({ policy: "slo", mode: "suggest" });
  expect(await said("lean", "--policy", "cost", "--max", "default")).toEqual({ policy: "cost", mode: "suggest" });
  expect(await said("lean", "--cpu", "apart", "--cpu-min", "100")).toMatchObject({ cpu: "apart", cpuMilliMin: 100 });
  expect(await said("lean", "--cpu", "ratio")).toEqual({ policy: "cost", mode: "suggest", cpu: "ratio" });
  expect(await said("--account", tenant, "--limits", "hard", "--prices", "0.05,0.006")).toEqual({
    limits: "hard",
    prices: { vcpuUsdPerHour: 0.05, gibUsdPerHour: 0.006 },
  });
  const { out } = await run("sizing", "own", "--account", tenant, "--min", "64");
  expect(out).toContain(
    "own: mode auto (default), policy slo (default), limits hard (account), cpu ratio (default), memoryMiBMin 64 (function)",
  );
  const shown = await run("sizing", "lean");
  expect(shown.out).toMatch(/^changed +\d{4}-.* by unsigned: \{"mode":"suggest".*→/m);
});

test("what is wrong is named, with the remedy", async () => {
  const cases: [string[], RegExp, number][] = [
    [["lean", "--mode", "fast"], /mode: "fast" is no mode; it is one of auto, suggest, off/, 1],
    [["lean", "--min", "much"], /memoryMiBMin: "much" is no amount of MiB; give a whole number/, 1],
    [["lean", "--prices", "1"], /--prices 1 is no pair of prices\n.*such as 0\.0331,0\.0037/, 2],
    [["lean", "--why", "--mode", "off"], /settings are changed or shown, not both at once/, 2],
    [["--why"], /--why needs a function\n.*`hearth sizing NAME --why`/, 2],
    [["--export", "pulumi"], /--export pulumi is unknown\n.*terraform, sam, json/, 2],
    [["lean", "--stop"], /--stop and --resume are for everything\n.*--mode off/, 2],
    [["--stop", "--resume"], /contradict each other/, 2],
    [["lean", "--export", "sam", "--account", "404404404404"], /there is no function lean/, 1],
  ];
  for (const [args, says, exitCode] of cases) {
    const result = await run("sizing", ...args);
    expect(result.err, args.join(" ")).toMatch(says);
    expect(result.exitCode, args.join(" ")).toBe(exitCode);
  }
});

test("everything is stopped and goes on", async () => {
  learn(DEFAULT_ACCOUNT_ID, "lean", 300);
  expect((await run("sizing", "--stop")).out).toBe("stopped: new containers get what was requested\n");
  const stopped = await run("sizing");
  expect(stopped.err).toContain("all sizing is stopped: everything gets what it requested");
  expect(cells(stopped.out.split("\n")[1])[2]).toBe("1024");
  expect((await run("sizing", "--resume")).out).toBe("sizing goes on\n");
  expect(Number(cells((await run("sizing")).out.split("\n")[1])[2])).toBeLessThan(200);
});

test("what a template would need to state: what Lambda has at the least, and as requested where nothing is known", async () => {
  learn(DEFAULT_ACCOUNT_ID, "lean", 300);
  const { out: hcl } = await run("sizing", "--export", "terraform");
  expect(hcl).toMatch(
    /^# requested 1024; the largest of 300 executions took 91\.0 MiB, .*; it needs \d+, Lambda has no less than 128\nresource "aws_lambda_function" "lean" \{\n {2}function_name = "lean"\n {2}memory_size {3}= 128\n\}$/m,
  );
  expect(hcl).toMatch(
    /^# not known yet, so as requested: 0 of 20 executions\nresource "aws_lambda_function" "new" \{\n.*\n {2}memory_size {3}= 1024$/m,
  );
  expect(hcl).not.toContain('"own"');
  const { out: yaml } = await run("sizing", "lean", "--export", "sam");
  expect(yaml).toMatch(
    /^Resources:\n {2}# .*\n {2}Lean:\n {4}Type: AWS::Serverless::Function\n {4}Properties:\n {6}FunctionName: "lean"\n {6}MemorySize: 128$/m,
  );
  const json = JSON.parse((await run("sizing", "--export", "json", "--account", tenant)).out) as object[];
  expect(json).toEqual([{ functionName: "own", requestedMiB: 1024, memorySizeMB: 1024, because: expect.any(String) }]);
});

test("chances for people", () => {
  expect([0.5, 1 / 21, 1 / 4187, 1 / 123_456, 1e-9].map(chanceText)).toEqual([
    "1 in 2",
    "1 in 21",
    "1 in 4,200",
    "1 in 120,000",
    "under 1 in 1,000,000",
  ]);
});
