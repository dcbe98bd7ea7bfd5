import type { Outcome } from "./replay.ts";
import type { Trace } from "./trace.ts";

const TICK_MS = 2_000;
const STABLE_TICKS = 30;
const PANIC_TICKS = 3;
const UTILISATION = 0.7;
const GRACE_MS = 30_000;

/**
 * Knative's pod autoscaler with one call per pod: every 2 s as many pods as the mean concurrency of 60 s asks for at 70 %, at most
 * halved in a step; if the mean of 6 s asks for twice what there is, only up for 60 s; to none after 60 s without a call and 30 s of grace.
 * A call that finds no free pod counts as cold and gets one at once (the real one waits for the next tick).
 */
export function replayKnative(trace: Trace): Outcome {
  const count = trace.memoryMiB.length;
  const callsOf: number[][] = Array.from({ length: count }, () => []);
  for (const [i, fn] of trace.callFunction.entries()) callsOf[fn]?.push(i);
  const coldByFunction = new Int32Array(count);
  const wasteByFunction = new Float64Array(count);
  let prewarms = 0;
  for (const [fn, calls] of callsOf.entries()) {
    const scaler = new Scaler();
    for (const i of calls) scaler.call(trace.callAtMs[i] as number, trace.callMs[i] as number);
    scaler.advance(trace.horizonMs);
    coldByFunction[fn] = scaler.cold;
    wasteByFunction[fn] = ((trace.memoryMiB[fn] as number) / 1024) * (scaler.idlePodMs / 60_000);
    prewarms += scaler.prewarms;
  }
  return {
    calls: trace.callAtMs.length,
    cold: coldByFunction.reduce((a, b) => a + b, 0),
    firstTouch: callsOf.filter(({ length }) => length > 0).length,
    prewarms,
    wastedGbMin: wasteByFunction.reduce((a, b) => a + b, 0),
    coldByFunction,
    wasteByFunction,
  };
}

/** The pods of one function. */
class Scaler {
  cold = 0;
  prewarms = 0;
  idlePodMs = 0;
  #pods = 0;
  /** Ends of running calls, earliest first. */
  #endsMs: number[] = [];
  #nowMs = 0;
  #nextTickMs = TICK_MS;
  #lastBusyMs = 0;
  #panicUntilMs = -1;
  /** Busy time within each of the last ticks. */
  readonly #busyMs = new Float64Array(STABLE_TICKS);
  #tick = 0;

  call(atMs: number, durationMs: number): void {
    this.advance(atMs);
    if (this.#endsMs.length >= this.#pods) {
      this.cold++;
      this.#pods = this.#endsMs.length + 1;
    }
    const endMs = atMs + durationMs;
    let place = this.#endsMs.length;
    while (place > 0 && (this.#endsMs[place - 1] as number) > endMs) place--;
    this.#endsMs.splice(place, 0, endMs);
    this.#lastBusyMs = atMs;
  }

  advance(toMs: number): void {
    while (this.#nowMs < toMs) {
      if (this.#pods === 0) {
        // Nothing is there and nothing runs: ticks change nothing until the next call.
        this.#nowMs = toMs;
        this.#nextTickMs = (Math.floor(toMs / TICK_MS) + 1) * TICK_MS;
        this.#busyMs.fill(0);
        return;
      }
      const endMs = this.#endsMs[0] ?? Infinity;
      const untilMs = Math.min(toMs, this.#nextTickMs, endMs);
      const running = this.#endsMs.length;
      const slot = this.#tick % STABLE_TICKS;
      this.#busyMs[slot] = (this.#busyMs[slot] as number) + running * (untilMs - this.#nowMs);
      this.idlePodMs += (this.#pods - running) * (untilMs - this.#nowMs);
      this.#nowMs = untilMs;
      if (running > 0) this.#lastBusyMs = untilMs;
      if (untilMs === endMs) this.#endsMs.shift();
      if (untilMs === this.#nextTickMs) this.#scale();
    }
  }

  #scale(): void {
    const stable = Math.ceil(this.#mean(STABLE_TICKS) / UTILISATION - 1e-9);
    const panic = Math.ceil(this.#mean(PANIC_TICKS) / UTILISATION - 1e-9);
    if (panic >= 2 * this.#pods) this.#panicUntilMs = this.#nowMs + STABLE_TICKS * TICK_MS;
    const isPanic = this.#nowMs < this.#panicUntilMs;
    let wanted = isPanic ? Math.max(this.#pods, panic) : Math.max(stable, Math.floor(this.#pods / 2));
    if (wanted === 0 && this.#nowMs - this.#lastBusyMs < STABLE_TICKS * TICK_MS + GRACE_MS) wanted = 1;
    wanted = Math.max(wanted, this.#endsMs.length);
    this.prewarms += Math.max(0, wanted - this.#pods);
    this.#pods = wanted;
    this.#tick++;
    this.#busyMs[this.#tick % STABLE_TICKS] = 0;
    this.#nextTickMs += TICK_MS;
  }

  #mean(ticks: number): number {
    let busyMs = 0;
    for (let i = 0; i < ticks; i++) busyMs += this.#busyMs[(this.#tick + STABLE_TICKS - i) % STABLE_TICKS] as number;
    return busyMs / (ticks * TICK_MS);
  }
}
