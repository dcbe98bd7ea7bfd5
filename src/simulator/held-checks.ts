import type { Room } from "../model/grant.ts";
import type { AccountId, InvocationId } from "../model/ids.ts";
import type { Invocation } from "../model/invocation.ts";
import type { RuntimeName } from "../model/runtime.ts";
import type { Known } from "./known.ts";
import type { SimulatedContainer, SimulatedInstance } from "./simulated-instance.ts";
import { violated } from "./violation.ts";

/** What the core counts a container with. */
export type RoomSource = {
  roomOf(invocation: Invocation): Room;
  blankMiBOf(runtime: RuntimeName): number;
};

/** What is held ready when nothing has happened for long: as much as is asked for, while there is capacity for it, and no more. */
export class HeldChecks {
  readonly #known: Known;
  readonly #instances: readonly SimulatedInstance[];
  readonly #core: RoomSource;
  readonly #held = new Set<SimulatedContainer>();

  constructor(known: Known, instances: readonly SimulatedInstance[], core: RoomSource) {
    this.#known = known;
    this.#instances = instances;
    this.#core = core;
  }

  /** @returns the containers that are held ready. */
  check(): ReadonlySet<SimulatedContainer> {
    for (const { accountId, wanted } of this.#known.concurrency.provisioned()) {
      const { functionKey, count } = wanted;
      const ready = this.#instances.flatMap((instance) => readyOn(instance, functionKey));
      for (const container of ready) this.#held.add(container);
      if (ready.length > count)
        violated(`${ready.length} containers are ready for ${functionKey} at rest, not ${count}`);
      if (ready.length === count) continue;
      const invocation: Invocation = { ...wanted, id: "" as InvocationId, accountId, mode: "synchronous" };
      const where = this.#roomFor(accountId, this.#core.roomOf(invocation), this.#core.blankMiBOf(wanted.runtime));
      if (where !== undefined)
        violated(`${ready.length} of ${count} containers are ready for ${functionKey}: ${where} has room`);
    }
    return this.#held;
  }

  /** Fixed capacity that nobody uses, for people. @param blankMiB what a container begins with. */
  #roomFor(accountId: AccountId, { memoryMiB, reservedMiB, needMiB }: Room, blankMiB: number): string | undefined {
    for (const instance of this.#instances) {
      const { subPool, accountId: of, shape, isJoined, isTerminating, isPressedTold, isAtRiskTold } = instance;
      if (subPool !== "fixed" || of !== accountId || !isJoined || isTerminating || isPressedTold || isAtRiskTold)
        continue;
      const keptFreeMiB = Math.max(instance.swingMiBTold, needMiB - reservedMiB);
      const neededMiB = Math.max(reservedMiB + keptFreeMiB, blankMiB);
      if (shape.memoryMiB >= memoryMiB && instance.freeMiBTold >= neededMiB) return instance.id;
    }
    for (const { offer } of this.#known.offers.values()) {
      if (offer.subPool !== "fixed" || !offer.isAvailable) continue;
      if (!offer.isElastic && offer.shape.memoryMiB < memoryMiB) continue;
      let takenMiB = Math.max(memoryMiB, offer.shape.memoryMiB);
      for (const { offerId, shape } of this.#instances) if (offerId === offer.id) takenMiB += shape.memoryMiB;
      if (takenMiB <= (offer.capacity?.memoryMiB ?? Number.POSITIVE_INFINITY)) return offer.id;
    }
    return undefined;
  }
}

function readyOn({ subPool, containers }: SimulatedInstance, functionKey: string): SimulatedContainer[] {
  if (subPool !== "fixed") return [];
  return [...containers.values()].filter(
    (each) => each.functionKey === functionKey && each.state === "idle" && each.isInitializedAhead && !each.isRetired,
  );
}
