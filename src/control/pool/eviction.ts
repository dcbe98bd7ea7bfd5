import type { RuntimeName } from "../../model/runtime.ts";
import type { Container, Instance } from "./instance.ts";

/**
 * Chooses what an instance gives up to gain memory: blank containers of other runtimes first (they
 * cost a start, not a function's warm state), then the idle container that has been idle longest.
 *
 * @param runtime whose blank containers are spared; undefined: none.
 * @param neededMiB memory to gain; zero or less asks for nothing.
 * @returns what to give up, or undefined when all of it is not enough.
 */
export function evict(
  instance: Instance,
  runtime: RuntimeName | undefined,
  neededMiB: number,
): Container[] | undefined {
  if (neededMiB <= 0) return [];
  const candidates: Container[] = [];
  for (const container of instance.containers.values()) {
    const isForeignBlank = container.state === "blank" && container.runtime !== runtime;
    if (isForeignBlank || container.state === "idle") candidates.push(container);
  }
  candidates.sort(byValue);
  const chosen: Container[] = [];
  let gainedMiB = 0;
  for (const container of candidates) {
    if (gainedMiB >= neededMiB) break;
    chosen.push(container);
    gainedMiB += container.memoryMiB;
  }
  return gainedMiB >= neededMiB ? chosen : undefined;
}

/** Least valuable first. */
function byValue(a: Container, b: Container): number {
  if (a.state !== b.state) return a.state === "blank" ? -1 : 1;
  if (a.sinceMs !== b.sinceMs) return a.sinceMs - b.sinceMs;
  return a.id < b.id ? -1 : 1;
}
