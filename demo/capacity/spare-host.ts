import { availableMemoryMiB } from "../../src/host/host-resources.ts";
import type { OfferId } from "../../src/model/ids.ts";
import type { Log } from "../../src/ports/log.ts";
import { type Hearth, startHearth } from "../../src/up/hearth.ts";

export const FIXED = "sandbox/host/slice/on-demand" as OfferId;
export const SPARE = "harvest/host/slice/spare" as OfferId;
/** Between the notice and the end of a harvested instance. */
export const NOTICE_MS = 8_000;
/** Of the fixed instances, and of the harvested ones, together. */
const FIXED_MIB = 1536;
const SPARE_MIB = 1536;
const INSTANCE_MIB = 768;
/** Other work that takes so much leaves nothing to be harvested. */
export const HOG_MIB = SPARE_MIB + 1024;

/**
 * A server on this host with one fixed instance ready and something to harvest, in sizes that a small machine has: so much is
 * lent, and given back as soon as other work needs it.
 * @throws Error when this host has too little free memory.
 */
export async function startSpareHost(dataDir: string, log: Log): Promise<Hearth> {
  const availableMiB = availableMemoryMiB();
  const wantedMiB = FIXED_MIB + 2 * SPARE_MIB + 1024;
  if (availableMiB < wantedMiB) throw new Error(`${wantedMiB} MiB must be free, this machine has ${availableMiB}`);
  return startHearth({
    host: "127.0.0.1",
    port: 0,
    dataDir,
    network: false,
    region: "us-east-1",
    log,
    onStoreLost: (error) => {
      throw error;
    },
    fleet: {
      providers: ["sandbox", "harvest"],
      ec2File: undefined,
      agentHost: "127.0.0.1",
      agentPort: 0,
      agentAdvertise: undefined,
      sandboxMemoryMiB: FIXED_MIB,
      microvmMemoryMiB: undefined,
      harvest: {
        // Whatever this machine has, so much is left for lending.
        reserve: { memoryMiB: availableMiB - FIXED_MIB - SPARE_MIB, cpuMilli: 0 },
        floor: { memoryMiB: availableMiB - FIXED_MIB - SPARE_MIB - 512, cpuMilli: 0 },
        shape: { memoryMiB: INSTANCE_MIB, cpuMilli: 500 },
        shapeMin: { memoryMiB: INSTANCE_MIB, cpuMilli: 100 },
        calmMs: 3_000,
        pressedMs: 1_000,
        noticeMs: NOTICE_MS,
        cpuPressureMax: 1,
      },
    },
    settings: {
      blankTarget: { "nodejs24.x": 1 },
      warming: { fixed: { min: 1, max: 1 }, variable: { min: 1, max: 1 } },
      unsatisfiedMs: 60_000,
    },
    retrySettings: { systemDelayMs: 500 },
  });
}
