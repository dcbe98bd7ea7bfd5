import type { Execution } from "../../../src/control/sizing/execution.ts";
import { Sizing } from "../../../src/control/sizing/sizing.ts";
import type { SizedVersion } from "../../../src/model/grant.ts";
import type { AccountId } from "../../../src/model/ids.ts";
import { type SizingLimits, sizingKeyOf } from "../../../src/model/sizing.ts";
import type { MemoryPolicy, MemoryRule } from "./memory-replay.ts";

const ACCOUNT = "000000000000" as AccountId;
const CPU_MILLI = 1000;

/** The core's own rule, through its door. These traces know nothing of CPU, so it is set apart. */
export const hearthLimits: MemoryRule = {
  name: "Hearth, hard limits",
  isOurs: true,
  policyOf: ({ requestedMiB }) => policyOf(requestedMiB, "hard"),
};

/** What instances are packed by while each container keeps its requested limit. */
export const hearthReservation: MemoryRule = {
  name: "Hearth, soft reservation",
  isOurs: true,
  policyOf: ({ requestedMiB }) => policyOf(requestedMiB, "soft"),
};

/** What is asked for afterwards is what instances are packed by. */
function policyOf(requestedMiB: number, limits: SizingLimits): MemoryPolicy {
  const sizing = new Sizing();
  sizing.configure({ kind: "account", accountId: ACCOUNT }, { cpu: "apart", limits });
  const version = versionOf("f", requestedMiB);
  return {
    limitOf(nowMs) {
      const size = sizing.effectiveOf(version);
      sizing.containerStarted(version.key, size);
      return nowMs === Number.POSITIVE_INFINITY ? size.reservedMiB : size.memoryMiB;
    },
    observe: (peakMiB, limitMiB, isKilled) => sizing.observe(version, executionOf(peakMiB, limitMiB, isKilled)),
  };
}

export function versionOf(functionName: string, memoryMiB: number): SizedVersion {
  const key = sizingKeyOf(ACCOUNT, functionName, "1", "x86_64");
  return { key, accountId: ACCOUNT, functionName, memoryMiB, cpuMilli: CPU_MILLI };
}

export function executionOf(peakMiB: number, memoryLimitMiB: number, isKilled: boolean): Execution {
  return {
    memoryLimitMiB,
    cpuLimitMilli: CPU_MILLI,
    outcome: isKilled ? "outOfMemory" : "ok",
    memoryPeakBytes: peakMiB * 2 ** 20,
    wallUs: 1000,
    cpuUs: undefined,
    throttledUs: 0,
    memoryStallUs: 0,
    inputBytes: undefined,
    isCold: false,
  };
}
