import type { FunctionKey, InvocationId } from "../../model/ids.ts";
import type { Invocation } from "../../model/invocation.ts";

type Waiting = { readonly invocation: Invocation; readonly sinceMs: number };

/** A queue of one function; `#head` moves instead of the array, so that taking is O(1). */
class Line {
  #entries: (Waiting | undefined)[] = [];
  #head = 0;
  length = 0;

  push(entry: Waiting): void {
    this.#entries.push(entry);
    this.length++;
  }

  head(): Waiting | undefined {
    while (this.#head < this.#entries.length && this.#entries[this.#head] === undefined) this.#head++;
    if (this.#head > 1024 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    return this.#entries[this.#head];
  }

  shift(): Waiting | undefined {
    const entry = this.head();
    if (entry === undefined) return undefined;
    this.#entries[this.#head++] = undefined;
    this.length--;
    return entry;
  }

  remove(entry: Waiting): void {
    const index = this.#entries.indexOf(entry, this.#head);
    if (index < 0) return;
    this.#entries[index] = undefined;
    this.length--;
  }
}

/**
 * Invocations that wait for room: first come, first served within a function; between functions
 * the one whose turn is longest ago. A function that cannot be placed holds up no other.
 */
export class WaitQueue {
  /** In order of turns. */
  readonly #lines = new Map<FunctionKey, Line>();
  readonly #byId = new Map<InvocationId, Waiting>();

  get length(): number {
    return this.#byId.size;
  }

  push(invocation: Invocation, nowMs: number): void {
    const entry = { invocation, sinceMs: nowMs };
    this.#byId.set(invocation.id, entry);
    let line = this.#lines.get(invocation.functionKey);
    if (line === undefined) {
      line = new Line();
      this.#lines.set(invocation.functionKey, line);
    }
    line.push(entry);
  }

  /** The functions that wait, longest without a turn first. */
  functionKeys(): IterableIterator<FunctionKey> {
    return this.#lines.keys();
  }

  lengthOf(functionKey: FunctionKey): number {
    return this.#lines.get(functionKey)?.length ?? 0;
  }

  head(functionKey: FunctionKey): Invocation | undefined {
    return this.#lines.get(functionKey)?.head()?.invocation;
  }

  /** Takes the head of a function's line; the function's next turn comes after all others'. */
  take(functionKey: FunctionKey): Invocation | undefined {
    const line = this.#lines.get(functionKey);
    const entry = line?.shift();
    if (line === undefined || entry === undefined) return undefined;
    this.#byId.delete(entry.invocation.id);
    this.#lines.delete(functionKey);
    if (line.length > 0) this.#lines.set(functionKey, line);
    return entry.invocation;
  }

  /** @returns the invocation if it was waiting. */
  remove(id: InvocationId): Invocation | undefined {
    const entry = this.#byId.get(id);
    if (entry === undefined) return undefined;
    const { functionKey } = entry.invocation;
    this.#byId.delete(id);
    const line = this.#lines.get(functionKey);
    line?.remove(entry);
    if (line?.length === 0) this.#lines.delete(functionKey);
    return entry.invocation;
  }

  /** Takes every invocation that has waited since before `beforeMs`. */
  takeOlderThan(beforeMs: number): Invocation[] {
    const taken: Invocation[] = [];
    for (const entry of this.#byId.values()) {
      if (entry.sinceMs > beforeMs) break; // Arrival order is the map's order.
      taken.push(entry.invocation);
    }
    for (const { id } of taken) this.remove(id);
    return taken;
  }

  oldestSinceMs(): number | undefined {
    for (const entry of this.#byId.values()) return entry.sinceMs;
    return undefined;
  }
}
