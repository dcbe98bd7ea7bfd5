import type { FunctionKey } from "../../model/ids.ts";
import type { Holding } from "./holding.ts";
import type { Container, Instance } from "./instance.ts";
import type { Inventory } from "./inventory.ts";

/** Executions of versions for which containers are held ready: in one of these, and elsewhere. */
type Counters = { provisionedStarts: number; spillovers: number };

/** The function versions for which containers are held ready, and which containers those are. It decides nothing. */
export class Holdings {
  readonly #inventory: Inventory;
  readonly #counters: Counters;
  readonly #byVersion = new Map<FunctionKey, Holding>();

  constructor(inventory: Inventory, counters: Counters) {
    this.#inventory = inventory;
    this.#counters = counters;
  }

  get(functionKey: FunctionKey): Holding | undefined {
    return this.#byVersion.get(functionKey);
  }

  add(holding: Holding): void {
    this.#byVersion.set(holding.wanted.functionKey, holding);
  }

  remove(functionKey: FunctionKey): void {
    this.#byVersion.delete(functionKey);
  }

  all(): Iterable<readonly [FunctionKey, Holding]> {
    return this.#byVersion;
  }

  /** The container is held ready from now on. */
  hold(holding: Holding, container: Container): void {
    const isIdle = container.state === "idle";
    if (isIdle) this.#inventory.forgetIdle(container);
    holding.take(container);
    if (isIdle) this.#inventory.rememberIdle(container);
  }

  /** It stays as any other. */
  letGo(container: Container): void {
    const isIdle = container.state === "idle";
    if (isIdle) this.#inventory.forgetIdle(container);
    container.holder?.release(container);
    container.keepUntilMs = undefined;
    if (isIdle) this.#inventory.rememberIdle(container);
  }

  /** What is held ready on an instance that may go soon is to be held elsewhere. */
  letGoOn(instance: Instance): void {
    if (instance.heldCount === 0) return;
    for (const container of instance.containers.values()) if (container.holder !== undefined) this.letGo(container);
  }

  /** An instance of an earlier server joined: what was held ready under that one is. */
  adopt({ containers }: Instance): void {
    if (this.#byVersion.size === 0) return;
    for (const container of containers.values()) {
      const { functionKey } = container;
      const holding = functionKey === undefined ? undefined : this.#byVersion.get(functionKey);
      if (holding !== undefined && holding.missing > 0 && mayHold(container)) this.hold(holding, container);
    }
  }

  /** An execution of the version begins in the container. On the path of every one: nothing is looked up where nothing is held. */
  count({ holder }: Container, functionKey: FunctionKey): void {
    const holding = this.#byVersion.size === 0 ? undefined : this.#byVersion.get(functionKey);
    if (holding === undefined) return;
    if (holder === undefined) {
      holding.spillovers++;
      this.#counters.spillovers++;
    } else {
      holding.starts++;
      this.#counters.provisionedStarts++;
    }
  }
}

/** Whether it is as one that is made to be held. */
export function mayHold({ isInitializedAhead, holder, isRetired, instance }: Container): boolean {
  return isInitializedAhead && holder === undefined && !isRetired && instance.subPool === "fixed" && !instance.isAtRisk;
}
