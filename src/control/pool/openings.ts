import { RUNTIMES, type RuntimeName } from "../../model/runtime.ts";
import { type Instance, type Listing, perRuntime } from "./instance.ts";

/** Instances without a whole MiB to give are in no level. */
const FULL = -1;

/**
 * The instances of one account, or of the warming pool, by what they have to give. Of thousands most are full at any
 * time, and whoever looks for room looks at none of those.
 */
export class Openings implements Listing {
  readonly #all = new Set<Instance>();
  readonly #blank = perRuntime(() => new Set<Instance>());
  readonly #creating = perRuntime(() => new Set<Instance>());
  readonly #idle = new Set<Instance>();
  readonly #evictable = new Set<Instance>();
  /** By the binary logarithm of the MiB that are free or about to be. */
  readonly #levels: Set<Instance>[] = [];
  readonly #resting: Set<Instance>;

  /** @param resting of all accounts: those on which nothing runs. */
  constructor(resting: Set<Instance>) {
    this.#resting = resting;
  }

  get all(): ReadonlySet<Instance> {
    return this.#all;
  }

  /** Those with a blank container of the runtime. */
  withBlank(runtime: RuntimeName): ReadonlySet<Instance> {
    return this.#blank[runtime];
  }

  /** Those on which a container of the runtime is being created. */
  withCreating(runtime: RuntimeName): ReadonlySet<Instance> {
    return this.#creating[runtime];
  }

  /** Whether some container of a function waits for its next call. */
  get holdsIdle(): boolean {
    return this.#idle.size > 0;
  }

  /** Those with containers that could make room: idle or blank ones. */
  get evictable(): ReadonlySet<Instance> {
    return this.#evictable;
  }

  /** All with so much memory that is free or about to be, and some with less. */
  *withRoom(memoryMiB: number): IterableIterator<Instance> {
    for (let level = Math.max(0, levelOf(memoryMiB)); level < this.#levels.length; level++) {
      yield* this.#levels[level] ?? [];
    }
  }

  join(instance: Instance): void {
    this.#all.add(instance);
    instance.listing = this;
    for (const runtime of RUNTIMES) this.counted(instance, runtime);
    this.measured(instance);
  }

  leave(instance: Instance): void {
    this.#all.delete(instance);
    instance.listing = undefined;
    for (const sets of [this.#blank, this.#creating]) for (const set of Object.values(sets)) set.delete(instance);
    this.#idle.delete(instance);
    this.#evictable.delete(instance);
    this.#resting.delete(instance);
    this.#levels[instance.level]?.delete(instance);
    instance.level = FULL;
  }

  /** Its containers are others than before. */
  counted(instance: Instance, runtime: RuntimeName | undefined): void {
    if (runtime !== undefined) {
      put(this.#blank[runtime], instance, instance.blanks[runtime].length > 0);
      put(this.#creating[runtime], instance, instance.creatingCount[runtime] > 0);
    }
    put(this.#idle, instance, instance.idleCount > 0);
    put(this.#evictable, instance, instance.idleCount > 0 || instance.blankCount > 0);
    put(this.#resting, instance, instance.runningCount === 0);
  }

  /** Its memory is. */
  measured(instance: Instance): void {
    const level = levelOf(instance.freeMemoryMiB + instance.leavingMemoryMiB);
    if (level === instance.level) return;
    this.#levels[instance.level]?.delete(instance);
    instance.level = level;
    if (level === FULL) return;
    while (this.#levels.length <= level) this.#levels.push(new Set());
    this.#levels[level]?.add(instance);
  }

  /** Whether an instance is where it should be; for the audit. */
  isTrueOf(instance: Instance): boolean {
    const { blanks, creatingCount, idleCount, blankCount, runningCount, freeMemoryMiB, leavingMemoryMiB } = instance;
    const level = levelOf(freeMemoryMiB + leavingMemoryMiB);
    return (
      instance.listing === this &&
      this.#all.has(instance) &&
      RUNTIMES.every(
        (runtime) =>
          this.#blank[runtime].has(instance) === blanks[runtime].length > 0 &&
          this.#creating[runtime].has(instance) === creatingCount[runtime] > 0,
      ) &&
      this.#idle.has(instance) === idleCount > 0 &&
      this.#evictable.has(instance) === idleCount + blankCount > 0 &&
      this.#resting.has(instance) === (runningCount === 0) &&
      this.#levels.every((set, at) => set.has(instance) === (at === level))
    );
  }
}

function levelOf(memoryMiB: number): number {
  return memoryMiB < 1 ? FULL : Math.floor(Math.log2(memoryMiB));
}

function put(set: Set<Instance>, instance: Instance, isIn: boolean): void {
  if (isIn) set.add(instance);
  else set.delete(instance);
}
