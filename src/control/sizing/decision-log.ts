import {
  type AdjustmentCondition,
  type ContainerSize,
  DECISIONS_KEPT,
  type SizingDecision,
} from "../../model/sizing.ts";

/** The newest decisions about one function version, the newest last. */
export class DecisionLog {
  #decisions: readonly SizingDecision[];

  constructor(decisions: readonly SizingDecision[] = []) {
    this.#decisions = decisions;
  }

  get all(): readonly SizingDecision[] {
    return this.#decisions;
  }

  /** @param atExecution executions observed before it. */
  note(
    atExecution: number,
    from: ContainerSize,
    to: ContainerSize,
    condition: AdjustmentCondition,
    why: string,
    appliesTo: SizingDecision["appliesTo"],
  ): void {
    const decision = { atExecution, condition, appliesTo, from, to, why };
    this.#decisions = [...this.#decisions.slice(1 - DECISIONS_KEPT), decision];
  }
}
