import type { AccountId, InstanceId, InvocationId, LeaseId } from "../model/ids.ts";
import type { InstanceReport } from "../model/instance.ts";

/** What an instance was ordered to be. */
export type InstanceOrdered = Pick<InstanceReport, "instanceId" | "subPool" | "offerId" | "shape">;

/**
 * What each instance may speak of. An agent on another machine says what that machine wants it to: it is believed about
 * itself and what was given to it, and about nothing else; and it is given no other code than what it was ordered to run.
 */
export class InstanceClaims {
  /** By this server. */
  readonly #ordered = new Map<InstanceId, InstanceOrdered>();
  readonly #accountOf = new Map<InstanceId, AccountId>();
  /** Executions that an earlier server handed out and that have not ended, with the instance that holds each. */
  readonly #leases = new Map<LeaseId, InstanceId>();
  /** Results that follow, of executions that ended while no server listened. */
  readonly #kept = new Map<InvocationId, InstanceId>();

  /** By this server; archives, by their hash. */
  readonly #code = new Map<InstanceId, Set<string>>();

  ordered({ instanceId, subPool, offerId, shape }: InstanceOrdered): void {
    this.#ordered.set(instanceId, { instanceId, subPool, offerId, shape });
  }

  assigned(instanceId: InstanceId, accountId: AccountId): void {
    this.#accountOf.set(instanceId, accountId);
  }

  /** The instance is ordered to run a function of these archives. */
  given(instanceId: InstanceId, sha256Hexes: readonly string[]): void {
    const given = this.#code.get(instanceId) ?? new Set();
    this.#code.set(instanceId, given);
    for (const sha256Hex of sha256Hexes) given.add(sha256Hex);
  }

  /** Whether one of the instances was ordered to run this code. */
  mayHave(instanceIds: readonly InstanceId[], codeSha256Hex: string): boolean {
    return instanceIds.some((instanceId) => this.#code.get(instanceId)?.has(codeSha256Hex));
  }

  /**
   * An agent joined. Of an instance that this server ordered, only the order counts: it holds nothing yet.
   * @returns what is believed, and the executions that it runs or has the results of.
   */
  joined(
    said: InstanceReport,
    kept: readonly InvocationId[],
  ): { readonly report: InstanceReport; readonly adopted: readonly InvocationId[] } {
    const { instanceId, accountId } = said;
    const ordered = this.#ordered.get(instanceId);
    if (ordered !== undefined) return { report: { ...said, ...ordered }, adopted: [] };
    if (accountId !== undefined) this.#accountOf.set(instanceId, accountId);
    for (const id of kept) this.#kept.set(id, instanceId);
    const running = said.containers.filter((container) => container.state === "running");
    for (const { leaseId } of running) if (!this.#leases.has(leaseId)) this.#leases.set(leaseId, instanceId);
    return { report: said, adopted: [...kept, ...running.map(({ invocationId }) => invocationId)] };
  }

  serves(instanceId: InstanceId, accountId: string): boolean {
    return this.#accountOf.get(instanceId) === accountId;
  }

  /**
   * The outcome of an execution that an earlier server handed out came.
   * @returns what the instance had said of it: that it runs, or that its result follows; undefined: nothing.
   */
  takeResult(instanceId: InstanceId, invocationId: InvocationId, leaseId: LeaseId): "running" | "kept" | undefined {
    if (this.#leases.get(leaseId) === instanceId && this.#leases.delete(leaseId)) return "running";
    return this.#kept.get(invocationId) === instanceId && this.#kept.delete(invocationId) ? "kept" : undefined;
  }

  /** The instance has lost its agent, for good. @returns what it had announced and will not tell any more. */
  forget(instanceId: InstanceId): readonly InvocationId[] {
    this.#ordered.delete(instanceId);
    this.#accountOf.delete(instanceId);
    this.#code.delete(instanceId);
    for (const [id, on] of this.#leases) if (on === instanceId) this.#leases.delete(id);
    const untold = [...this.#kept].filter(([, on]) => on === instanceId).map(([id]) => id);
    for (const id of untold) this.#kept.delete(id);
    return untold;
  }
}
