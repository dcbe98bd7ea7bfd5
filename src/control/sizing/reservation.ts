import type { Room } from "../../model/grant.ts";
import type { PeakMemory } from "./peak-memory.ts";

/** As kept in a snapshot: reserved MiB (0: none yet), executions at which less is looked at again, MiB at the most. */
export type ReservationRecord = readonly number[];

/** A change of what is reserved, in MiB. */
export type ReservationChange = { readonly fromMiB: number; readonly toMiB: number };

/** A change by less is not worth moving anybody for. */
const CHANGE_MIN = 0.05;
/** So much more evidence is needed before it can say that less is enough. */
const REVIEW_FACTOR = 1.5;
const REVIEW_EXECUTIONS_MAX = 1024;

/**
 * What instances are packed by in soft mode. It rises at once when more is needed and falls at ever rarer reviews, so that it
 * does not follow every execution up and down.
 */
export class Reservation {
  #reservedMiB: number | undefined;
  #reviewAt = 0;
  /** What a container may need at its most. It follows the reviews, and records at once. */
  #needMiB = 0;

  /** Executions at which less is looked at again. */
  get reviewAt(): number {
    return this.#reviewAt;
  }

  /** What a container of this limit takes: never more than the limit, all of it while nothing was learned. */
  roomOf(memoryMiB: number): Room {
    const reservedMiB = Math.min(memoryMiB, this.#reservedMiB ?? memoryMiB);
    return { memoryMiB, reservedMiB, needMiB: Math.min(memoryMiB, Math.max(reservedMiB, this.#needMiB)) };
  }

  /**
   * An execution was measured.
   * @param leastMiB of any reservation.
   * @returns undefined: it stays as it was.
   */
  review(peaks: PeakMemory, limitMiB: number, leastMiB: number): ReservationChange | undefined {
    const learnedMiB = peaks.reservationMiB();
    if (learnedMiB === undefined) return undefined;
    if (peaks.maxMiB > this.#needMiB) this.#needMiB = mostOf(peaks);
    const fromMiB = Math.min(limitMiB, this.#reservedMiB ?? limitMiB);
    const toMiB = Math.ceil(Math.min(limitMiB, Math.max(leastMiB, learnedMiB)));
    if (!this.#isDue(peaks.executions, fromMiB, toMiB)) return undefined;
    this.#reservedMiB = toMiB;
    this.#needMiB = mostOf(peaks);
    return { fromMiB, toMiB };
  }

  /** Something else is asked for: whether less is enough is looked at with the next execution. */
  lookAgain(): void {
    this.#reviewAt = 0;
  }

  /** The limit is reserved again, until the evidence says otherwise at a review. @returns undefined: it was anyhow. */
  reset(limitMiB: number, reviewAt: number): ReservationChange | undefined {
    const fromMiB = this.#reservedMiB;
    this.#reservedMiB = undefined;
    this.#reviewAt = reviewAt;
    return fromMiB === undefined ? undefined : { fromMiB, toMiB: limitMiB };
  }

  record(): ReservationRecord {
    return [this.#reservedMiB ?? 0, this.#reviewAt, this.#needMiB];
  }

  static from([reservedMiB = 0, reviewAt = 0, needMiB = 0]: ReservationRecord): Reservation {
    const reservation = new Reservation();
    reservation.#reservedMiB = reservedMiB === 0 ? undefined : reservedMiB;
    reservation.#reviewAt = reviewAt;
    reservation.#needMiB = needMiB;
    return reservation;
  }

  #isDue(executions: number, fromMiB: number, toMiB: number): boolean {
    if (toMiB > fromMiB * (1 + CHANGE_MIN)) return true;
    if (executions < this.#reviewAt) return false;
    this.#reviewAt = Math.min(Math.ceil(REVIEW_FACTOR * executions), executions + REVIEW_EXECUTIONS_MAX);
    return toMiB < fromMiB * (1 - CHANGE_MIN);
  }
}

function mostOf(peaks: PeakMemory): number {
  return Math.ceil(peaks.maxMiB + peaks.marginMiB());
}
