/** As kept in a snapshot: reserved MiB (0: none yet), executions at which less is looked at again. */
export type ReservationRecord = readonly number[];

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

  /** undefined: nothing was learned, so the limit is reserved. */
  get reservedMiB(): number | undefined {
    return this.#reservedMiB;
  }

  /** Executions at which less is looked at again. */
  get reviewAt(): number {
    return this.#reviewAt;
  }

  /**
   * @param wantedMiB by the evidence so far; at least 1.
   * @param nowMiB what is reserved now.
   * @returns whether it was changed.
   */
  review(executions: number, wantedMiB: number, nowMiB: number): boolean {
    const reservedMiB = Math.ceil(wantedMiB);
    const isMore = reservedMiB > nowMiB * (1 + CHANGE_MIN);
    if (!isMore) {
      if (executions < this.#reviewAt) return false;
      this.#reviewAt = Math.min(Math.ceil(REVIEW_FACTOR * executions), executions + REVIEW_EXECUTIONS_MAX);
      if (reservedMiB >= nowMiB * (1 - CHANGE_MIN)) return false;
    }
    this.#reservedMiB = reservedMiB;
    return true;
  }

  /** The limit is reserved again, until the evidence says otherwise at a review. */
  reset(reviewAt: number): boolean {
    const wasReserved = this.#reservedMiB !== undefined;
    this.#reservedMiB = undefined;
    this.#reviewAt = reviewAt;
    return wasReserved;
  }

  record(): ReservationRecord {
    return [this.#reservedMiB ?? 0, this.#reviewAt];
  }

  static from([reservedMiB = 0, reviewAt = 0]: ReservationRecord): Reservation {
    const reservation = new Reservation();
    reservation.#reservedMiB = reservedMiB === 0 ? undefined : reservedMiB;
    reservation.#reviewAt = reviewAt;
    return reservation;
  }
}
