import type { SizedVersion } from "../model/grant.ts";
import type { FunctionKey } from "../model/ids.ts";
import { sizingKeyOf } from "../model/sizing.ts";
import type { AccountBook } from "./account-book.ts";
import type { Random } from "./random.ts";
import { drawNeedMiB } from "./sizing-world.ts";
import type { Happening, Stage } from "./stage.ts";
import type { FunctionTraits } from "./world.ts";

/** Timers do not fire more often. */
const REGULAR_MS_MIN = 1000;

/**
 * Whoever calls one function: busy times with calls at random (or several at once), quiet times
 * between them. Also knows how long this function runs.
 */
export class Caller implements Happening {
  readonly traits: FunctionTraits;
  readonly account: AccountBook;
  readonly #stage: Stage;
  readonly #arrivals: Random;
  readonly #durations: Random;
  readonly #onCall: (caller: Caller) => boolean;
  #busyUntilMs = 0;
  #revision = 1;
  functionKey: FunctionKey;
  memoryMiB: number;
  /** undefined: sizing knows nothing of it. */
  sized: SizedVersion | undefined;
  readonly #needs: Random;
  #executions = 0;

  /** @param onCall makes one call. @returns false when no more calls are wanted in this world. */
  constructor(
    traits: FunctionTraits,
    account: AccountBook,
    random: Random,
    stage: Stage,
    onCall: (caller: Caller) => boolean,
  ) {
    this.traits = traits;
    this.account = account;
    this.#arrivals = random.fork("arrivals");
    this.#durations = random.fork("durations");
    this.#needs = random.fork("needs");
    this.#stage = stage;
    this.#onCall = onCall;
    this.functionKey = this.#key();
    this.memoryMiB = traits.memoryMiB;
    this.sized = this.#sizedVersion();
  }

  /** @returns the key that serves nobody any more. */
  update(): FunctionKey {
    const retired = this.functionKey;
    this.#revision++;
    this.functionKey = this.#key();
    this.memoryMiB = memoryOf(this.traits, this.#revision);
    this.sized = this.#sizedVersion();
    return retired;
  }

  happen(): void {
    const { batchMax } = this.traits;
    const calls = batchMax === 1 ? 1 : this.#arrivals.int(1, batchMax);
    for (let i = 0; i < calls; i++) if (!this.#onCall(this)) return;
    this.scheduleNext();
  }

  scheduleNext(): void {
    this.#stage.after(this.#nextCallMs() - this.#stage.nowMs, this);
  }

  /** What the next execution needs; undefined: nobody measures it. */
  drawNeedMiB(): number | undefined {
    const { need } = this.traits;
    return need === undefined ? undefined : drawNeedMiB(this.#needs, need, this.#executions++);
  }

  drawInitMs(): number {
    return this.#durations.exponential(this.traits.initMsMean);
  }

  /** Not cut at the timeout. */
  drawDurationMs(): number {
    const { tailShare, durationMsMean } = this.traits;
    const isTail = tailShare > 0 && this.#durations.chance(tailShare);
    return isTail ? this.#durations.pareto(durationMsMean, 1) : this.#durations.exponential(durationMsMean);
  }

  /** Gaps have no memory, so one that reaches beyond the busy time is drawn anew in the next one. */
  #nextCallMs(): number {
    const { gapMsMean, busyMsMean, quietMsMean, isRegular } = this.traits;
    if (isRegular) return this.#stage.nowMs + Math.max(gapMsMean, REGULAR_MS_MIN);
    const gapMs = this.#arrivals.exponential(gapMsMean);
    if (quietMsMean === 0) return this.#stage.nowMs + gapMs;
    let atMs = this.#stage.nowMs + gapMs;
    // Each round moves on by a whole busy and quiet time; a gap much longer than those is cut.
    for (let round = 0; atMs > this.#busyUntilMs && round < 100; round++) {
      const busyFromMs = this.#busyUntilMs + this.#arrivals.exponential(quietMsMean);
      this.#busyUntilMs = busyFromMs + this.#arrivals.exponential(busyMsMean);
      atMs = Math.max(atMs, busyFromMs + this.#arrivals.exponential(Math.min(gapMsMean, busyMsMean)));
    }
    return atMs;
  }

  /** Every second update leaves the code as it was: what was learned of it goes on. */
  #sizedVersion(): SizedVersion | undefined {
    const { need, accountId, name } = this.traits;
    if (need === undefined) return undefined;
    const key = sizingKeyOf(accountId, name, `$LATEST@${Math.ceil(this.#revision / 2)}`, "x86_64");
    return { key, accountId, functionName: name, order: this.#revision, memoryMiB: this.memoryMiB };
  }

  #key(): FunctionKey {
    return `${this.traits.accountId}/${this.traits.name}/$LATEST/${this.#revision}` as FunctionKey;
  }
}

/** What a revision of a function asks for; they count from 1. */
export function memoryOf({ memoryMiB, resizedMiB }: FunctionTraits, revision: number): number {
  return revision % 2 === 1 ? memoryMiB : resizedMiB;
}
