import { TimerHeap } from "./timer-heap.ts";
import type { Trace } from "./trace.ts";

/**
 * What a policy says of an idle container: stay until `keepUntilMs` (now: leave at once), and then, if no call has come by
 * then, be there again at `prewarmAtMs` (Infinity: never), when it is asked again.
 */
export type Plan = { keepUntilMs: number; prewarmAtMs: number };

/**
 * A keep-alive policy. Containers of a function are interchangeable, so they are told apart by rank: rank 0 serves while
 * at least one call runs, rank 1 while at least two do; a call that ends frees the highest rank in use.
 */
export type KeepAlivePolicy = {
  /** A call comes to `rank`, which nobody used since `idleSinceMs` (-1: never used). */
  arrived(fn: number, rank: number, idleSinceMs: number, nowMs: number): void;
  /** Asked when rank turns idle (`nowMs` is `idleSinceMs`), and when it was prewarmed. Writes into `plan`. */
  plan(fn: number, rank: number, idleSinceMs: number, nowMs: number, plan: Plan): void;
  /** Once a minute: the memory that idle containers hold. */
  tick?(idleMiB: number, nowMs: number): void;
};

export type Outcome = {
  readonly calls: number;
  /** All cold calls, first touches included. */
  readonly cold: number;
  readonly firstTouch: number;
  readonly prewarms: number;
  readonly wastedGbMin: number;
  /** Of every function: what a half of them gives can be told from the other. */
  readonly coldByFunction: Int32Array;
  readonly wasteByFunction: Float64Array;
};

const TICK_MS = 60_000;

/** Replays a trace. A call is cold when no idle container of its function is there; waste is the memory of idle containers × time. */
export function replay(trace: Trace, policy: KeepAlivePolicy): Outcome {
  const world = new World(trace, policy);
  const { callAtMs, callFunction, callMs } = trace;
  for (let i = 0; i < callAtMs.length; i++) {
    const nowMs = callAtMs[i] as number;
    world.advance(nowMs);
    world.call(callFunction[i] as number, nowMs, callMs[i] as number);
  }
  return world.finish();
}

const END = 0;
const LEAVE = 1;
const PREWARM = 2;

/** One rank of one function. */
type Slot = {
  readonly fn: number;
  readonly rank: number;
  isWarm: boolean;
  warmSinceMs: number;
  idleSinceMs: number;
  prewarmAtMs: number;
  /** A timer that was set for an earlier turn is void. */
  turn: number;
};

class World {
  readonly #trace: Trace;
  readonly #policy: KeepAlivePolicy;
  readonly #timers = new TimerHeap();
  readonly #slots: Slot[] = [];
  readonly #slotsOf: number[][];
  readonly #running: Int32Array;
  readonly #plan: Plan = { keepUntilMs: 0, prewarmAtMs: 0 };
  readonly #coldByFunction: Int32Array;
  readonly #wasteByFunction: Float64Array;
  readonly #touched: Uint8Array;
  #idleMiB = 0;
  #tickAtMs = TICK_MS;
  #firstTouch = 0;
  #prewarms = 0;

  constructor(trace: Trace, policy: KeepAlivePolicy) {
    this.#trace = trace;
    this.#policy = policy;
    const count = trace.memoryMiB.length;
    this.#slotsOf = Array.from({ length: count }, () => []);
    this.#running = new Int32Array(count);
    this.#coldByFunction = new Int32Array(count);
    this.#wasteByFunction = new Float64Array(count);
    this.#touched = new Uint8Array(count);
  }

  advance(nowMs: number): void {
    const timers = this.#timers;
    for (;;) {
      const nextMs = timers.nextMs;
      if (this.#tickAtMs <= nextMs && this.#tickAtMs <= nowMs) {
        this.#policy.tick?.(this.#idleMiB, this.#tickAtMs);
        this.#tickAtMs += TICK_MS;
      } else if (nextMs <= nowMs) {
        this.#handle(timers.nextKind, timers.nextA, timers.nextB, nextMs, timers);
      } else return;
    }
  }

  call(fn: number, nowMs: number, durationMs: number): void {
    const rank = this.#running[fn] as number;
    this.#running[fn] = rank + 1;
    this.#timers.push(nowMs + durationMs, END, fn, 0);
    const slots = this.#slotsOf[fn] as number[];
    const slot = this.#slot(slots, fn, rank);
    this.#policy.arrived(fn, rank, slot.idleSinceMs, nowMs);
    slot.turn++;
    const warm = slot.isWarm ? slot : this.#warmAbove(slots, rank);
    if (warm !== undefined) {
      this.#cool(warm, nowMs);
      if (warm !== slot) warm.turn++;
    } else {
      this.#coldByFunction[fn] = (this.#coldByFunction[fn] as number) + 1;
      if (this.#touched[fn] === 0) this.#firstTouch++;
    }
    this.#touched[fn] = 1;
  }

  finish(): Outcome {
    const { horizonMs } = this.#trace;
    this.advance(horizonMs);
    for (const slot of this.#slots) if (slot.isWarm) this.#cool(slot, horizonMs);
    const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);
    return {
      calls: this.#trace.callAtMs.length,
      cold: sum(this.#coldByFunction),
      firstTouch: this.#firstTouch,
      prewarms: this.#prewarms,
      wastedGbMin: sum(this.#wasteByFunction),
      coldByFunction: this.#coldByFunction,
      wasteByFunction: this.#wasteByFunction,
    };
  }

  #slot(slots: number[], fn: number, rank: number): Slot {
    const id = slots[rank];
    if (id !== undefined) return this.#slots[id] as Slot;
    const slot = { fn, rank, isWarm: false, warmSinceMs: 0, idleSinceMs: -1, prewarmAtMs: 0, turn: 0 };
    slots.push(this.#slots.push(slot) - 1);
    return slot;
  }

  #warmAbove(slots: number[], rank: number): Slot | undefined {
    for (let r = rank + 1; r < slots.length; r++) {
      const slot = this.#slots[slots[r] as number] as Slot;
      if (slot.isWarm) return slot;
    }
    return undefined;
  }

  #handle(kind: number, a: number, turn: number, nowMs: number, timers: TimerHeap): void {
    timers.pop();
    if (kind === END) {
      const rank = (this.#running[a] as number) - 1;
      this.#running[a] = rank;
      const id = (this.#slotsOf[a] as number[])[rank] as number;
      const slot = this.#slots[id] as Slot;
      slot.idleSinceMs = nowMs;
      this.#warm(slot, id, nowMs);
      return;
    }
    const slot = this.#slots[a] as Slot;
    if (slot.turn !== turn) return;
    if (kind === LEAVE) {
      this.#cool(slot, nowMs);
      if (slot.prewarmAtMs < this.#trace.horizonMs) timers.push(slot.prewarmAtMs, PREWARM, a, turn);
    } else {
      this.#prewarms++;
      this.#warm(slot, a, nowMs);
    }
  }

  #warm(slot: Slot, id: number, nowMs: number): void {
    const plan = this.#plan;
    this.#policy.plan(slot.fn, slot.rank, slot.idleSinceMs, nowMs, plan);
    slot.isWarm = true;
    slot.warmSinceMs = nowMs;
    slot.prewarmAtMs = plan.prewarmAtMs;
    this.#idleMiB += this.#trace.memoryMiB[slot.fn] as number;
    if (plan.keepUntilMs < this.#trace.horizonMs)
      this.#timers.push(Math.max(nowMs, plan.keepUntilMs), LEAVE, id, slot.turn);
  }

  #cool(slot: Slot, nowMs: number): void {
    const memoryMiB = this.#trace.memoryMiB[slot.fn] as number;
    slot.isWarm = false;
    this.#idleMiB -= memoryMiB;
    const idleMs = Math.min(nowMs, this.#trace.horizonMs) - slot.warmSinceMs;
    this.#wasteByFunction[slot.fn] =
      (this.#wasteByFunction[slot.fn] as number) + (memoryMiB / 1024) * (Math.max(0, idleMs) / 60_000);
  }
}
