import { type CpuDemand, cpuDemandOf, withParallelism } from "./cpu-demand.ts";
import type { Execution } from "./execution.ts";
import type { LogSketch, LogSketchRecord } from "./log-sketch.ts";

/** As kept in a snapshot. */
export type CpuEvidenceRecord = {
  readonly cpu: LogSketchRecord;
  readonly unthrottled: LogSketchRecord;
  readonly throttled: LogSketchRecord;
  /** limit, executions at it, never throttled ones among them, parallelism. */
  readonly counts: readonly number[];
};

const LEARNING_RATE = 0.2;
/** Within this, two limits are one: quotas are kept in whole microseconds. */
const SAME_LIMIT = 0.01;

/**
 * CPU time and what is left of the duration without throttling: neither depends on the CPU limit, so they are kept over all
 * sizes. Throttled time does, so it is kept for the newest limit only; the parallelism that it tells is remembered.
 */
export class CpuEvidence {
  readonly #cpuUs: LogSketch;
  readonly #unthrottledUs: LogSketch;
  readonly #throttledUs: LogSketch;
  #limitMilli = 0;
  #executions = 0;
  #free = 0;
  #parallelism = 0;

  /** Each sketch is empty, and for nobody else. */
  constructor(cpuUs: LogSketch, unthrottledUs: LogSketch, throttledUs: LogSketch) {
    [this.#cpuUs, this.#unthrottledUs, this.#throttledUs] = [cpuUs, unthrottledUs, throttledUs];
  }

  /** Warm ones at the limit that containers have now. */
  get executions(): number {
    return this.#executions;
  }

  /** @param usualMilli the limit that containers have now; from others (older ones, one on trial) only what holds at any limit is taken. */
  observe({ cpuUs, wallUs, throttledUs, cpuLimitMilli, isCold }: Execution, usualMilli: number): void {
    if (cpuUs === undefined || isCold) return;
    if (usualMilli !== this.#limitMilli) this.moveTo(usualMilli);
    this.#cpuUs.add(Math.max(1, cpuUs));
    this.#unthrottledUs.add(Math.max(1, wallUs - throttledUs));
    if (Math.abs(cpuLimitMilli - usualMilli) > usualMilli * SAME_LIMIT) {
      const [wallMs, cpuMs, throttledMs] = [wallUs / 1000, cpuUs / 1000, throttledUs / 1000];
      this.#learnParallelism(cpuDemandOf({ cpuMilli: cpuLimitMilli, wallMs, cpuMs, throttledMs }));
      return;
    }
    this.#executions++;
    if (throttledUs > 0) this.#throttledUs.add(throttledUs);
    else this.#free++;
  }

  /** undefined: no warm execution was measured at the newest limit. */
  demand(): CpuDemand | undefined {
    const cpuMs = toMs(this.#cpuUs.median());
    const unthrottledMs = toMs(this.#unthrottledUs.median());
    if (cpuMs === undefined || unthrottledMs === undefined || this.#executions === 0) return undefined;
    const isMostlyFree = this.#free * 2 > this.#executions;
    const throttledMs = isMostlyFree ? 0 : (toMs(this.#throttledUs.median()) ?? 0);
    const demand = cpuDemandOf({ cpuMilli: this.#limitMilli, wallMs: unthrottledMs + throttledMs, cpuMs, throttledMs });
    if (demand.isParallelismKnown) this.#parallelism = demand.parallelism;
    if (demand.isParallelismKnown || this.#parallelism === 0) return demand;
    const parallelism = Math.max(cpuMs / unthrottledMs, this.#parallelism);
    return withParallelism(cpuMs, unthrottledMs, { parallelism, isParallelismKnown: true });
  }

  /** Containers have another limit from now on. */
  moveTo(limitMilli: number): void {
    this.demand();
    this.#limitMilli = limitMilli;
    this.#throttledUs.clear();
    [this.#executions, this.#free] = [0, 0];
  }

  record(): CpuEvidenceRecord {
    return {
      cpu: this.#cpuUs.record(),
      unthrottled: this.#unthrottledUs.record(),
      throttled: this.#throttledUs.record(),
      counts: [this.#limitMilli, this.#executions, this.#free, this.#parallelism],
    };
  }

  restore({ cpu, unthrottled, throttled, counts }: CpuEvidenceRecord): void {
    this.#cpuUs.restore(cpu);
    this.#unthrottledUs.restore(unthrottled);
    this.#throttledUs.restore(throttled);
    [this.#limitMilli = 0, this.#executions = 0, this.#free = 0, this.#parallelism = 0] = counts;
  }

  /** Only an execution that was held up tells how many CPUs it would have used. */
  #learnParallelism({ isParallelismKnown, parallelism }: CpuDemand): void {
    if (!isParallelismKnown) return;
    const known = this.#parallelism;
    this.#parallelism = known === 0 ? parallelism : known + (parallelism - known) * LEARNING_RATE;
  }
}

function toMs(us: number | undefined): number | undefined {
  return us === undefined ? undefined : us / 1000;
}
