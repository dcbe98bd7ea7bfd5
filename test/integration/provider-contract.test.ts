import { systemClock } from "../../src/ports/clock.ts";
import { describeCapacityProvider } from "../../src/ports/contract/capacity-provider-contract.ts";
import { createHarvestProvider } from "../../src/provider/harvest/harvest-provider.ts";
import { createProcessProvider } from "../../src/provider/process/process-provider.ts";
import { createSandboxProvider } from "../../src/provider/sandbox/sandbox-provider.ts";
import { skipUnless } from "../skip.ts";
import { LocalWorld } from "./provider-world.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";

const log = { info() {}, warn() {} };

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
  openWorld: () => LocalWorld.open((parts) => createSandboxProvider({ ...parts, network: true, log })),
});

/** Lent at the first glance, and whatever the processors do: it is not its judgement that is tried here. */
const GENEROUS = {
  calmMs: 1000,
  reserve: { memoryMiB: 256, cpuMilli: -100_000 },
  floor: { memoryMiB: 0, cpuMilli: -100_000 },
  cpuPressureMax: 2,
  memoryPressureMax: 2,
};

describeCapacityProvider("harvest", {
  ...SHAPES,
  needs: needsSandbox,
  openWorld: () =>
    LocalWorld.open((parts) =>
      createHarvestProvider({ ...parts, network: true, log, clock: systemClock, owedMiB: () => 0, settings: GENEROUS }),
    ),
});
