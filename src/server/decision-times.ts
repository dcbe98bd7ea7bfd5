import type { SizingDecision, SizingKey } from "../model/sizing.ts";
import type { StampedDecision } from "../ports/sizing-view.ts";

type Stamped = { readonly decisions: readonly SizingDecision[]; readonly decidedMs: readonly number[] };

/** Says when each decision about a size was made: the core that decides knows no clock. As exact as it is told often. */
export class DecisionTimes {
  readonly #stamped = new Map<SizingKey, Stamped>();

  /** @param decisions the newest last, as kept now. @returns those that it has not been told of before. */
  notice(key: SizingKey, decisions: readonly SizingDecision[], nowMs: number): readonly SizingDecision[] {
    const before = this.#stamped.get(key);
    // The list is made anew with each decision.
    if (before?.decisions === decisions || (before === undefined && decisions.length === 0)) return [];
    const last = before?.decisions.at(-1);
    const known = last === undefined ? 0 : decisions.findLastIndex((decision) => isSame(decision, last)) + 1;
    const fresh = decisions.slice(known);
    const stamps = known === 0 ? [] : (before?.decidedMs ?? []).slice(-known);
    const missing = Array<number>(decisions.length - stamps.length).fill(nowMs);
    // What was stamped are the older ones.
    this.#stamped.set(key, { decisions, decidedMs: [...stamps, ...missing] });
    return fresh;
  }

  /** What an earlier server knew. @param decidedMs one for each decision; missing ones are unknown. */
  restore(key: SizingKey, decisions: readonly SizingDecision[], decidedMs: readonly number[]): void {
    if (decisions.length > 0) {
      this.#stamped.set(key, { decisions, decidedMs: decisions.map((_, i) => decidedMs[i] ?? 0) });
    }
  }

  /** Of what was noticed last; as many as there were decisions. */
  of(key: SizingKey): readonly number[] {
    return this.#stamped.get(key)?.decidedMs ?? [];
  }

  /** The decisions with their times, once they were noticed. */
  stamped(key: SizingKey): readonly StampedDecision[] {
    const known = this.#stamped.get(key);
    return (known?.decisions ?? []).map((decision, i) => ({ ...decision, decidedMs: known?.decidedMs[i] ?? 0 }));
  }

  forget(key: SizingKey): void {
    this.#stamped.delete(key);
  }
}

function isSame(a: SizingDecision, b: SizingDecision): boolean {
  return (
    a.atExecution === b.atExecution &&
    a.condition === b.condition &&
    a.appliesTo === b.appliesTo &&
    a.to.memoryMiB === b.to.memoryMiB &&
    a.to.cpuMilli === b.to.cpuMilli
  );
}
