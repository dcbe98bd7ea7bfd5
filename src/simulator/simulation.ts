import { ControlPlane } from "../control/control-plane.ts";
import type { Settings } from "../control/settings.ts";
import type { Command, Event } from "../model/event.ts";
import type { Room } from "../model/grant.ts";
import type { Invocation } from "../model/invocation.ts";
import { Crowd } from "./crowd.ts";
import type { EventLog } from "./event-log.ts";
import { HeldChecks } from "./held-checks.ts";
import { Known } from "./known.ts";
import { Random } from "./random.ts";
import { Reclaimer } from "./reclaimer.ts";
import { Report } from "./report.ts";
import { RestChecks } from "./rest-checks.ts";
import { SimulatedAccounts } from "./simulated-accounts.ts";
import { SimulatedConcurrency } from "./simulated-concurrency.ts";
import { SimulatedHost } from "./simulated-host.ts";
import { SimulatedMarket } from "./simulated-market.ts";
import { SimulatedSizes } from "./simulated-sizes.ts";
import { Stage } from "./stage.ts";
import { Violation, violated } from "./violation.ts";
import { WaitOracle } from "./wait-oracle.ts";
import type { Restart, World } from "./world.ts";

/** What the simulator needs of a control plane. */
export type Core = Pick<ControlPlane, "handle" | "wakeAtMs" | "brokenInvariant"> &
  Partial<Pick<ControlPlane, "roomOf" | "blankMiBOf" | "sizing">>;

export type SimulationOptions = {
  /** Asks `brokenInvariant()` after every so many events; 0: never. */
  readonly auditEvery: number;
  /** Asks the world's own oracle of who could run after every so many events; as often as the audit unless said otherwise. */
  readonly oracleEvery?: number;
  readonly log?: EventLog;
  /** Another core than the real one: a broken one must be caught. */
  readonly makeCore?: (settings: Settings) => Core;
};

/** Ticks at one instant of time after which the core is said to spin. */
const TICKS_AT_ONCE_MAX = 100;
/** After the last call everything must be answered within this; the durable queue gives up after six hours. */
const SETTLE_MS_MAX = 7 * 3_600_000;
/** Room for launches and backed-off retries to end, once everything is answered. */
const QUIET_MS = 300_000;
/** No function is loaded ahead of a call that is later than this after the last one. */
const LOADED_AHEAD_MS_MAX = 25 * 3_600_000;
/** For so long an instance may be held in the place of one that went, or may go. */
const REPLACED_MS = 600_000;
/** Surplus instances go a tenth at a time. */
const SURPLUS_STEPS = 60;
/** How long a new server waits for the agents of an earlier one before it fills pools and resumes events. */
const JOIN_MS = 2000;
const TICK: Event = { kind: "Tick" };

/**
 * Drives the production control plane through a made-up world, from the first call until everything
 * is answered and the pools are at rest.
 * @throws Violation when the core breaks what must hold, with the time and the event.
 */
export class Simulation {
  readonly #world: World;
  readonly #options: SimulationOptions;
  readonly #makeCore: (settings: Settings) => Core;
  readonly #stage: Stage;
  readonly #crowd: Crowd;
  readonly #host: SimulatedHost;
  readonly #market: SimulatedMarket;
  readonly #accounts: SimulatedAccounts;
  readonly #concurrency: SimulatedConcurrency;
  readonly #sizes: SimulatedSizes;
  readonly #reclaimer: Reclaimer;
  readonly #oracle: WaitOracle;
  readonly #oracleEvery: number;
  readonly #known: Known;
  readonly #report = new Report();
  #core: Core;
  #restartsLeft: number;
  #ticksAtOnce = 0;
  #lastEvent: Event = TICK;
  #settleByMs = Number.POSITIVE_INFINITY;
  /** When the last answer came. */
  #settledMs = Number.POSITIVE_INFINITY;
  #untilAudit = 0;
  #untilOracle = 0;

  constructor(world: World, options: SimulationOptions) {
    const random = new Random(world.seed);
    this.#world = world;
    this.#options = options;
    this.#makeCore = options.makeCore ?? ((settings) => new ControlPlane(settings));
    this.#stage = new Stage(world.grainMs);
    this.#stage.tell = (event) => this.#tell(event);
    this.#known = new Known(world.settings.accountConcurrencyMax);
    const [stage, report, known] = [this.#stage, this.#report, this.#known];
    this.#crowd = new Crowd(world, random.fork("crowd"), stage, report, known);
    const market = new SimulatedMarket(world, random.fork("market"), stage, report);
    const sink = this.#crowd;
    this.#market = market;
    const { callers } = this.#crowd;
    const sizes = new SimulatedSizes(world, random.fork("said of sizes"), stage, report, callers);
    this.#sizes = sizes;
    this.#host = new SimulatedHost({ world, random: random.fork("host"), stage, report, known, market, sizes, sink });
    this.#accounts = new SimulatedAccounts(world, random.fork("accounts"), stage, report);
    this.#concurrency = new SimulatedConcurrency(world, random.fork("concurrency"), stage, report, callers);
    this.#crowd.onUpdated = (caller) => this.#concurrency.updated(caller);
    this.#reclaimer = new Reclaimer(world, random.fork("reclaims"), stage, report, this.#host, market);
    this.#oracle = new WaitOracle(world, known, this.#host.instances, (invocation) => this.#roomOf(invocation));
    this.#oracleEvery = options.oracleEvery ?? options.auditEvery;
    this.#core = this.#newCore();
    this.#restartsLeft = world.restarts.length;
    this.#untilAudit = options.auditEvery;
    this.#untilOracle = this.#oracleEvery;
  }

  run(): Report {
    try {
      this.#start();
      while (this.#stage.nowMs < this.#restMs) this.#step();
      this.#checkRest();
    } catch (error) {
      throw this.#told(error);
    }
    this.#report.endMs = this.#stage.nowMs;
    return this.#report;
  }

  #start(): void {
    this.#publish();
    this.#tell(TICK); // The pools begin to fill.
    this.#crowd.open(this.#host);
    this.#market.open();
    this.#accounts.open();
    this.#concurrency.open();
    this.#sizes.open(() => this.#core.sizing);
    this.#reclaimer.open();
    for (const restart of this.#world.restarts) this.#stage.later(restart.atMs, () => this.#end(restart));
  }

  /** A server's first events: what can be had, and who may have what of it. */
  #publish(): void {
    this.#market.publish();
    this.#accounts.publish();
    this.#concurrency.publish();
    this.#sizes.publish(this.#core.sizing);
  }

  /** A core that is broken on purpose may have no answer; then it is told of no sizes either. */
  #roomOf(invocation: Invocation): Room {
    const { memoryMiB } = invocation;
    return this.#core.roomOf?.(invocation) ?? { memoryMiB, reservedMiB: memoryMiB, needMiB: memoryMiB };
  }

  #step(): void {
    const { timeline } = this.#stage;
    const headMs = timeline.headMs;
    const wakeMs = this.#wakeMs();
    if (wakeMs <= headMs) {
      if (wakeMs === Number.POSITIVE_INFINITY)
        violated(`nothing will ever happen again: ${this.#crowd.describeUnsettled()}`);
      this.#checkTime(wakeMs);
      this.#tick(wakeMs);
    } else {
      this.#checkTime(headMs);
      this.#stage.nowMs = headMs;
      this.#ticksAtOnce = 0;
      timeline.take().happen();
    }
    if (this.#crowd.isDone) this.#settle();
  }

  /** Only where every event is followed: otherwise it would say what the oracle may not have been asked before. */
  #checkTime(nextMs: number): void {
    if (this.#oracleEvery === 1 && this.#stage.isServerUp) this.#oracle.checkTime(nextMs);
  }

  #wakeMs(): number {
    if (!this.#stage.isServerUp) return Number.POSITIVE_INFINITY;
    const { wakeAtMs } = this.#core;
    return wakeAtMs === undefined
      ? Number.POSITIVE_INFINITY
      : Math.max(this.#stage.nowMs, wakeAtMs + this.#world.tickLatenessMs);
  }

  #tick(atMs: number): void {
    this.#ticksAtOnce = atMs === this.#stage.nowMs ? this.#ticksAtOnce + 1 : 0;
    if (this.#ticksAtOnce > TICKS_AT_ONCE_MAX) violated("a Tick does not move wakeAtMs: the core spins");
    this.#stage.nowMs = atMs;
    this.#tell(TICK);
  }

  /** All calls were made. Waits for the last answer, and then for the pools to come to rest. */
  #settle(): void {
    const { nowMs } = this.#stage;
    if (this.#settledMs < Number.POSITIVE_INFINITY || this.#restartsLeft > 0) return;
    if (this.#settleByMs === Number.POSITIVE_INFINITY) {
      this.#stage.hasFaults = false;
      this.#market.becomeKind();
      this.#accounts.becomeKind();
      this.#concurrency.becomeKind();
      this.#settleByMs = nowMs + SETTLE_MS_MAX;
    }
    if (this.#crowd.isSettled) this.#settledMs = nowMs;
    else if (nowMs > this.#settleByMs) {
      violated(`${this.#crowd.describeUnsettled()}, ${SETTLE_MS_MAX} ms after the last call`);
    }
  }

  /** When everything must be at rest: long after the last answer, and after the last container that was loaded for a call to come. */
  get #restMs(): number {
    const settledMs = this.#settledMs;
    if (settledMs === Number.POSITIVE_INFINITY) return settledMs;
    const { keepAliveMaxMs, instanceIdleMs, surplusStepMs } = this.#world.settings;
    const { lastWarningMs, lastPrewarmMs } = this.#report;
    const loadedMs = Math.min(lastPrewarmMs, settledMs + LOADED_AHEAD_MS_MAX);
    const restsFromMs = Math.max(settledMs, lastWarningMs + REPLACED_MS, loadedMs);
    return restsFromMs + keepAliveMaxMs + 3 * instanceIdleMs + QUIET_MS + SURPLUS_STEPS * surplusStepMs;
  }

  #tell(event: Event): void {
    const { nowMs } = this.#stage;
    const { log, auditEvery } = this.#options;
    this.#lastEvent = event;
    this.#report.events++;
    log?.append(nowMs, event);
    this.#known.told(event, nowMs);
    const commands = this.#core.handle(event, nowMs);
    for (let i = 0; i < commands.length; i++) {
      const command = commands[i] as Command;
      log?.append(nowMs, command);
      this.#perform(command);
    }
    this.#report.commands += commands.length;
    if (this.#oracleEvery !== 0 && --this.#untilOracle <= 0) this.#askOracle();
    if (auditEvery === 0 || --this.#untilAudit > 0) return;
    this.#untilAudit = auditEvery;
    const broken = this.#core.brokenInvariant();
    if (broken !== undefined) violated(`the core's own audit: ${broken}`);
  }

  #askOracle(): void {
    this.#untilOracle = this.#oracleEvery;
    this.#oracle.check(this.#stage.nowMs);
  }

  #perform(command: Command): void {
    if (command.kind === "RejectInvocation") return this.#crowd.refused(command.invocation, command.code, this.#host);
    if (command.kind === "RunInvocation") this.#crowd.started(command.lease);
    this.#host.perform(command);
  }

  // The end of a server, and the next one

  #end(restart: Restart): void {
    if (!this.#stage.isServerUp || this.#crowd.isShuttingDown) return void this.#restartsLeft--;
    if (restart.kind === "crash") return this.#goDown(restart);
    this.#crowd.isShuttingDown = true;
    this.#host.isShuttingDown = true;
    this.#tell({ kind: "ShutdownBegan" });
    this.#stage.later(restart.graceMs, () => {
      this.#host.serverLeft();
      this.#goDown(restart);
    });
  }

  #goDown({ kind, downMs }: Restart): void {
    this.#stage.isServerUp = false;
    this.#stage.serverRun++;
    this.#report.restarts++;
    if (kind === "crash") this.#host.serverDied();
    else this.#sizes.store(this.#core.sizing);
    this.#crowd.serverEnded();
    this.#known.serverEnded();
    this.#stage.later(downMs, () => this.#comeUp());
  }

  #comeUp(): void {
    this.#stage.isServerUp = true;
    this.#restartsLeft--;
    this.#core = this.#newCore();
    this.#crowd.isShuttingDown = false;
    this.#host.isShuttingDown = false;
    this.#publish();
    this.#host.serverCame();
    const { serverRun } = this.#stage;
    this.#stage.later(JOIN_MS, () => {
      if (!this.#stage.isServerUp || this.#stage.serverRun !== serverRun) return;
      this.#tell(TICK);
      this.#crowd.serverReady();
    });
  }

  #newCore(): Core {
    return this.#makeCore({ ...this.#world.settings, idPrefix: `s${this.#stage.serverRun}-` });
  }

  /** Long after the last answer: nothing is left of the load, and the pools are full again. */
  #checkRest(): void {
    const instances = [...this.#host.instances.values()];
    const held = new HeldChecks(this.#known, instances, {
      roomOf: (invocation) => this.#roomOf(invocation),
      blankMiBOf: (runtime) => this.#core.blankMiBOf?.(runtime) ?? this.#world.settings.blankMemoryMiB,
    }).check();
    this.#report.heldAtRest = held.size;
    new RestChecks(this.#world, this.#known, instances, held, this.#stage.nowMs).check();
  }

  #told(error: unknown): Error {
    if (!(error instanceof Error)) return new Violation(String(error));
    const sentence = error instanceof Violation ? error.message : `the core threw ${error.stack ?? error.message}`;
    return new Violation(`at ${this.#stage.nowMs} ms, after ${JSON.stringify(this.#lastEvent)}: ${sentence}`, {
      cause: error,
    });
  }
}

/** Runs one world. @throws Violation, see `Simulation`. */
export function simulate(world: World, options: SimulationOptions): Report {
  return new Simulation(world, options).run();
}
