import type { ProvisionedState } from "../../model/concurrency.ts";
import type { AccountId } from "../../model/ids.ts";
import type { Invocation } from "../../model/invocation.ts";
import { Backoff } from "../backoff.ts";
import type { Container, Holder } from "./instance.ts";

/** After so many attempts in a row that did not load the function, it is said to fail; it is tried on. */
const FAILURES_MIN = 3;
/** A container that ends by itself sooner than this is a failed attempt. */
const LIFE_MS_MIN = 10_000;

/** The containers that are held ready for one function version: being loaded, idle, or running. */
export class Holding implements Holder {
  readonly wanted: Invocation;
  count: number;
  readonly containers = new Set<Container>();
  readonly attempts: Backoff;
  /** Executions that began in one of them; and those that began elsewhere, for all were in use or there were too few. */
  starts = 0;
  spillovers = 0;
  shortSinceMs: number | undefined;
  readonly #onShort: (holding: Holding) => void;

  constructor(wanted: Invocation, count: number, createBackoffMs: number, onShort: (holding: Holding) => void) {
    this.wanted = wanted;
    this.count = count;
    this.attempts = new Backoff(createBackoffMs);
    this.#onShort = onShort;
  }

  get accountId(): AccountId {
    return this.wanted.accountId;
  }

  get missing(): number {
    return Math.max(0, this.count - this.containers.size);
  }

  get isFailing(): boolean {
    return this.attempts.failures >= FAILURES_MIN;
  }

  /** How many more may be begun now: while it fails, one at a time. */
  mayBegin(nowMs: number): number {
    if (!this.attempts.allows(nowMs)) return 0;
    if (this.attempts.failures === 0) return this.missing;
    for (const { state } of this.containers) if (state === "prewarming") return 0;
    return Math.min(1, this.missing);
  }

  /** While it fails only what may be tried now has a claim to room: others go first until then. */
  wantsRoom(nowMs: number): boolean {
    return !this.isFailing || this.mayBegin(nowMs) > 0;
  }

  take(container: Container): void {
    this.containers.add(container);
    container.holder = this;
    container.instance.heldCount++;
  }

  release(container: Container): void {
    if (!this.containers.delete(container)) return;
    container.holder = undefined;
    container.instance.heldCount--;
    if (this.missing > 0) this.#onShort(this);
  }

  loaded(): void {
    this.attempts.succeeded();
    if (this.missing > 0) this.#onShort(this); // Others need not wait for it any more.
  }

  /** One of them ended without being told to. */
  ended({ state, sinceMs }: Container, nowMs: number): void {
    if (state === "prewarming" || (state === "idle" && nowMs - sinceMs < LIFE_MS_MIN)) this.attempts.failed(nowMs);
  }

  state(nowMs: number): ProvisionedState {
    let available = 0;
    let running = 0;
    for (const { state } of this.containers) {
      if (state === "idle" || state === "running") available++;
      if (state === "running") running++;
    }
    const { count, starts, spillovers, shortSinceMs } = this;
    const shortMs = this.missing === 0 || shortSinceMs === undefined ? 0 : nowMs - shortSinceMs;
    return {
      count,
      allocated: this.containers.size,
      available,
      running,
      starts,
      spillovers,
      isFailing: this.isFailing,
      shortMs,
    };
  }
}
