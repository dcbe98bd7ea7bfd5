import type { Room } from "../model/grant.ts";
import type { InstanceId } from "../model/ids.ts";
import type { Invocation } from "../model/invocation.ts";
import { hasFallenBack, isSatisfied, mayUseFixed, patienceMs, usesVariable } from "./capacity-rules.ts";
import type { Known } from "./known.ts";
import type { SimulatedInstance } from "./simulated-instance.ts";
import type { SimulatedInvocation } from "./simulated-invocation.ts";
import { SupplyOracle } from "./supply-oracle.ts";
import { violated } from "./violation.ts";
import type { World } from "./world.ts";

/**
 * The world's own answer to "may somebody who waits run now?" (A8). It asks nobody: it goes by what the core was told, and by
 * the containers as they are. Whoever could run and waits was not woken.
 */
export class WaitOracle {
  readonly #known: Known;
  readonly #instances: ReadonlyMap<InstanceId, SimulatedInstance>;
  readonly #supply: SupplyOracle;
  readonly #waitMsMax: number;
  readonly #reclaimReserveMs: number;
  /** How late the core may be with what only time brings about; and with what it looks for in its sweeps. */
  readonly #tickMs: number;
  readonly #sweepMs: number;

  /** What a new container takes: the core's own answer, for that it learns as it should is shown elsewhere. */
  readonly #roomOf: (invocation: Invocation) => Room;

  constructor(
    world: World,
    known: Known,
    instances: ReadonlyMap<InstanceId, SimulatedInstance>,
    roomOf: (invocation: Invocation) => Room,
  ) {
    this.#roomOf = roomOf;
    const { settings, tickLatenessMs, grainMs } = world;
    this.#known = known;
    this.#instances = instances;
    this.#supply = new SupplyOracle(world, known, instances, roomOf);
    this.#waitMsMax = settings.waitMsMax;
    this.#reclaimReserveMs = settings.reclaimReserveMs;
    this.#tickMs = tickLatenessMs + grainMs;
    this.#sweepMs = settings.sweepMs + this.#tickMs;
  }

  /** To be asked when the core has just handled an event. */
  check(nowMs: number): void {
    this.#checkCutOffs(nowMs);
    if (this.#known.waiting.size === 0) return this.#supply.nobodyWaits();
    this.#checkWoken(nowMs);
    this.#checkPatience(nowMs);
    this.#supply.check(nowMs);
  }

  /** To be asked just before the next event: what time alone has brought about by then must have been noticed. */
  checkTime(untilMs: number): void {
    if (this.#known.waiting.size > 0) this.#checkWoken(untilMs - this.#tickMs);
  }

  #checkWoken(asOfMs: number): void {
    for (const entries of this.#known.waiting.values()) {
      const [first] = entries;
      if (first === undefined || !this.#known.concurrency.mayRun(first)) continue;
      const variable = usesVariable(first.account.capacity) ? this.#spotOn("variable", first, asOfMs) : undefined;
      const fixed = mayUseFixed(first.account.capacity) ? this.#spotOn("fixed", first, asOfMs) : undefined;
      if (variable === undefined && fixed === undefined) continue;
      for (const entry of entries) {
        const spot = variable !== undefined && isDue(entry, asOfMs) ? variable : fixed;
        if (spot === undefined || (spot === fixed && !mayTakeFixed(entry, asOfMs))) continue;
        violated(
          `oracle: ${entry.id} of ${entry.account.capacity.class} account ${entry.account.id} waits since ${entry.arrivedMs} ms, ` +
            `though ${spot} could take it: a wake-up was lost`,
        );
      }
    }
  }

  /** A container that could take it at once, for people; whether it may have fixed capacity yet is not asked. */
  #spotOn(subPool: "fixed" | "variable", invocation: SimulatedInvocation, asOfMs: number): string | undefined {
    const { account, functionKey, runtime } = invocation;
    const { memoryMiB, reservedMiB, needMiB } = this.#roomOf(invocation);
    const wallMs = this.#known.wallMs(asOfMs);
    for (const instance of this.#instances.values()) {
      if (instance.subPool !== subPool || !isInService(instance)) continue;
      if (instance.accountId !== undefined && instance.accountId !== account.id) continue;
      if (subPool === "variable" && !isSatisfied(account.capacity, this.#known.termsOf(instance), wallMs)) continue;
      const keptFreeMiB = Math.max(instance.swingMiBTold, needMiB - reservedMiB);
      const roomMiB = instance.freeMiBTold - keptFreeMiB;
      const mayTake = !instance.isAtRiskTold && !instance.isPressedTold && instance.shape.memoryMiB >= memoryMiB;
      for (const container of instance.containers.values()) {
        const { state, isStray, isRetired, id, runtime: own, functionKey: held } = container;
        if (state === "idle" && held === functionKey && !isRetired) return `idle container ${id} on ${instance.id}`;
        const isRoom = mayTake && roomMiB + container.memoryMiB >= reservedMiB;
        if (state === "blank" && own === runtime && isRoom && !isStray)
          return `blank container ${id} on ${instance.id} (${roomMiB} + ${container.memoryMiB} MiB for ${reservedMiB})`;
      }
    }
    return undefined;
  }

  /** Nobody waits for longer than his account's settings say. */
  #checkPatience(nowMs: number): void {
    for (const entries of this.#known.waiting.values()) {
      for (const { id, account, arrivedMs, deadlineMs } of entries) {
        const endMs = deadlineMs ?? arrivedMs + patienceMs(account.capacity, this.#waitMsMax);
        const limitMs = Math.max(endMs, arrivedMs, account.toldMs) + this.#sweepMs;
        if (nowMs > limitMs)
          violated(`invocation ${id} waited for ${nowMs - arrivedMs} ms, until ${endMs} ms at the latest`);
      }
    }
  }

  /** What cannot end before its instance is taken away is answered for in time. */
  #checkCutOffs(nowMs: number): void {
    for (const { id, deadlineToldMs, knownLeases, isKnown } of this.#instances.values()) {
      if (deadlineToldMs === undefined || knownLeases === 0 || !isKnown) continue;
      if (nowMs <= deadlineToldMs - this.#reclaimReserveMs + this.#tickMs) continue;
      violated(`${knownLeases} executions on ${id} were not cut off before it is taken away at ${deadlineToldMs} ms`);
    }
  }
}

function isInService({ isLinked, isJoined, isTerminating, deadlineToldMs }: SimulatedInstance): boolean {
  return isLinked && isJoined && !isTerminating && deadlineToldMs === undefined;
}

/** One that is held for a better time need not be woken; once its latest start has come it must be. */
function isDue({ deadlineMs, dueMs }: SimulatedInvocation, asOfMs: number): boolean {
  return deadlineMs === undefined || (asOfMs >= dueMs && asOfMs <= deadlineMs);
}

function mayTakeFixed(invocation: SimulatedInvocation, asOfMs: number): boolean {
  const { account, arrivedMs, deadlineMs } = invocation;
  if (!isDue(invocation, asOfMs)) return false;
  return deadlineMs === undefined ? hasFallenBack(account.capacity, asOfMs - arrivedMs) : mayUseFixed(account.capacity);
}
