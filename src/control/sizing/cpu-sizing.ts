import type { SizingSettings } from "../../model/sizing.ts";
import { type CpuDemand, durationMsAt } from "./cpu-demand.ts";
import { CpuEvidence, type CpuEvidenceRecord } from "./cpu-evidence.ts";
import type { Execution } from "./execution.ts";
import type { LogSketch } from "./log-sketch.ts";
import { NO_PREDICTION_ERRORS, type PredictionErrors, withError } from "./prediction-error.ts";
import { chooseCpuApart, type SizeChoice, type SizeQuestion } from "./size-choice.ts";

/** As kept in a snapshot. */
export type CpuSizingRecord = CpuEvidenceRecord & {
  /** Absent in those of earlier versions. */
  readonly errors?: PredictionErrors;
};

/** What else there is to know for a choice. */
export type CpuContext = Omit<SizeQuestion, "demand" | "errors"> & {
  /** What an execution usually takes at the size that there is; undefined: too few were seen there. */
  readonly usualMs: number | undefined;
};

export const CPU_EXECUTIONS_MIN = 20;
const REVIEW_EXECUTIONS_MAX = 4096;
/** At the newest limit: how much it throttles is all that must be learned there. */
const EXECUTIONS_AT_LIMIT_MIN = 10;
const CHANGE_MIN = 0.03;

/** What is known of a function version's need for CPU, and what follows from it. */
export class CpuSizing {
  readonly #evidence: CpuEvidence;
  #errors = NO_PREDICTION_ERRORS;
  #reviewAt = CPU_EXECUTIONS_MIN;

  /** Each sketch is empty, and for nobody else. */
  constructor(cpuUs: LogSketch, unthrottledUs: LogSketch, throttledUs: LogSketch) {
    this.#evidence = new CpuEvidence(cpuUs, unthrottledUs, throttledUs);
  }

  /** Executions of the version after which the CPU is looked at again. */
  get reviewAt(): number {
    return this.#reviewAt;
  }

  observe(execution: Execution, usualMilli: number): void {
    this.#evidence.observe(execution, usualMilli);
  }

  demand(): CpuDemand | undefined {
    return this.#evidence.demand();
  }

  /** undefined: nothing is known of the CPU that is needed. */
  question({ usualMs, ...context }: CpuContext): SizeQuestion | undefined {
    const demand = this.demand();
    if (demand === undefined) return undefined;
    return { ...context, demand, errors: this.#errorsAt(context.now.cpuMilli, usualMs, demand) };
  }

  isReviewDue(executions: number): boolean {
    return executions >= this.#reviewAt && this.#evidence.executions >= EXECUTIONS_AT_LIMIT_MIN;
  }

  /** @returns another CPU for the containers to come; undefined: what they have is right. */
  review(question: SizeQuestion, executions: number): SizeChoice | undefined {
    this.#reviewAt = Math.min(2 * executions, executions + REVIEW_EXECUTIONS_MAX);
    const choice = chooseCpuApart(question);
    const [now, next] = [question.now.cpuMilli, choice.size.cpuMilli];
    return Math.abs(next - now) < now * CHANGE_MIN ? undefined : choice;
  }

  /** Containers get another CPU from now on: what executions took with this one is remembered. */
  leave(cpuMilli: number, usualMs: number | undefined): void {
    const demand = this.demand();
    if (demand !== undefined) this.#errors = this.#errorsAt(cpuMilli, usualMs, demand);
  }

  record(): CpuSizingRecord {
    return { ...this.#evidence.record(), errors: this.#errors };
  }

  restore(record: CpuSizingRecord, reviewAt: number): void {
    this.#evidence.restore(record);
    this.#errors = record.errors ?? NO_PREDICTION_ERRORS;
    this.#reviewAt = reviewAt;
  }

  #errorsAt(cpuMilli: number, usualMs: number | undefined, demand: CpuDemand): PredictionErrors {
    if (usualMs === undefined) return this.#errors;
    return withError(this.#errors, { cpuMilli, factor: usualMs / durationMsAt(demand, cpuMilli) });
  }
}

/** In words. */
export function cpuText({ cpuMs, waitMs }: CpuDemand, { policy }: SizingSettings): string {
  return `An execution uses ${cpuMs.toFixed(1)} ms of CPU and waits ${waitMs.toFixed(1)} ms (${policy}).`;
}
