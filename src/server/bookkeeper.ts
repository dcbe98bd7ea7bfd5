import type { ExecutionCost, Ledger } from "../control/ledger/ledger.ts";
import type { Command, Event } from "../model/event.ts";
import type { InstanceId, InvocationId, LeaseId } from "../model/ids.ts";
import type { InstanceReport, Shape } from "../model/instance.ts";
import type { Invocation, Lease, Outcome, Usage } from "../model/invocation.ts";
import { type Explanations, partsOf } from "./explanations.ts";

/** An execution that has not ended; its instance's shape outlives the instance here. */
type Running = { readonly lease: Lease; readonly shape: Shape | undefined; readonly begunMs: number };

/**
 * Keeps the books about what the core did: it sees every event with the commands that followed, tells the ledger what
 * is held and run, and the explanations what became of each invocation. It changes nothing.
 */
export class Bookkeeper {
  readonly #ledger: Ledger;
  readonly #explanations: Explanations;
  readonly #wallMs: () => number;
  readonly #onBegun: (invocation: Invocation) => void;
  readonly #onEnded: (invocation: Invocation, outcome: Outcome, usage: Usage | undefined) => void;
  /** Ordered and not joined yet, by when they were ordered. */
  readonly #launching = new Map<InstanceId, number>();
  readonly #shapes = new Map<InstanceId, Shape>();
  readonly #running = new Map<LeaseId, Running>();
  readonly #leaseOf = new Map<InvocationId, LeaseId>();

  /**
   * @param wallMs the host's clock.
   * @param onBegun told of each execution when it begins.
   * @param onEnded told of each that ended by itself; `usage` undefined: nobody knows.
   */
  constructor(
    ledger: Ledger,
    explanations: Explanations,
    wallMs: () => number,
    onBegun: (invocation: Invocation) => void = () => {},
    onEnded: (invocation: Invocation, outcome: Outcome, usage: Usage | undefined) => void = () => {},
  ) {
    this.#ledger = ledger;
    this.#explanations = explanations;
    this.#wallMs = wallMs;
    this.#onBegun = onBegun;
    this.#onEnded = onEnded;
  }

  /** @param nowMs the core's clock, as the event was handled with. */
  observe(event: Event, commands: readonly Command[], nowMs: number): void {
    this.#happened(event, nowMs);
    for (const command of commands) this.#ordered(command, nowMs);
  }

  #happened(event: Event, nowMs: number): void {
    switch (event.kind) {
      case "OffersChanged":
        return this.#ledger.publish(event.offers, nowMs);
      case "WallClockSet":
        return this.#ledger.setWallClock(event.offsetMs, nowMs);
      case "InstanceJoined":
        return this.#joined(event.report, nowMs);
      case "LaunchFailed":
        return void this.#launching.delete(event.instanceId);
      case "InstanceLost":
        return this.#gone(event.instanceId, nowMs);
      case "InvocationFinished": {
        const { leaseId, outcome, wallMs, usage } = event;
        const running = this.#take(leaseId);
        if (running === undefined) return; // An earlier server handed it out, or it was cut off before.
        this.#onEnded(running.lease.invocation, outcome, usage);
        const cost = this.#executed(running, wallMs, nowMs);
        return this.#explanations.finished(running.lease.invocation.id, { outcome, wallMs, ...cost });
      }
    }
  }

  #ordered(command: Command, nowMs: number): void {
    switch (command.kind) {
      case "LaunchInstance":
        return void this.#launching.set(command.instanceId, nowMs);
      case "AssignInstance":
        return this.#ledger.assign(command.instanceId, command.accountId, nowMs);
      case "RunInvocation": {
        const { lease } = command;
        this.#running.set(lease.id, { lease, shape: this.#shapes.get(lease.instanceId), begunMs: nowMs });
        this.#leaseOf.set(lease.invocation.id, lease.id);
        this.#explanations.begun(lease, this.#wallMs());
        return this.#onBegun(lease.invocation);
      }
      case "RejectInvocation": {
        const { invocation, code } = command;
        const leaseId = this.#leaseOf.get(invocation.id);
        const cutOff = leaseId === undefined ? undefined : this.#take(leaseId);
        if (cutOff !== undefined) this.#executed(cutOff, nowMs - cutOff.begunMs, nowMs);
        return this.#explanations.refused(invocation, code, this.#wallMs());
      }
    }
  }

  #joined({ instanceId, subPool, offerId, shape, accountId }: InstanceReport, nowMs: number): void {
    const sinceMs = this.#launching.get(instanceId) ?? nowMs;
    this.#launching.delete(instanceId);
    this.#shapes.set(instanceId, shape);
    this.#ledger.hold({ id: instanceId, subPool, offerId, shape, accountId, sinceMs }, nowMs);
  }

  #gone(instanceId: InstanceId, nowMs: number): void {
    this.#launching.delete(instanceId);
    this.#ledger.release(instanceId, nowMs);
    this.#shapes.delete(instanceId);
  }

  #take(leaseId: LeaseId): Running | undefined {
    const running = this.#running.get(leaseId);
    if (running === undefined) return undefined;
    this.#running.delete(leaseId);
    this.#leaseOf.delete(running.lease.invocation.id);
    return running;
  }

  #executed({ lease, shape }: Running, wallMs: number, nowMs: number): ExecutionCost {
    const { invocation, placement, grant } = lease;
    const { accountId, functionKey } = invocation;
    // It is charged for what it keeps from others.
    const memoryMiB = grant?.reservedMiB ?? invocation.memoryMiB;
    const { subPool, offerId, priceUsdPerHour } = placement;
    const { functionName } = partsOf(functionKey);
    if (shape === undefined) return { costUsd: undefined, fixedUsd: undefined };
    const execution = { accountId, functionName, subPool, offerId, shape, memoryMiB, priceUsdPerHour, wallMs };
    return this.#ledger.execute(execution, nowMs);
  }
}
