import type { RejectCode } from "../model/error-code.ts";
import type { InvocationId } from "../model/ids.ts";
import type { Invocation, Lease, Outcome } from "../model/invocation.ts";
import { AnswerChecks } from "./answer-checks.ts";
import { Caller } from "./caller.ts";
import { EventQueue, type SimulatedEvent } from "./event-queue.ts";
import type { Known } from "./known.ts";
import type { Random } from "./random.ts";
import type { Report } from "./report.ts";
import type { HostSink, SimulatedHost } from "./simulated-host.ts";
import { SimulatedInvocation } from "./simulated-invocation.ts";
import type { Stage } from "./stage.ts";
import { violated } from "./violation.ts";
import type { World } from "./world.ts";

/**
 * Everyone who calls, and the server's memory of whom it owes an answer: each invocation leaves by
 * exactly one of a result, a refusal, or its caller (or its server) being gone.
 */
export class Crowd implements HostSink {
  readonly #world: World;
  readonly #stage: Stage;
  readonly #report: Report;
  readonly #random: Random;
  readonly callers: readonly Caller[];
  readonly #queue: EventQueue;
  /** The server has not answered them. In no order; an invocation knows its slot. */
  readonly #unanswered: SimulatedInvocation[] = [];
  readonly #known: Known;
  readonly #checks: AnswerChecks;
  #calls = 0;
  isShuttingDown = false;
  /** The server was told that a function is another now. */
  onUpdated: (caller: Caller) => void = () => {};

  constructor(world: World, random: Random, stage: Stage, report: Report, known: Known) {
    this.#world = world;
    this.#known = known;
    this.#checks = new AnswerChecks(world, known);
    this.#stage = stage;
    this.#report = report;
    this.#random = random.fork("callers");
    this.#queue = new EventQueue(world, stage, report, (event) =>
      this.#arrive(event.id, event.caller, event, event.deadlineMs),
    );
    const onCall = (caller: Caller) => this.#call(caller);
    this.callers = world.functions.map((traits) => {
      return new Caller(traits, known.account(traits.accountId), random.fork(traits.name), stage, onCall);
    });
  }

  open(host: SimulatedHost): void {
    for (const caller of this.callers) caller.scheduleNext();
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
    this.#known.waitsNoMore(invocation);
    if (lease.start === "cold") this.#report.cold++;
    else this.#report.warm++;
    this.#report.waits.add(this.#stage.nowMs - invocation.arrivedMs);
  }

  refused(invocation: Invocation, code: RejectCode, host: SimulatedHost): void {
    this.#report.countRefusal(code);
    // Started by an earlier server and adopted: it has no caller here, but perhaps an event.
    if (!(invocation instanceof SimulatedInvocation)) {
      host.answeredForAdopted(invocation.id, code);
      return this.#queue.endedLate(invocation.id, { rejected: code });
    }
    const { lease } = invocation;
    if (lease !== undefined) {
      if (invocation.state === "answered") violated(`invocation ${invocation.id} was refused after it was answered`);
      host.answeredFor(lease, code);
      if (invocation.state === "hungUp") return;
    } else {
      if (invocation.state !== "waiting") violated(`invocation ${invocation.id} was refused while ${invocation.state}`);
      this.#checks.refused(invocation, code, this.isShuttingDown, this.#stage.nowMs);
      this.#known.waitsNoMore(invocation);
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
    this.#queue.serverEnded();
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
    const deadlineMs = this.#drawDeadline();
    if (asynchronousShare > 0 && this.#random.chance(asynchronousShare)) {
      this.#queue.accept(id, caller, deadlineMs);
      return true;
    }
    const invocation = this.#arrive(id, caller, undefined, deadlineMs);
    if (hangUpShare > 0 && this.#random.chance(hangUpShare)) {
      const { serverRun } = this.#stage;
      this.#stage.later(this.#random.exponential(patienceMsMean), () => {
        if (this.#stage.isServerUp && this.#stage.serverRun === serverRun) this.#hangUp(invocation);
      });
    }
    return true;
  }

  #drawDeadline(): number | undefined {
    const { deadlineShare, deadlineMsMax } = this.#world.capacity;
    if (deadlineShare === 0 || !this.#random.chance(deadlineShare)) return undefined;
    return this.#stage.nowMs + this.#random.next() * deadlineMsMax;
  }

  #arrive(
    id: InvocationId,
    caller: Caller,
    event: SimulatedEvent | undefined,
    deadlineMs: number | undefined,
  ): SimulatedInvocation {
    const invocation = new SimulatedInvocation(id, caller, event, this.#stage.nowMs, deadlineMs);
    if (deadlineMs !== undefined) invocation.dueMs = this.#dueMs(invocation, deadlineMs);
    this.#report.arrived++;
    this.#known.arrives(invocation);
    invocation.slot = this.#unanswered.push(invocation) - 1;
    this.#stage.tell({ kind: "InvocationArrived", invocation });
    if (invocation.state === "waiting" || invocation.state === "running") this.#admitted(invocation);
    return invocation;
  }

  #admitted(invocation: SimulatedInvocation): void {
    if (this.isShuttingDown) violated(`invocation ${invocation.id} was admitted after the shutdown began`);
    this.#checks.admitted(invocation);
    if (invocation.state === "waiting") this.#known.waits(invocation);
  }

  /** The deadline less what an execution may take, with the room to spare that the settings ask for. */
  #dueMs({ functionKey }: SimulatedInvocation, deadlineMs: number): number {
    const { durationUnknownMs, deadlineMargin, startReserveMs } = this.#world.settings;
    const expectedMs = this.#known.longestMs(functionKey) ?? durationUnknownMs;
    return deadlineMs - expectedMs * deadlineMargin - startReserveMs;
  }

  /** The caller is gone. The news may come after the answer. */
  #hangUp(invocation: SimulatedInvocation): void {
    const { state } = invocation;
    if (state === "waiting" || state === "running") {
      if (state === "waiting") this.#known.waitsNoMore(invocation);
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
  }

  #planUpdate(host: SimulatedHost): void {
    const { retirementMsMean } = this.#world;
    if (retirementMsMean === Number.POSITIVE_INFINITY) return;
    this.#stage.later(this.#random.exponential(retirementMsMean), () => {
      if (!this.#stage.hasFaults) return;
      const caller = this.#random.pick(this.callers);
      const functionKey = caller.update();
      if (this.#stage.isServerUp) {
        host.retire(functionKey);
        this.#stage.tell({ kind: "FunctionRetired", functionKey });
        this.onUpdated(caller);
      }
      this.#planUpdate(host);
    });
  }
}
