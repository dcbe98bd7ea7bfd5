import type { CapacitySettings } from "../model/capacity.ts";
import type { AccountId } from "../model/ids.ts";
import { usesVariable } from "./capacity-rules.ts";
import { drawSettings } from "./capacity-world.ts";
import type { Random } from "./random.ts";
import type { Report } from "./report.ts";
import type { Stage } from "./stage.ts";
import type { World } from "./world.ts";

/** How long an operator leaves accounts to wait after all calls were made, before he eases their settings, and then drops them. */
const EASED_AFTER_MS = 10_000;
const MIXED_AFTER_MS = 20_000;

/** The operator: keeps the accounts' settings and the host's clock, changes both on the way, and tells each new server. */
export class SimulatedAccounts {
  readonly #world: World;
  readonly #stage: Stage;
  readonly #report: Report;
  readonly #random: Random;
  readonly #settings = new Map<AccountId, CapacitySettings>();
  readonly #accountIds: readonly AccountId[];
  #wallOffsetMs: number;

  constructor(world: World, random: Random, stage: Stage, report: Report) {
    this.#world = world;
    this.#stage = stage;
    this.#report = report;
    this.#random = random;
    this.#wallOffsetMs = world.capacity.wallStartMs;
    this.#accountIds = [...new Set(world.functions.map(({ accountId }) => accountId))];
    for (const { accountId, capacity } of world.capacity.accounts) {
      if (capacity !== undefined) this.#settings.set(accountId, capacity);
    }
  }

  open(): void {
    this.#planChange();
    for (const { atMs, byMs } of this.#world.capacity.wallSteps) {
      this.#stage.later(atMs, () => {
        this.#wallOffsetMs += byMs;
        if (this.#stage.isServerUp) this.#tellWallClock();
      });
    }
  }

  /** A server starts. */
  publish(): void {
    this.#tellWallClock();
    for (const accountId of this.#settings.keys()) this.#tell(accountId);
  }

  /** Whoever waits for capacity that no world owes him is let go. */
  becomeKind(): void {
    this.#stage.later(EASED_AFTER_MS, () => this.#changeAll((settings) => ({ ...settings, constraints: [] })));
    this.#stage.later(MIXED_AFTER_MS, () =>
      this.#changeAll((settings) =>
        settings.class === "variable" ? { ...settings, class: "mixed", onShortage: { kind: "wait" } } : settings,
      ),
    );
    if (this.#world.capacity.keepsDedicated) return;
    for (const [accountId, settings] of this.#settings) {
      if (settings.class === "dedicated") this.#set(accountId, { ...settings, class: "fixed", dedicatedInstances: 0 });
    }
  }

  #changeAll(change: (settings: CapacitySettings) => CapacitySettings): void {
    for (const [accountId, settings] of this.#settings) {
      if (usesVariable(settings)) this.#set(accountId, change(settings));
    }
  }

  #planChange(): void {
    const { settingsChangeMsMean } = this.#world.capacity;
    if (settingsChangeMsMean === Number.POSITIVE_INFINITY) return;
    this.#stage.later(this.#random.exponential(settingsChangeMsMean), () => {
      if (!this.#stage.hasFaults) return;
      const accountId = this.#random.pick(this.#accountIds);
      this.#set(accountId, this.#random.chance(0.1) ? undefined : this.#drawSettings());
      this.#planChange();
    });
  }

  #drawSettings(): CapacitySettings {
    const minuteOfDay = Math.floor((this.#stage.nowMs + this.#wallOffsetMs) / 60_000) % 1440;
    return drawSettings(this.#random, minuteOfDay);
  }

  #set(accountId: AccountId, settings: CapacitySettings | undefined): void {
    if (settings === undefined) this.#settings.delete(accountId);
    else this.#settings.set(accountId, settings);
    this.#report.settingsChanges++;
    if (this.#stage.isServerUp) this.#tell(accountId);
  }

  #tell(accountId: AccountId): void {
    this.#stage.tell({ kind: "AccountCapacityChanged", accountId, capacity: this.#settings.get(accountId) });
  }

  #tellWallClock(): void {
    this.#stage.tell({ kind: "WallClockSet", offsetMs: this.#wallOffsetMs });
  }
}
