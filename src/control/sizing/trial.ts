import type { AdjustmentCondition, ContainerSize } from "../../model/sizing.ts";
import { deviationOf, type UsualDuration } from "./measured-level.ts";
import { SequentialTest, type SequentialTestRecord, type Verdict } from "./sequential-test.ts";

/** One new container in so many gets the size. */
const CONTAINERS_PER_TRIAL = 10;
/** The same of a size that goes well: what is nearly proven shall not wait for nine others. */
const CONTAINERS_PER_GOOD_TRIAL = 2;
/** Quotas and limits come back from the kernel rounded. */
const SAME_SIZE = 0.01;

/** A trial ends after some seven executions that went well; of more only the first are kept. */
const DURATIONS_MAX = 16;
/** A median of fewer says nothing. */
const DURATIONS_MIN = 5;

/** As kept in a snapshot. */
export type TrialRecord = {
  readonly size: ContainerSize;
  readonly slowFactor: number;
  readonly condition: AdjustmentCondition;
  readonly test: SequentialTestRecord;
  /** Absent in those of earlier versions. */
  readonly durationsUs?: readonly number[];
};

/** A size that a part of the new containers gets until it has proven itself or failed. */
export class Trial {
  readonly size: ContainerSize;
  /** How much slower than usual its executions may be. */
  readonly slowFactor: number;
  readonly condition: AdjustmentCondition;
  #test = new SequentialTest();
  #durationsUs: number[] = [];
  /** New containers that get the other size before one gets this one. */
  #startsLeft = 0;

  constructor(size: ContainerSize, slowFactor: number, condition: AdjustmentCondition) {
    this.size = size;
    this.slowFactor = slowFactor;
    this.condition = condition;
  }

  get executions(): number {
    return this.#test.executions;
  }

  /** New containers that get the other size before one gets this one. */
  get startsLeft(): number {
    return this.#startsLeft;
  }

  /** A container was made with this size: says whose turn the next one is. */
  started(size: ContainerSize): void {
    this.#startsLeft = isSameSize(size, this.size) ? CONTAINERS_PER_TRIAL - 1 : Math.max(0, this.#startsLeft - 1);
  }

  /** Of its warm executions without an error, the first ones. */
  get durationsUs(): readonly number[] {
    return this.#durationsUs;
  }

  /** What its executions take; undefined: too few were seen. */
  usual(): UsualDuration | undefined {
    const { length } = this.#durationsUs;
    if (length < DURATIONS_MIN) return undefined;
    const sorted = [...this.#durationsUs].sort((a, b) => a - b);
    const quantile = (share: number) => sorted[Math.ceil(length * share) - 1] as number;
    const deviation = deviationOf(quantile(0.25), quantile(0.75));
    return { durationMs: quantile(0.5) / 1000, executions: length, deviation };
  }

  /** @param wallUs undefined: it says nothing of later ones. */
  judge(isBad: boolean, wallUs: number | undefined): Verdict {
    if (wallUs !== undefined && this.#durationsUs.length < DURATIONS_MAX) this.#durationsUs.push(Math.round(wallUs));
    this.#test.add(isBad);
    const { verdict, leansGood } = this.#test;
    if (verdict === "undecided" && leansGood)
      this.#startsLeft = Math.min(this.#startsLeft, CONTAINERS_PER_GOOD_TRIAL - 1);
    return verdict;
  }

  record(): TrialRecord {
    const { size, slowFactor, condition } = this;
    return { size, slowFactor, condition, test: this.#test.record(), durationsUs: this.#durationsUs };
  }

  static from({ size, slowFactor, condition, test, durationsUs = [] }: TrialRecord, startsLeft: number): Trial {
    const trial = new Trial(size, slowFactor, condition);
    trial.#test = SequentialTest.from(test);
    trial.#durationsUs = [...durationsUs];
    trial.#startsLeft = startsLeft;
    return trial;
  }
}

export function isSameSize(a: ContainerSize, b: ContainerSize): boolean {
  return a.memoryMiB === b.memoryMiB && Math.abs(a.cpuMilli - b.cpuMilli) <= b.cpuMilli * SAME_SIZE;
}
