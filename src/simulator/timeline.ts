/**
 * What happens next, in simulated time: a binary heap. Entries of the same time come out in the
 * order in which they were scheduled, so that a run replays.
 *
 * Three parallel arrays instead of an array of entries: nothing is allocated per entry, which
 * is a third of the cost of an event at the speed the simulator must have.
 */
export class Timeline<T> {
  readonly #timesMs: number[] = [];
  readonly #turns: number[] = [];
  readonly #values: T[] = [];
  #turn = 0;

  get length(): number {
    return this.#values.length;
  }

  /** When the next entry is due; Infinity when there is none. */
  get headMs(): number {
    return this.#timesMs[0] ?? Number.POSITIVE_INFINITY;
  }

  at(atMs: number, value: T): void {
    this.#timesMs.push(atMs);
    this.#turns.push(this.#turn);
    this.#values.push(value);
    this.#rise(this.#values.length - 1, atMs, this.#turn++, value);
  }

  /** Removes and returns the next entry. @throws RangeError when there is none. */
  take(): T {
    const lastMs = this.#timesMs.pop();
    const lastTurn = this.#turns.pop();
    const last = this.#values.pop();
    if (lastMs === undefined || lastTurn === undefined) throw new RangeError("the timeline is empty");
    if (this.#values.length === 0) return last as T;
    const head = this.#values[0] as T;
    this.#sink(lastMs, lastTurn, last as T);
    return head;
  }

  /** Moves parents down until the place for the entry is found, starting from a hole at `index`. */
  #rise(index: number, atMs: number, turn: number, value: T): void {
    const times = this.#timesMs;
    const turns = this.#turns;
    const values = this.#values;
    let hole = index;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      // On a tie the parent was scheduled earlier and stays above.
      if ((times[parent] as number) <= atMs) break;
      times[hole] = times[parent] as number;
      turns[hole] = turns[parent] as number;
      values[hole] = values[parent] as T;
      hole = parent;
    }
    times[hole] = atMs;
    turns[hole] = turn;
    values[hole] = value;
  }

  /** Moves the earlier children up until the place for the entry is found, starting from a hole at the head. */
  #sink(atMs: number, turn: number, value: T): void {
    const times = this.#timesMs;
    const turns = this.#turns;
    const values = this.#values;
    const length = values.length;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= length) break;
      let childMs = times[child] as number;
      const right = child + 1;
      if (right < length) {
        const rightMs = times[right] as number;
        if (rightMs < childMs || (rightMs === childMs && (turns[right] as number) < (turns[child] as number))) {
          child = right;
          childMs = rightMs;
        }
      }
      if (childMs > atMs || (childMs === atMs && (turns[child] as number) > turn)) break;
      times[hole] = childMs;
      turns[hole] = turns[child] as number;
      values[hole] = values[child] as T;
      hole = child;
    }
    times[hole] = atMs;
    turns[hole] = turn;
    values[hole] = value;
  }
}
