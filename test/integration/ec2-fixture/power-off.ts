import { existsSync } from "node:fs";
import { join } from "node:path";
import type { CapacityProvider } from "../../../src/ports/capacity-provider.ts";
import { createProcessProvider } from "../../../src/provider/process/process-provider.ts";
import { createSandboxProvider } from "../../../src/provider/sandbox/sandbox-provider.ts";

/** Ends what a host agent that was killed has left on this machine: instances of its data directory, and what holds them. */
export async function powerOff(dataDir: string): Promise<void> {
  if (!existsSync(dataDir)) return;
  const parts = {
    dataDir,
    agentBundlePath: "/none",
    runtimesDir: "/none",
    nodeBinaries: {},
    nodePath: process.execPath,
  };
  if (existsSync(join(dataDir, "run/process"))) await endAll(createProcessProvider({ ...parts, log() {} }));
  if (!existsSync(join(dataDir, "sandbox"))) return;
  const log = { info() {}, warn() {} };
  await endAll(await createSandboxProvider({ ...parts, imagesDir: join(dataDir, "images"), network: true, log }));
}

async function endAll(provider: CapacityProvider): Promise<void> {
  for (const instanceId of await provider.list()) await provider.terminate(instanceId);
  await provider.close();
}
