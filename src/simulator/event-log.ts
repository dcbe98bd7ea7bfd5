import { createHash } from "node:crypto";

/** Every event and command of a run with its time. Two runs of one seed must have the same. */
export class EventLog {
  readonly lines: string[] = [];
  readonly #onLine: ((line: string) => void) | undefined;

  constructor(onLine?: (line: string) => void) {
    this.#onLine = onLine;
  }

  append(atMs: number, value: object): void {
    const line = `${atMs} ${JSON.stringify(value)}`;
    this.lines.push(line);
    this.#onLine?.(line);
  }

  digest(): string {
    const hash = createHash("sha256");
    for (const line of this.lines) hash.update(line).update("\n");
    return hash.digest("hex").slice(0, 16);
  }
}

/** @returns where two logs first differ, or undefined when they are the same. */
export function firstDifference(a: EventLog, b: EventLog): string | undefined {
  if (a.digest() === b.digest()) return undefined;
  const length = Math.max(a.lines.length, b.lines.length);
  for (let i = 0; i < length; i++) {
    if (a.lines[i] !== b.lines[i])
      return `line ${i}:\n  first   ${a.lines[i] ?? "(ended)"}\n  second  ${b.lines[i] ?? "(ended)"}`;
  }
  return undefined;
}
