/**
 * Whether a variable instance is too young to be relied on by work that nobody may delay. Lifetimes of preemptible machines are
 * bathtub-shaped: of 1,442 (arXiv 1911.05160), those younger than 5 minutes were lost at 1.3 an hour, from 5 to 10 minutes at 0.9, from
 * 10 to 60 at 0.4, after 3 hours at 0.04. A preference among instances, no reason to keep a stand-in: that was
 * measured, and costs more than it saves.
 */
export function isOnProbation(readySinceMs: number, nowMs: number): boolean {
  return nowMs - readySinceMs < PROBATION_MS;
}

const PROBATION_MS = 600_000;
