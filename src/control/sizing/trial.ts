import type { AdjustmentCondition, ContainerSize } from "../../model/sizing.ts";
import { SequentialTest, type SequentialTestRecord, type Verdict } from "./sequential-test.ts";

/** New containers for each one that gets a size which goes well: what is nearly proven shall not wait for nine others. */
export const CONTAINERS_PER_GOOD_TRIAL = 2;
/** Quotas and limits come back from the kernel rounded. */
const SAME_SIZE = 0.01;

/** As kept in a snapshot. */
export type TrialRecord = {
  readonly size: ContainerSize;
  readonly slowFactor: number;
  readonly condition: AdjustmentCondition;
  readonly test: SequentialTestRecord;
};

/** A size that a part of the new containers gets until it has proven itself or failed. */
export class Trial {
  readonly size: ContainerSize;
  /** How much slower than usual its executions may be. */
  readonly slowFactor: number;
  readonly condition: AdjustmentCondition;
  #test = new SequentialTest();

  constructor(size: ContainerSize, slowFactor: number, condition: AdjustmentCondition) {
    this.size = size;
    this.slowFactor = slowFactor;
    this.condition = condition;
  }

  get executions(): number {
    return this.#test.executions;
  }

  /** Nothing is decided yet, but it goes well. */
  get leansGood(): boolean {
    return this.#test.leansGood;
  }

  judge(isBad: boolean): Verdict {
    this.#test.add(isBad);
    return this.#test.verdict;
  }

  record(): TrialRecord {
    return { size: this.size, slowFactor: this.slowFactor, condition: this.condition, test: this.#test.record() };
  }

  static from({ size, slowFactor, condition, test }: TrialRecord): Trial {
    const trial = new Trial(size, slowFactor, condition);
    trial.#test = SequentialTest.from(test);
    return trial;
  }
}

export function isSameSize(a: ContainerSize, b: ContainerSize): boolean {
  return a.memoryMiB === b.memoryMiB && Math.abs(a.cpuMilli - b.cpuMilli) <= b.cpuMilli * SAME_SIZE;
}
