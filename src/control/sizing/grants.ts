import { cpuMilliOf } from "../../model/function-version.ts";
import type { Grant, Room } from "../../model/grant.ts";
import type { Invocation, Outcome, Usage } from "../../model/invocation.ts";
import type { Market } from "../market/market.ts";
import type { Container } from "../pool/instance.ts";
import type { SizedOutcome } from "./execution.ts";
import type { Sizing } from "./sizing.ts";

/** What an execution says of its function's size; null: nothing. */
const SIZED_OUTCOMES: { readonly [outcome in Outcome]: SizedOutcome | null } = {
  ok: "ok",
  functionError: "error",
  initError: "error",
  exit: "error",
  responseTooLarge: "error",
  timeout: "timeout",
  outOfMemory: "outOfMemory",
  invalidPayload: null,
  agentFault: null,
};

/** Sizes that were stated, which many functions share. */
const STATED_MAX = 10_000;

/**
 * Where capacity asks for sizes, and executions are told to sizing. An invocation of which sizing knows nothing takes just what
 * it states.
 */
export class Grants {
  readonly #sizing: Sizing;
  readonly #market: Market;
  readonly #stated = new Map<number, Room>();

  constructor(sizing: Sizing, market: Market) {
    this.#sizing = sizing;
    this.#market = market;
  }

  /** What a container for it takes of an instance. */
  roomOf(invocation: Invocation): Room {
    const { sized, memoryMiB } = invocation;
    if (sized === undefined) return this.#statedRoom(memoryMiB);
    const room = this.#sizing.roomOf(sized);
    return room === undefined || this.#isBeyondReach(invocation, room) ? this.#statedRoom(memoryMiB) : room;
  }

  /**
   * What a new container for it gets; one for a large event more, where there is room for that.
   * @param roomMiB that the container may reserve.
   */
  grantFor(invocation: Invocation, roomMiB: number, limitMiBMax: number): Grant {
    const { sized, memoryMiB, inputBytes } = invocation;
    if (sized === undefined) return this.#statedGrant(memoryMiB);
    const fits = (grant: Grant) => grant.reservedMiB <= roomMiB && grant.memoryMiB <= limitMiBMax;
    const forInput = this.#sizing.effectiveOf(sized, inputBytes);
    const grant = fits(forInput) ? forInput : this.#sizing.effectiveOf(sized);
    if (fits(grant)) return grant;
    // It has grown beyond what its account can ever have: it gets what it states.
    return this.#statedGrant(memoryMiB);
  }

  /** A container was made with what was granted. */
  taken({ sized }: Pick<Invocation, "sized">, grant: Grant): void {
    if (sized !== undefined) this.#sizing.containerStarted(sized.key, grant);
  }

  /** An execution ended by itself, or was killed by its own limit. @returns whether new containers take other room than before. */
  observe(invocation: Invocation, container: Container, isCold: boolean, outcome: Outcome, usage: Usage): boolean {
    const { sized, inputBytes } = invocation;
    const sizedOutcome = SIZED_OUTCOMES[outcome];
    if (sized === undefined || sizedOutcome === null) return false;
    const { startLimitMiB, grant } = container;
    const isRescued = usage.rescues > 0 && sizedOutcome !== "outOfMemory";
    return this.#sizing.observe(sized, {
      memoryLimitMiB: sizedOutcome === "outOfMemory" ? (usage.memoryLimitMiB ?? startLimitMiB) : startLimitMiB,
      cpuLimitMilli: grant?.cpuMilli ?? usage.cpuMilli ?? cpuMilliOf(startLimitMiB),
      outcome: isRescued ? "rescued" : sizedOutcome,
      memoryPeakBytes: usage.memoryPeakBytes,
      wallUs: usage.wallUs,
      cpuUs: usage.cpuUs,
      throttledUs: usage.throttledUs ?? 0,
      memoryStallUs: usage.memoryStallUs ?? 0,
      inputBytes,
      isCold,
    });
  }

  /** No instance that its account may ever have would hold it. */
  #isBeyondReach({ accountId, memoryMiB }: Invocation, room: Room): boolean {
    return room.memoryMiB > memoryMiB && this.#market.isTooLarge(this.#market.termsOf(accountId), room.memoryMiB);
  }

  #statedRoom(memoryMiB: number): Room {
    let room = this.#stated.get(memoryMiB);
    if (room === undefined) {
      if (this.#stated.size >= STATED_MAX) this.#stated.clear();
      room = { memoryMiB, reservedMiB: memoryMiB, needMiB: memoryMiB };
      this.#stated.set(memoryMiB, room);
    }
    return room;
  }

  #statedGrant(memoryMiB: number): Grant {
    const room = this.#statedRoom(memoryMiB);
    return { ...room, cpuMilli: cpuMilliOf(memoryMiB), rescueMemoryMiB: memoryMiB, why: "As requested." };
  }
}
