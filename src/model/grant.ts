import type { AccountId } from "./ids.ts";
import type { SizingKey } from "./sizing.ts";

/** A function version as sizing knows it. Made once per version: it goes with every invocation of it. */
export type SizedVersion = {
  readonly key: SizingKey;
  readonly accountId: AccountId;
  readonly functionName: string;
  /**
   * Counts up with each statement: of two with the same key and other amounts the later one holds, also while calls of the
   * earlier one are under way. undefined: 0.
   */
  readonly order?: number | undefined;
  /** What its requests state first (B4, B9). */
  readonly memoryMiB: number;
  /** undefined: by the ratio. */
  readonly cpuMilli?: number | undefined;
};

/** What a container of a function takes of an instance. */
export type Room = {
  /** The limit: no instance smaller than that is asked. */
  readonly memoryMiB: number;
  /** What the instance is packed by; at most the limit. */
  readonly reservedMiB: number;
  /** What it may need at its most, as far as is known; between the reservation and the limit. */
  readonly needMiB: number;
};

/** What a new container of a function really gets, as the core decided; its requests still state the first amount. */
export type Grant = Room & {
  readonly cpuMilli: number;
  /** Up to here the agent may raise the limit before the kernel kills; the limit itself: never. */
  readonly rescueMemoryMiB: number;
  /** One sentence for people. */
  readonly why: string;
};
