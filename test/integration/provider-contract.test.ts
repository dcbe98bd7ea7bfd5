import { describeCapacityProvider } from "../../src/ports/contract/capacity-provider-contract.ts";
import { createProcessProvider } from "../../src/provider/process/process-provider.ts";
import { createSandboxProvider } from "../../src/provider/sandbox/sandbox-provider.ts";
import { skipUnless } from "../skip.ts";
import { LocalWorld } from "./provider-world.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";

const SHAPES = {
  elasticShapes: [
    { memoryMiB: 512, cpuMilli: 500 },
    { memoryMiB: 768, cpuMilli: 700 },
  ],
  impossibleShape: { memoryMiB: 1_000_000_000, cpuMilli: 500 },
  timeoutMs: 90_000,
} as const;

describeCapacityProvider("process", {
  ...SHAPES,
  needs: skipUnless(process.platform === "linux", "looks at processes in /proc"),
  openWorld: () => LocalWorld.open((parts) => createProcessProvider({ ...parts, log() {} })),
});

describeCapacityProvider("sandbox", {
  ...SHAPES,
  needs: needsSandbox,
  openWorld: () =>
    LocalWorld.open((parts) => createSandboxProvider({ ...parts, network: true, log: { info() {}, warn() {} } })),
});
