/** One line per key; what leaves next comes from the lines in turn, so that no key waits for another's crowd. */
export class FairLines<Key, T> {
  /** In order of turns. Lines are never empty. */
  readonly #lines = new Map<Key, Line<T>>();

  push(key: Key, item: T): void {
    const line = this.#lines.get(key);
    if (line === undefined) this.#lines.set(key, { items: [item], head: 0 });
    else line.items.push(item);
  }

  /** Takes from the first line whose turn it is and that `mayLeave`; undefined: none. */
  take(mayLeave: (key: Key) => boolean): T | undefined {
    for (const [key, line] of this.#lines) {
      if (!mayLeave(key)) continue;
      const item = line.items[line.head] as T;
      line.items[line.head++] = undefined; // What was taken is not held until the line is compacted.
      this.#lines.delete(key);
      if (line.head < line.items.length) this.#lines.set(key, compacted(line));
      return item;
    }
    return undefined;
  }
}

/** Before its head a line is empty. */
type Line<T> = { readonly items: (T | undefined)[]; head: number };

const COMPACT_LENGTH_MIN = 1024;

function compacted<T>(line: Line<T>): Line<T> {
  if (line.head < COMPACT_LENGTH_MIN || line.head * 2 < line.items.length) return line;
  return { items: line.items.slice(line.head), head: 0 };
}
