import { Sizing } from "../../../src/control/sizing/sizing.ts";
import { type CpuRule, drawExecution } from "./cpu-replay.ts";
import { versionOf } from "./memory-ours.ts";

const EXECUTIONS_PER_CONTAINER = 10;

/** The core's own rule, through its door, after so many live executions. */
export function hearthCpu(executions: number): CpuRule {
  return {
    name: `Hearth, ${executions} live executions`,
    isOurs: true,
    run(of, policy, random) {
      const { curve, requestedMilli } = of;
      const sizing = new Sizing();
      const levels = curve.levels.map(({ cpuMilli }) => cpuMilli);
      const version = { ...versionOf("f", curve.memoryMiB), cpuMilli: requestedMilli };
      sizing.configure(
        { kind: "account", accountId: version.accountId },
        { cpu: "apart", limits: "hard", policy, cpuMilliMin: Math.min(...levels), cpuMilliMax: Math.max(...levels) },
      );
      const tried = [];
      let size = sizing.effectiveOf(version);
      for (let i = 0; i < executions; i++) {
        if (i % EXECUTIONS_PER_CONTAINER === 0) {
          size = sizing.effectiveOf(version);
          sizing.containerStarted(version.key, size);
        }
        tried.push(size.cpuMilli);
        const { wallMs, cpuMs, throttledMs } = drawExecution(of, size.cpuMilli, random);
        sizing.observe(version, {
          memoryLimitMiB: size.memoryMiB,
          cpuLimitMilli: size.cpuMilli,
          outcome: "ok",
          memoryPeakBytes: curve.memoryMiB * 2 ** 20 * 0.99,
          wallUs: wallMs * 1000,
          cpuUs: cpuMs * 1000,
          throttledUs: throttledMs * 1000,
          memoryStallUs: 0,
          inputBytes: undefined,
          isCold: false,
        });
      }
      return { cpuMilli: sizing.versionOf(version.key)?.proven.cpuMilli ?? requestedMilli, synthetic: 0, tried };
    },
  };
}
