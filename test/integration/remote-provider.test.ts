import { describeCapacityProvider } from "../../src/ports/contract/capacity-provider-contract.ts";
import { skipUnless } from "../skip.ts";
import { RemoteWorld } from "./remote-fixture/remote-world.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";

const CONTRACT = {
  elasticShapes: [
    { memoryMiB: 512, cpuMilli: 500 },
    { memoryMiB: 768, cpuMilli: 700 },
  ],
  impossibleShape: { memoryMiB: 1_000_000_000, cpuMilli: 500 },
  timeoutMs: 90_000,
} as const;

describeCapacityProvider("static, a host with plain processes", {
  ...CONTRACT,
  needs: skipUnless(process.platform === "linux", "looks at processes in /proc"),
  openWorld: async () => new RemoteWorld("process"),
});

describeCapacityProvider("static, a host with sandboxes", {
  ...CONTRACT,
  needs: needsSandbox,
  openWorld: async () => new RemoteWorld("sandbox"),
});
