import type { ContainerSize } from "../../model/sizing.ts";

/** So many failures of sizes of its own making, and a function version keeps what was requested. */
export const FAILURES_MAX = 8;
/** Executions before anything is made smaller again; twice as many after each further failure. */
const HOLD_EXECUTIONS = 20;

/** As kept in a snapshot: failures, failedMiB, failedCpuMilli, heldUntil. */
export type FailuresRecord = readonly number[];

/** Sizes that failed are lower bounds, and each failure makes the next attempt later: this is why there is no loop. */
export class Failures {
  #count = 0;
  #memoryMiB = 0;
  #cpuMilli = 0;
  #heldUntil = 0;

  get count(): number {
    return this.#count;
  }

  /** No size at or below it is tried again. */
  get memoryMiB(): number {
    return this.#memoryMiB;
  }

  get cpuMilli(): number {
    return this.#cpuMilli;
  }

  /** @param execution the number of the execution about which is decided. */
  allowsLess(execution: number): boolean {
    return !this.isFinal && execution >= this.#heldUntil;
  }

  /** So many that nothing is ever made smaller again. */
  get isFinal(): boolean {
    return this.#count >= FAILURES_MAX;
  }

  /** Executions until it allows less again; 0: now. */
  heldFor(execution: number): number {
    return Math.max(0, this.#heldUntil - execution);
  }

  /** A container with so much was killed or slowed down; more than once is no more. */
  bound(part: { readonly memoryMiB?: number; readonly cpuMilli?: number }): void {
    this.#memoryMiB = Math.max(this.#memoryMiB, part.memoryMiB ?? 0);
    this.#cpuMilli = Math.max(this.#cpuMilli, part.cpuMilli ?? 0);
  }

  /** Of a size that failed, what had been made less than was requested is what failed. */
  boundBelow(requested: ContainerSize, { memoryMiB, cpuMilli }: ContainerSize): void {
    if (memoryMiB < requested.memoryMiB) this.bound({ memoryMiB });
    if (cpuMilli < requested.cpuMilli) this.bound({ cpuMilli });
  }

  /** A decision turned out wrong. */
  add(execution: number): void {
    this.#heldUntil = execution + HOLD_EXECUTIONS * 2 ** this.#count;
    this.#count++;
  }

  record(): FailuresRecord {
    return [this.#count, this.#memoryMiB, this.#cpuMilli, this.#heldUntil];
  }

  static from([count = 0, memoryMiB = 0, cpuMilli = 0, heldUntil = 0]: FailuresRecord): Failures {
    const failures = new Failures();
    [failures.#count, failures.#memoryMiB, failures.#cpuMilli, failures.#heldUntil] = [
      count,
      memoryMiB,
      cpuMilli,
      heldUntil,
    ];
    return failures;
  }
}
