import type { RejectCode } from "../model/error-code.ts";
import type { AccountId, InvocationId } from "../model/ids.ts";
import type { Invocation, Lease, Outcome } from "../model/invocation.ts";
import { Caller } from "./caller.ts";
import { EventQueue, type SimulatedEvent } from "./event-queue.ts";
import type { Random } from "./random.ts";
import type { Report } from "./report.ts";
import type { ResultSink, SimulatedHost } from "./simulated-host.ts";
import { SimulatedInvocation } from "./simulated-invocation.ts";
import type { Stage } from "./stage.ts";
import { violated } from "./violation.ts";
import type { World } from "./world.ts";

/**
 * Everyone who calls, and the server's memory of whom it owes an answer: each invocation leaves by
 * exactly one of a result, a refusal, or its caller (or its server) being gone.
 */
export class Crowd implements ResultSink {
  readonly #world: World;
  readonly #stage: Stage;
  readonly #report: Report;
  readonly #random: Random;
  readonly #callers: readonly Caller[];
  readonly #queue: EventQueue;
  /** The server has not answered them. In no order; an invocation knows its slot. */
  readonly #unanswered: SimulatedInvocation[] = [];
  readonly #admitted = new Map<AccountId, number>();
  #waiting = 0;
  #calls = 0;
  isShuttingDown = false;
  readonly #waitMsMax: number;
  readonly #capacityMiB: number;

  constructor(world: World, random: Random, stage: Stage, report: Report) {
    this.#world = world;
    this.#capacityMiB = world.host.capacity?.memoryMiB ?? 0;
    this.#stage = stage;
    this.#report = report;
    this.#random = random.fork("callers");
    this.#queue = new EventQueue(world, stage, report, (event) => this.#arrive(event.id, event.caller, event));
    const onCall = (caller: Caller) => this.#call(caller);
    this.#callers = world.functions.map((traits) => new Caller(traits, random.fork(traits.name), stage, onCall));
    const { waitMsMax, sweepMs } = world.settings;
    this.#waitMsMax = waitMsMax + sweepMs + world.tickLatenessMs;
  }

  open(host: SimulatedHost): void {
    for (const caller of this.#callers) caller.scheduleNext();
    this.#planUpdate(host);
  }

  get isDone(): boolean {
    return this.#calls >= this.#world.invocations;
  }

  get isSettled(): boolean {
    return this.#unanswered.length === 0 && this.#queue.length === 0;
  }

  /** Whom the server still owes an answer, for people. */
  describeUnsettled(): string {
    const [first] = this.#unanswered;
    const named =
      first === undefined ? "" : `, ${first.id} of ${first.functionKey} is ${first.state} since ${first.arrivedMs} ms`;
    return `${this.#unanswered.length} invocations and ${this.#queue.length} events have no answer${named}`;
  }

  started(lease: Lease): void {
    const { invocation } = lease;
    if (!(invocation instanceof SimulatedInvocation))
      return violated(`lease ${lease.id} is for an invocation that nobody made`);
    if (invocation.state !== "waiting") violated(`invocation ${invocation.id} was started while ${invocation.state}`);
    invocation.state = "running";
    invocation.lease = lease;
    this.#waiting--;
    if (lease.start === "cold") this.#report.cold++;
    else this.#report.warm++;
    this.#report.waits.add(this.#stage.nowMs - invocation.arrivedMs);
    this.#checkWait(invocation);
  }

  /** @param isVoid whether the core was told that a running execution is over without a result. */
  refused(invocation: Invocation, code: RejectCode, isVoid: (lease: Lease) => boolean): void {
    this.#report.countRefusal(code);
    // Started by an earlier server and adopted: it has no caller here, but perhaps an event.
    if (!(invocation instanceof SimulatedInvocation)) return this.#queue.endedLate(invocation.id, { rejected: code });
    const { lease } = invocation;
    if (lease !== undefined) {
      if (!isVoid(lease)) violated(`invocation ${invocation.id} was refused while it runs`);
      if (code !== "INSTANCE_LOST") violated(`running invocation ${invocation.id} was refused with ${code}`);
      if (invocation.state === "hungUp") return;
      if (invocation.state !== "running") violated(`invocation ${invocation.id} was refused after it was answered`);
    } else {
      if (invocation.state !== "waiting") violated(`invocation ${invocation.id} was refused while ${invocation.state}`);
      this.#waiting--;
      this.#checkWait(invocation);
      this.#checkRefusal(invocation, code);
    }
    this.#settle(invocation, "answered");
    if (invocation.event !== undefined) this.#queue.ended(invocation.event, { rejected: code });
  }

  finished(lease: Lease, outcome: Outcome): void {
    const invocation = lease.invocation as SimulatedInvocation;
    if (invocation.state !== "running") return this.finishedLate(lease, outcome);
    this.#settle(invocation, "answered");
    this.#report.countOutcome(outcome);
    if (invocation.event !== undefined) this.#queue.ended(invocation.event, { outcome });
  }

  finishedLate({ invocation }: Lease, outcome: Outcome): void {
    this.#queue.endedLate(invocation.id, { outcome });
  }

  adopted(invocationId: InvocationId): void {
    this.#queue.adopt(invocationId);
  }

  /** Synchronous callers see their connection break; events stay in their queue. */
  serverEnded(): void {
    for (const invocation of this.#unanswered) {
      invocation.state = "hungUp";
      invocation.slot = -1;
      this.#report.hungUp++;
    }
    this.#unanswered.length = 0;
    this.#admitted.clear();
    this.#queue.serverEnded();
    this.#waiting = 0;
  }

  /** The agents of instances that live on had time to join. */
  serverReady(): void {
    this.#queue.load();
  }

  #call(caller: Caller): boolean {
    if (this.isDone) return false;
    this.#calls++;
    const { asynchronousShare, hangUpShare, patienceMsMean } = this.#world;
    if (!this.#stage.isServerUp) {
      this.#report.unheard++;
      return true;
    }
    const id = `v${this.#calls}` as InvocationId;
    if (asynchronousShare > 0 && this.#random.chance(asynchronousShare)) {
      this.#queue.accept(id, caller);
      return true;
    }
    const invocation = this.#arrive(id, caller, undefined);
    if (hangUpShare > 0 && this.#random.chance(hangUpShare)) {
      const { serverRun } = this.#stage;
      this.#stage.later(this.#random.exponential(patienceMsMean), () => {
        if (this.#stage.isServerUp && this.#stage.serverRun === serverRun) this.#hangUp(invocation);
      });
    }
    return true;
  }

  #arrive(id: InvocationId, caller: Caller, event: SimulatedEvent | undefined): SimulatedInvocation {
    const invocation = new SimulatedInvocation(id, caller, event, this.#stage.nowMs);
    this.#report.arrived++;
    this.#waiting++;
    invocation.slot = this.#unanswered.push(invocation) - 1;
    const admitted = (this.#admitted.get(invocation.accountId) ?? 0) + 1;
    this.#admitted.set(invocation.accountId, admitted);
    this.#stage.tell({ kind: "InvocationArrived", invocation });
    if (invocation.state === "waiting" || invocation.state === "running") this.#checkAdmitted(invocation, admitted);
    return invocation;
  }

  /** The caller is gone. The news may come after the answer. */
  #hangUp(invocation: SimulatedInvocation): void {
    const { state } = invocation;
    if (state === "waiting" || state === "running") {
      if (state === "waiting") this.#waiting--;
      this.#settle(invocation, "hungUp");
      this.#report.hungUp++;
    }
    this.#stage.tell({ kind: "InvocationCancelled", invocationId: invocation.id });
  }

  #settle(invocation: SimulatedInvocation, state: "answered" | "hungUp"): void {
    invocation.state = state;
    const last = this.#unanswered.pop() as SimulatedInvocation;
    if (last !== invocation) {
      this.#unanswered[invocation.slot] = last;
      last.slot = invocation.slot;
    }
    invocation.slot = -1;
    this.#admitted.set(invocation.accountId, (this.#admitted.get(invocation.accountId) as number) - 1);
  }

  #checkAdmitted(invocation: SimulatedInvocation, admitted: number): void {
    const { accountConcurrencyMax, queueLengthMax } = this.#world.settings;
    if (this.isShuttingDown) violated(`invocation ${invocation.id} was admitted after the shutdown began`);
    if (admitted > accountConcurrencyMax) violated(`account ${invocation.accountId} has ${admitted} invocations`);
    if (this.#waiting > queueLengthMax) violated(`${this.#waiting} invocations wait`);
    if (invocation.memoryMiB > this.#capacityMiB)
      violated(`invocation ${invocation.id} of ${invocation.memoryMiB} MiB was admitted`);
  }

  #checkRefusal({ id, memoryMiB }: SimulatedInvocation, code: RejectCode): void {
    const isTooLarge = memoryMiB > this.#capacityMiB;
    if (code === "TOO_LARGE" && !isTooLarge) violated(`invocation ${id} of ${memoryMiB} MiB was refused as too large`);
    if (code === "SHUTTING_DOWN" && !this.isShuttingDown) violated(`invocation ${id} was refused with ${code}`);
  }

  /** Bounded by the core's own word; the grain of time adds at most itself. */
  #checkWait({ id, arrivedMs }: SimulatedInvocation): void {
    const waitedMs = this.#stage.nowMs - arrivedMs;
    if (waitedMs > this.#waitMsMax + this.#world.grainMs) violated(`invocation ${id} waited for ${waitedMs} ms`);
  }

  #planUpdate(host: SimulatedHost): void {
    const { retirementMsMean } = this.#world;
    if (retirementMsMean === Number.POSITIVE_INFINITY) return;
    this.#stage.later(this.#random.exponential(retirementMsMean), () => {
      if (!this.#stage.hasFaults) return;
      const functionKey = this.#random.pick(this.#callers).update();
      if (this.#stage.isServerUp) {
        host.retire(functionKey);
        this.#stage.tell({ kind: "FunctionRetired", functionKey });
      }
      this.#planUpdate(host);
    });
  }
}
