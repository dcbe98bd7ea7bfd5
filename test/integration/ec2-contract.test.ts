import { afterAll } from "vitest";
import { describeCapacityProvider } from "../../src/ports/contract/capacity-provider-contract.ts";
import { skipUnless } from "../skip.ts";
import { Ec2Place } from "./ec2-fixture/ec2-place.ts";
import { Ec2World } from "./ec2-fixture/ec2-world.ts";
import { needsMoto } from "./moto-server.ts";

let place: Promise<Ec2Place> | undefined;

describeCapacityProvider("ec2", {
  needs: { ...skipUnless(process.platform === "linux", "looks at processes in /proc"), ...needsMoto },
  openWorld: async () => {
    place ??= Ec2Place.open();
    return new Ec2World(await place);
  },
  // None of its offers is elastic.
  elasticShapes: [
    { memoryMiB: 512, cpuMilli: 500 },
    { memoryMiB: 768, cpuMilli: 700 },
  ],
  impossibleShape: { memoryMiB: 1_000_000_000, cpuMilli: 500 },
  timeoutMs: 120_000,
});

afterAll(async () => (await place)?.close());
