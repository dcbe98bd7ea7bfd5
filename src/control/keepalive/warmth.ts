import type { FunctionKey } from "../../model/ids.ts";
import type { Invocation } from "../../model/invocation.ts";
import type { Market } from "../market/market.ts";
import { place } from "../placement/place.ts";
import type { Container } from "../pool/instance.ts";
import type { Pools } from "../pool/pools.ts";
import type { Settings } from "../settings.ts";
import type { Grants } from "../sizing/grants.ts";
import type { Turn } from "../turn.ts";
import { DEFAULT_KEEP_ALIVE, KeepAlive } from "./keep-alive.ts";

export type WarmthParts = {
  readonly settings: Settings;
  readonly turn: Turn;
  readonly market: Market;
  readonly pools: Pools;
  readonly grants: Grants;
};

/** One function, over its revisions: what its next container is like. */
type Known = {
  invocation: Invocation;
  /** What a cold start of it takes: a decayed mean of its own. */
  coldMs: number;
};

/** Of a function whose cold starts were never seen: a small module's evaluation. */
const COLD_MS_UNKNOWN = 250;
/** Beyond the init phase: taking a blank container, mounting the code. */
const COLD_MS_BESIDE_INIT = 5;
const COLD_MS_WEIGHT = 0.3;
const STEER_MS = 60_000;
/** A prewarm that found no room by then is given up: the call it was for has come. */
const PREWARM_LATE_MS = 60_000;

/** Which idle containers stay, which leave, and which functions are loaded ahead of their next call. */
export class Warmth {
  readonly #parts: WarmthParts;
  readonly #keepAlive: KeepAlive;
  readonly #functions = new Map<string, Known>();
  readonly #ids = new Map<FunctionKey, string>();
  readonly #prewarms = new Map<string, number>();
  #steerAtMs: number | undefined;

  constructor(parts: WarmthParts) {
    this.#parts = parts;
    this.#keepAlive = new KeepAlive({ ...DEFAULT_KEEP_ALIVE, functionsMax: parts.settings.functionsRememberedMax });
  }

  /** A call came. Its place among those that run at the same time tells how many containers its function can use. */
  arrived(invocation: Invocation): void {
    const { turn, pools, settings } = this.#parts;
    const { functionKey } = invocation;
    const id = this.#idOf(functionKey);
    this.#keepAlive.arrived(id, pools.inventory.runningOf(functionKey), turn.nowMs);
    const known = this.#functions.get(id);
    if (known !== undefined) known.invocation = invocation;
    else this.#remember(id, { invocation, coldMs: COLD_MS_UNKNOWN }, settings.functionsRememberedMax);
    if (this.#prewarms.size > 0) this.#prewarms.delete(id);
  }

  /** @param initMs of a cold start that has ended. */
  coldStarted(functionKey: FunctionKey, initMs: number): void {
    const known = this.#functions.get(this.#idOf(functionKey));
    if (known === undefined) return;
    known.coldMs += (initMs + COLD_MS_BESIDE_INIT - known.coldMs) * COLD_MS_WEIGHT;
  }

  /** What an idle container is worth: the waiting that it is likely to save, per memory. */
  worthOf(container: Container): number {
    const { functionKey, memoryMiB } = container;
    if (functionKey === undefined) return 0;
    const { turn, pools } = this.#parts;
    const id = this.#idOf(functionKey);
    const idle = pools.inventory.idleOf(functionKey);
    const rank = pools.inventory.runningOf(functionKey) + (idle.length - 1 - idle.indexOf(container));
    return this.#keepAlive.valueOf({ functionKey: id, rank, memoryMiB, coldMs: this.#coldMsOf(id) }, turn.nowMs);
  }

  /** Lets go what is not worth its memory any more, and loads what is likely to be called soon. */
  sweep(): void {
    for (const idle of [...this.#parts.pools.inventory.idleFunctions()]) this.#sweepFunction([...idle]);
    this.#parts.pools.inventory.forgetUnused();
    this.#prewarmDue();
    this.#steer();
  }

  #sweepFunction(idle: readonly Container[]): void {
    const { turn, settings } = this.#parts;
    // The most recently used one serves the next call; the others only if more come at the same time.
    for (const [at, container] of idle.entries()) {
      const dueMs = container.keepUntilMs ?? container.sinceMs + settings.keepAliveMinMs;
      if (turn.nowMs < dueMs || container.holder !== undefined) continue;
      this.#decide(container, idle.length - 1 - at);
    }
  }

  #decide(container: Container, idleBefore: number): void {
    const { turn, settings, pools } = this.#parts;
    const { functionKey, memoryMiB, sinceMs, isUnproven } = container;
    if (functionKey === undefined) return;
    const id = this.#idOf(functionKey);
    const rank = pools.inventory.runningOf(functionKey) + idleBefore;
    const wanted = { functionKey: id, rank, memoryMiB, coldMs: this.#coldMsOf(id) };
    const plan = this.#keepAlive.plan(wanted, isUnproven && container.keepUntilMs === undefined, turn.nowMs);
    const keepUntilMs = Math.min(plan.keepUntilMs, sinceMs + settings.keepAliveMaxMs);
    if (keepUntilMs > turn.nowMs) {
      container.keepUntilMs = keepUntilMs;
      return;
    }
    const isLast = idleBefore === 0 && pools.inventory.runningOf(functionKey) === 0;
    if (isLast && Number.isFinite(plan.prewarmAtMs)) this.#prewarms.set(id, plan.prewarmAtMs);
    const idleS = Math.round((turn.nowMs - sinceMs) / 1000);
    pools.destroy(container, `idle for ${idleS} s, and no call is likely enough to be worth its memory`);
  }

  #prewarmDue(): void {
    const { turn } = this.#parts;
    for (const [id, atMs] of [...this.#prewarms]) {
      if (turn.nowMs < atMs) continue;
      const isDone = this.#prewarm(id);
      if (isDone || turn.nowMs - atMs > PREWARM_LATE_MS) this.#prewarms.delete(id);
    }
  }

  /** @returns whether nothing is left to be done. It never makes room: those who wait, and what is warm, come first. */
  #prewarm(id: string): boolean {
    const { turn, market, pools, grants } = this.#parts;
    const known = this.#functions.get(id);
    if (known === undefined) return true;
    const { invocation } = known;
    const { functionKey, accountId } = invocation;
    if (pools.inventory.idleOf(functionKey).length > 0 || pools.inventory.runningOf(functionKey) > 0) return true;
    const terms = market.termsOf(accountId);
    const room = grants.roomOf(invocation);
    const container = place(pools.inventory, { invocation, terms, withFixed: terms.usesFixedAtOnce, room }, turn);
    if (container === undefined || container.state !== "blank") return container !== undefined;
    pools.prewarm(container, invocation, "its function is likely to be called soon");
    container.isUnproven = true;
    return true;
  }

  /** Once a minute the price of idle memory moves towards what shall be idle. */
  #steer(): void {
    const { turn, pools, settings } = this.#parts;
    this.#steerAtMs ??= turn.nowMs + STEER_MS;
    if (turn.nowMs < this.#steerAtMs) return;
    this.#steerAtMs = turn.nowMs + STEER_MS;
    let idleMiB = 0;
    for (const idle of pools.inventory.idleFunctions()) for (const { memoryMiB } of idle) idleMiB += memoryMiB;
    let totalMiB = 0;
    for (const instance of pools.inventory.at("active")) totalMiB += instance.shape.memoryMiB;
    // Without an instance there is nothing to be short of, and nothing to learn about its price.
    if (totalMiB > 0) this.#keepAlive.steer(idleMiB, totalMiB * settings.idleMemoryShare);
  }

  /** The function's state is void: what was to be loaded would serve nobody. */
  retired(functionKey: FunctionKey): void {
    const id = this.#idOf(functionKey);
    this.#ids.delete(functionKey);
    if (this.#functions.get(id)?.invocation.functionKey !== functionKey) return;
    this.#prewarms.delete(id);
  }

  /** Cutting the key anew with each call would cost more than all else here. */
  #idOf(functionKey: FunctionKey): string {
    let id = this.#ids.get(functionKey);
    if (id === undefined) {
      if (this.#ids.size >= this.#parts.settings.functionsRememberedMax) this.#ids.clear();
      id = functionIdOf(functionKey);
      this.#ids.set(functionKey, id);
    }
    return id;
  }

  #coldMsOf(id: string): number {
    return this.#functions.get(id)?.coldMs ?? COLD_MS_UNKNOWN;
  }

  #remember(id: string, known: Known, max: number): void {
    this.#functions.set(id, known);
    if (this.#functions.size <= max) return;
    for (const oldest of this.#functions.keys()) {
      this.#functions.delete(oldest);
      this.#prewarms.delete(oldest);
      return;
    }
  }
}

/** Account, name and version: what a function's habits belong to, whatever its revision. */
function functionIdOf(functionKey: FunctionKey): string {
  const end = functionKey.lastIndexOf("/");
  return end < 0 ? functionKey : functionKey.slice(0, end);
}
