/** One line per key; what leaves next comes from the lines in turn, so that no key waits for another's crowd. */
export class FairLines<Key, T> {
  /** In order of turns. Lines are never empty. */
  readonly #lines = new Map<Key, { items: T[]; head: number }>();

  push(key: Key, item: T): void {
    const line = this.#lines.get(key);
    if (line === undefined) this.#lines.set(key, { items: [item], head: 0 });
    else line.items.push(item);
  }

  /** Takes from the first line whose turn it is and that `mayLeave`; undefined: none. */
  take(mayLeave: (key: Key) => boolean): T | undefined {
    for (const [key, line] of this.#lines) {
      if (!mayLeave(key)) continue;
      const item = line.items[line.head++] as T;
      this.#lines.delete(key);
      if (line.head < line.items.length) this.#lines.set(key, compacted(line));
      return item;
    }
    return undefined;
  }
}

const COMPACT_LENGTH_MIN = 1024;

function compacted<T>(line: { items: T[]; head: number }): { items: T[]; head: number } {
  if (line.head < COMPACT_LENGTH_MIN || line.head * 2 < line.items.length) return line;
  return { items: line.items.slice(line.head), head: 0 };
}
