import type { SizingSettings } from "../../model/sizing.ts";
import { type CpuDemand, durationMsAt } from "./cpu-demand.ts";
import { CpuEvidence, type CpuEvidenceRecord } from "./cpu-evidence.ts";
import type { Execution } from "./execution.ts";
import type { LogSketch } from "./log-sketch.ts";
import {
  chanceOf,
  LEVELS_MAX,
  type MeasuredLevel,
  type MeasuredLevels,
  NO_LEVELS,
  type UsualDuration,
  withLevel,
} from "./measured-level.ts";
import { chooseCpuApart, cpuWorthTrying, type SizeChoice, type SizeQuestion } from "./size-choice.ts";

/** As kept in a snapshot. */
export type CpuSizingRecord = CpuEvidenceRecord & {
  /** Absent in those of earlier versions. */
  readonly levels?: MeasuredLevels;
};

/** What else there is to know for a choice. */
export type CpuContext = Omit<SizeQuestion, "demand" | "errors"> & {
  /** What an execution usually takes in the containers that there are; undefined: too few were seen there. */
  readonly usual: UsualDuration | undefined;
  /** The CPU that these have. */
  readonly usualAtMilli: number;
};

/** Another CPU for the containers to come. */
export type CpuStep = SizeChoice & {
  /** It may slow executions down, or was chosen to find out: only some containers get it. */
  readonly needsTrial: boolean;
};

export const CPU_EXECUTIONS_MIN = 20;
const REVIEW_EXECUTIONS_MAX = 4096;
/** Between two reviews, as a multiple of the executions so far: while there is more to find out, and later. */
const REFINING_FACTOR = 1.25;
const REVIEW_FACTOR = 2;
/** At the newest limit: how much it throttles is all that must be learned there. */
const EXECUTIONS_AT_LIMIT_MIN = 10;
const CHANGE_MIN = 0.03;

/** What is known of a function version's need for CPU, and what follows from it. */
export class CpuSizing {
  readonly #evidence: CpuEvidence;
  #levels = NO_LEVELS;
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
  question({ usual, usualAtMilli, ...context }: CpuContext): SizeQuestion | undefined {
    const demand = this.demand();
    if (demand === undefined) return undefined;
    const levels = this.#levelsWith(usualAtMilli, usual);
    const errors = levels.map(({ cpuMilli, durationMs, executions }) => {
      return { cpuMilli, factor: durationMs / durationMsAt(demand, cpuMilli), chance: chanceOf(levels, executions) };
    });
    return { ...context, demand, errors };
  }

  /** Something else is asked for: what was decided may be wrong now. */
  lookAgain(executions: number): void {
    this.#reviewAt = Math.min(this.#reviewAt, Math.max(CPU_EXECUTIONS_MIN, executions));
  }

  /** @param hasUsual what an execution usually takes at the size that there is is known. */
  isReviewDue(executions: number, hasUsual: boolean): boolean {
    return executions >= this.#reviewAt && (hasUsual || this.#evidence.executions >= EXECUTIONS_AT_LIMIT_MIN);
  }

  /**
   * @param mayExplore whether something may be tried to find out more.
   * @returns undefined: what the containers have is right.
   */
  review(question: SizeQuestion, executions: number, mayExplore: boolean): CpuStep | undefined {
    const isRefining = mayExplore && question.errors.length < LEVELS_MAX;
    this.#reviewAt = isRefining
      ? Math.max(executions + EXECUTIONS_AT_LIMIT_MIN, REFINING_FACTOR * executions)
      : Math.min(REVIEW_FACTOR * executions, executions + REVIEW_EXECUTIONS_MAX);
    const best = chooseCpuApart(question);
    if (isAnother(question, best)) return { ...best, needsTrial: best.size.cpuMilli < leastTriedMilli(question) };
    const hoped = isRefining ? cpuWorthTrying(question) : undefined;
    return hoped !== undefined && isAnother(question, hoped) ? { ...hoped, needsTrial: true } : undefined;
  }

  /** Containers get another CPU from now on: what executions took with the one they had is remembered. */
  moved(fromMilli: number, toMilli: number, usual: UsualDuration | undefined): void {
    this.#levels = this.#levelsWith(fromMilli, usual);
    this.#evidence.moveTo(toMilli);
  }

  /** A trial has told what executions take there: while few limits are known the CPU is looked at again at once. */
  measured(level: MeasuredLevel, executions: number): void {
    this.#levels = withLevel(this.#levels, level);
    if (this.#levels.length < LEVELS_MAX) this.#reviewAt = executions;
  }

  record(): CpuSizingRecord {
    return { ...this.#evidence.record(), levels: this.#levels };
  }

  restore(record: CpuSizingRecord, reviewAt: number): void {
    this.#evidence.restore(record);
    this.#levels = record.levels ?? NO_LEVELS;
    this.#reviewAt = reviewAt;
  }

  #levelsWith(cpuMilli: number, usual: UsualDuration | undefined): MeasuredLevels {
    return usual === undefined ? this.#levels : withLevel(this.#levels, { cpuMilli, ...usual });
  }
}

function isAnother({ now }: SizeQuestion, { size }: SizeChoice): boolean {
  return Math.abs(size.cpuMilli - now.cpuMilli) >= now.cpuMilli * CHANGE_MIN;
}

/** With as much, or more, it ran without fault. */
function leastTriedMilli({ now, requested, errors, failedCpuMilli }: SizeQuestion): number {
  const tried = errors.map(({ cpuMilli }) => cpuMilli).filter((milli) => milli > failedCpuMilli);
  return Math.min(now.cpuMilli, requested.cpuMilli, ...tried);
}

/** In words. */
export function cpuText({ cpuMs, waitMs }: CpuDemand, { policy }: SizingSettings): string {
  return `An execution uses ${cpuMs.toFixed(1)} ms of CPU and waits ${waitMs.toFixed(1)} ms (${policy}).`;
}
