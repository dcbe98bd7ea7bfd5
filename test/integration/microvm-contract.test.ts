import { beforeAll } from "vitest";
import { describeCapacityProvider } from "../../src/ports/contract/capacity-provider-contract.ts";
import { IMAGE_MS_MAX, testVmImage } from "./microvm-fixture/image.ts";
import { MicrovmWorld } from "./microvm-fixture/microvm-world.ts";
import { needsMachines } from "./microvm-fixture/requirement.ts";

beforeAll(async () => {
  if (needsMachines.skip !== true) await testVmImage();
}, IMAGE_MS_MAX);

describeCapacityProvider("microvm", {
  needs: needsMachines,
  openWorld: async () => new MicrovmWorld(),
  elasticShapes: [
    { memoryMiB: 512, cpuMilli: 2000 },
    { memoryMiB: 640, cpuMilli: 1000 },
  ],
  impossibleShape: { memoryMiB: 1_000_000_000, cpuMilli: 500 },
  timeoutMs: 300_000,
});
