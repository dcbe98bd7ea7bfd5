import type { Container, Instance } from "./instance.ts";

/** What an idle container is worth keeping; more is better. Ties are broken by the longest idle time. */
export type WorthOf = (container: Container) => number;

/** Whether a blank container is wanted where it is. */
export type IsSpared = (blank: Container) => boolean;

/**
 * Chooses what an instance gives up to gain memory: blank containers that are not spared first (they
 * cost a start, not a function's warm state), then the idle containers of least value.
 *
 * @param isSpared undefined: no blank container is.
 * @param neededMiB memory to gain; zero or less asks for nothing.
 * @param worthOf undefined: the least recently used one is worth least.
 * @param withHeld containers that are held ready may go too, after all others.
 * @returns what to give up, or undefined when all of it is not enough.
 */
export function evict(
  instance: Instance,
  isSpared: IsSpared | undefined,
  neededMiB: number,
  worthOf?: WorthOf,
  withHeld = false,
): Container[] | undefined {
  if (neededMiB <= 0) return [];
  const candidates: Container[] = [];
  for (const container of instance.containers.values()) {
    const isUnwantedBlank = container.state === "blank" && isSpared?.(container) !== true;
    const isIdle = container.state === "idle" && (withHeld || container.holder === undefined);
    if (isUnwantedBlank || isIdle) candidates.push(container);
  }
  const values = new Map(candidates.map((container) => [container, worthOf?.(container) ?? 0]));
  candidates.sort((a, b) => leastFirst(a, b, values));
  const chosen: Container[] = [];
  let gainedMiB = 0;
  for (const container of candidates) {
    if (gainedMiB >= neededMiB) break;
    chosen.push(container);
    gainedMiB += container.memoryMiB;
  }
  return gainedMiB >= neededMiB ? chosen : undefined;
}

function leastFirst(a: Container, b: Container, values: ReadonlyMap<Container, number>): number {
  if (a.state !== b.state) return a.state === "blank" ? -1 : 1;
  if ((a.holder === undefined) !== (b.holder === undefined)) return a.holder === undefined ? -1 : 1;
  const difference = (values.get(a) ?? 0) - (values.get(b) ?? 0);
  if (difference !== 0) return difference;
  if (a.sinceMs !== b.sinceMs) return a.sinceMs - b.sinceMs;
  return a.id < b.id ? -1 : 1;
}
