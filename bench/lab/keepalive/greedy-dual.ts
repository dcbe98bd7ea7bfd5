import { COLD_MS } from "./ours.ts";
import type { Outcome } from "./replay.ts";
import { TimerHeap } from "./timer-heap.ts";
import type { Trace } from "./trace.ts";

type Resident = { readonly fn: number; idleSinceMs: number; isIdle: boolean; turn: number };

/**
 * FaasCache (Fuerst and Sharma, ASPLOS'21): containers stay until their memory is needed. The one with the least priority goes first:
 * clock + frequency × cold start / memory, with the clock at the priority of what went last. Running ones never go; a call
 * that finds too little memory even then is let in all the same.
 */
export function replayGreedyDual(trace: Trace, capacityMiB: number): Outcome {
  const world = new GreedyDual(trace, capacityMiB);
  for (let i = 0; i < trace.callAtMs.length; i++) {
    world.call(trace.callFunction[i] as number, trace.callAtMs[i] as number, trace.callMs[i] as number);
  }
  return world.finish();
}

class GreedyDual {
  readonly #trace: Trace;
  readonly #capacityMiB: number;
  readonly #ends = new TimerHeap();
  readonly #byPriority = new TimerHeap();
  readonly #residents: Resident[] = [];
  readonly #idleOf: number[][];
  readonly #frequency: Int32Array;
  readonly #coldByFunction: Int32Array;
  readonly #wasteByFunction: Float64Array;
  #clock = 0;
  #residentMiB = 0;

  constructor(trace: Trace, capacityMiB: number) {
    this.#trace = trace;
    this.#capacityMiB = capacityMiB;
    const count = trace.memoryMiB.length;
    this.#idleOf = Array.from({ length: count }, () => []);
    this.#frequency = new Int32Array(count);
    this.#coldByFunction = new Int32Array(count);
    this.#wasteByFunction = new Float64Array(count);
  }

  call(fn: number, nowMs: number, durationMs: number): void {
    this.#endUntil(nowMs);
    this.#frequency[fn] = (this.#frequency[fn] as number) + 1;
    const id = this.#idleOf[fn]?.pop() ?? this.#start(fn, nowMs);
    this.#leaveIdle(this.#residents[id] as Resident, nowMs);
    this.#ends.push(nowMs + durationMs, 0, id, 0);
  }

  finish(): Outcome {
    const { horizonMs, callAtMs } = this.#trace;
    this.#endUntil(horizonMs);
    for (const resident of this.#residents) this.#leaveIdle(resident, horizonMs);
    return {
      calls: callAtMs.length,
      cold: this.#coldByFunction.reduce((a, b) => a + b, 0),
      firstTouch: this.#frequency.reduce((sum, calls) => sum + (calls > 0 ? 1 : 0), 0),
      prewarms: 0,
      wastedGbMin: this.#wasteByFunction.reduce((a, b) => a + b, 0),
      coldByFunction: this.#coldByFunction,
      wasteByFunction: this.#wasteByFunction,
    };
  }

  #start(fn: number, nowMs: number): number {
    const memoryMiB = this.#trace.memoryMiB[fn] as number;
    while (this.#residentMiB + memoryMiB > this.#capacityMiB && this.#evictOne(nowMs));
    this.#residentMiB += memoryMiB;
    this.#coldByFunction[fn] = (this.#coldByFunction[fn] as number) + 1;
    return this.#residents.push({ fn, idleSinceMs: nowMs, isIdle: false, turn: 0 }) - 1;
  }

  #evictOne(nowMs: number): boolean {
    while (this.#byPriority.nextMs < Infinity) {
      const priority = this.#byPriority.nextMs;
      const [id, turn] = [this.#byPriority.nextA, this.#byPriority.nextB];
      this.#byPriority.pop();
      const resident = this.#residents[id] as Resident;
      if (!resident.isIdle || resident.turn !== turn) continue;
      this.#clock = priority;
      this.#leaveIdle(resident, nowMs);
      const idle = this.#idleOf[resident.fn] as number[];
      idle.splice(idle.indexOf(id), 1);
      this.#residentMiB -= this.#trace.memoryMiB[resident.fn] as number;
      return true;
    }
    return false;
  }

  #endUntil(nowMs: number): void {
    while (this.#ends.nextMs <= nowMs) {
      const [id, atMs] = [this.#ends.nextA, this.#ends.nextMs];
      this.#ends.pop();
      const resident = this.#residents[id] as Resident;
      resident.isIdle = true;
      resident.idleSinceMs = atMs;
      resident.turn++;
      this.#idleOf[resident.fn]?.push(id);
      const frequency = this.#frequency[resident.fn] as number;
      const priority = this.#clock + (frequency * COLD_MS) / (this.#trace.memoryMiB[resident.fn] as number);
      this.#byPriority.push(priority, 0, id, resident.turn);
    }
  }

  #leaveIdle(resident: Resident, nowMs: number): void {
    if (!resident.isIdle) return;
    resident.isIdle = false;
    const { fn, idleSinceMs } = resident;
    const gb = (this.#trace.memoryMiB[fn] as number) / 1024;
    const idleMs = Math.min(nowMs, this.#trace.horizonMs) - idleSinceMs;
    this.#wasteByFunction[fn] = (this.#wasteByFunction[fn] as number) + (gb * Math.max(0, idleMs)) / 60_000;
  }
}
