import type { SizedVersion } from "../../model/grant.ts";
import type { Execution } from "./execution.ts";
import type { Sizing } from "./sizing.ts";

const MIB = 2 ** 20;

/** One execution in a new container, which needs less memory than that has unless `more` says otherwise. */
export function executeOnce(sizing: Sizing, of: SizedVersion, needMiB: number, more: Partial<Execution> = {}): void {
  const size = sizing.effectiveOf(of);
  sizing.containerStarted(of.key, size);
  sizing.observe(of, {
    memoryLimitMiB: size.memoryMiB,
    cpuLimitMilli: size.cpuMilli,
    outcome: "ok",
    memoryPeakBytes: needMiB * MIB,
    wallUs: 10_000,
    cpuUs: 1000,
    throttledUs: 0,
    memoryStallUs: 0,
    inputBytes: undefined,
    isCold: false,
    ...more,
  });
}

/** Some 90 MiB each time. */
export function executeLean(sizing: Sizing, of: SizedVersion, count: number): void {
  for (let i = 0; i < count; i++) executeOnce(sizing, of, 88 + ((i * 7) % 4));
}
