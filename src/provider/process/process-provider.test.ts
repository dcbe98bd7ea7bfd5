import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { skipUnless } from "../../../test/skip.ts";

const dir = mkdtempSync(join(tmpdir(), "hearth-process-provider-"));
afterAll(() => rmSync(dir, { recursive: true }));

const agentBundlePath = join(dir, "agent.mjs");
/** A server that is killed when it has started an agent and is about to record that. */
const PROGRAM = `
  import fs from "node:fs";
  import { syncBuiltinESMExports } from "node:module";
  fs.renameSync = () => process.kill(process.pid, "SIGKILL");
  syncBuiltinESMExports();
  const { createProcessProvider } = await import(${JSON.stringify(join(import.meta.dirname, "process-provider.ts"))});
  const provider = createProcessProvider({ dataDir: ${JSON.stringify(dir)}, agentBundlePath: ${JSON.stringify(agentBundlePath)},
    runtimesDir: "/", nodeBinaries: {}, nodePath: process.execPath, log() {} });
  await provider.launch({ instanceId: "i-1", offerId: "o", subPool: "fixed", shape: { memoryMiB: 128, cpuMilli: 100 },
    serverSocketPath: "/none", token: "t" });`;

function agents(): string[] {
  return readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, "utf8").includes(agentBundlePath);
    } catch {
      return false; // It has ended meanwhile.
    }
  });
}

test(
  "a server that is killed before it has recorded an agent leaves none",
  skipUnless(process.platform === "linux", "reads /proc"),
  async () => {
    writeFileSync(agentBundlePath, "setInterval(() => {}, 1000);");
    const child = execFile(process.execPath, ["--input-type=module", "-e", PROGRAM]);
    const signal = await new Promise((resolve) => child.once("exit", (_, by) => resolve(by)));
    expect(signal).toBe("SIGKILL");
    await expect.poll(agents).toEqual([]);
  },
);
