import type { Caller } from "./caller.ts";
import type { Random } from "./random.ts";
import type { Report } from "./report.ts";
import type { Stage } from "./stage.ts";
import type { World } from "./world.ts";

/** The owners of functions: say how many executions at a time are theirs, change their mind, and tell each new server. */
export class SimulatedConcurrency {
  readonly #world: World;
  readonly #stage: Stage;
  readonly #report: Report;
  readonly #random: Random;
  readonly #callers: readonly Caller[];
  readonly #reserved = new Map<Caller, number>();

  constructor(world: World, random: Random, stage: Stage, report: Report, callers: readonly Caller[]) {
    this.#world = world;
    this.#stage = stage;
    this.#report = report;
    this.#random = random;
    this.#callers = callers;
    for (const caller of callers) this.#draw(caller);
  }

  open(): void {
    const { changeMsMean = Number.POSITIVE_INFINITY } = this.#world.concurrency ?? {};
    if (changeMsMean === Number.POSITIVE_INFINITY) return;
    this.#stage.later(this.#random.exponential(changeMsMean), () => {
      if (!this.#stage.hasFaults) return;
      this.#change(this.#random.pick(this.#callers));
      this.open();
    });
  }

  /** A server starts. */
  publish(): void {
    for (const caller of this.#callers) if (this.#reserved.has(caller)) this.#tell(caller);
  }

  /** Who let nothing run lets everything run. */
  becomeKind(): void {
    for (const [caller, reserved] of this.#reserved) {
      if (reserved > 0) continue;
      this.#reserved.delete(caller);
      if (this.#stage.isServerUp) this.#tell(caller);
    }
  }

  #change(caller: Caller): void {
    this.#reserved.delete(caller);
    this.#draw(caller);
    this.#report.concurrencyChanges++;
    if (this.#stage.isServerUp) this.#tell(caller);
  }

  #draw(caller: Caller): void {
    const { concurrency } = this.#world;
    if (concurrency === undefined || !this.#random.chance(concurrency.reservedShare)) return;
    const reserved = this.#random.pick(concurrency.reserved);
    let sum = reserved;
    for (const [other, count] of this.#reserved) if (other.account === caller.account) sum += count;
    // Somebody must be able to run without reserving anything, as the API sees to it.
    if (sum < this.#world.settings.accountConcurrencyMax) this.#reserved.set(caller, reserved);
  }

  #tell(caller: Caller): void {
    const { accountId, name } = caller.traits;
    const reserved = this.#reserved.get(caller);
    const settings = reserved === undefined ? undefined : { reserved, provisioned: [] };
    this.#stage.tell({ kind: "ConcurrencyConfigured", accountId, functionName: name, settings });
  }
}
