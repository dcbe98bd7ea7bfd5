import { createHash } from "node:crypto";
import type { FunctionVersion } from "../../model/function-version.ts";
import type { AccountId, InvocationId } from "../../model/ids.ts";
import { isTimeZone, TIME_ZONE_REMEDY } from "../../model/time-zone.ts";
import type { Clock } from "../../ports/clock.ts";
import type { InvokeRequest } from "../../ports/invoker.ts";
import type { Log } from "../../ports/log.ts";
import type {
  ScheduleDescription,
  ScheduleRecord,
  ScheduleSettings,
  ScheduleStore,
  Schedules,
  ScheduleTick,
} from "../../ports/schedule.ts";
import { ExpressionError, parseScheduleExpression, type ScheduleExpression } from "./schedule-expression.ts";

export type ScheduleClockOptions = {
  readonly store: ScheduleStore;
  /** undefined: no such function, or it cannot run now. */
  resolve(accountId: AccountId, name: string, qualifier: string | undefined): FunctionVersion | undefined;
  /** Accepts an event and records the tick with it, in one step. @throws HearthError. */
  accept(request: InvokeRequest, tick: ScheduleTick): Promise<void>;
  readonly region: string;
  readonly clock: Clock;
  readonly log: Log;
};

/** A tick that is later than this was missed: no server ran, or the clock was set. */
const ON_TIME_MS = 60_000;
/** The clock is looked at as often, so that one that was set is noticed. */
const LOOK_MS_MAX = 10_000;
/** Pause after a tick that could not be recorded. */
const RETRY_MS = 1_000;
/** Ticks that are recorded at a time: they share the disk's time. */
const TICKS_AT_ONCE_MAX = 100;
const SCHEDULES_PER_ACCOUNT_MAX = 1_000;

type Entry = {
  record: ScheduleRecord;
  readonly expression: ScheduleExpression;
  /** After the last one of the record, so it changes with the record alone, whatever the clock is set to; undefined: never. */
  nextTickMs: number | undefined;
};

/**
 * Makes an event of each tick of each schedule: exactly one, because the event and the tick are written in one step, and its
 * id follows from the schedule and the tick. Time is the host's clock: one that is set back does not repeat ticks, one
 * that is set forward misses those it passed, as if no server had run meanwhile.
 */
export class ScheduleClock implements Schedules {
  readonly #options: ScheduleClockOptions;
  readonly #entries = new Map<string, Entry>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  /** Changes happen one after another: each is made of the one before. */
  #lastChange: Promise<unknown> = Promise.resolve();
  #isStarted = false;

  constructor(options: ScheduleClockOptions) {
    this.#options = options;
  }

  /** @throws HearthError STORE_FAILED. */
  async load(): Promise<void> {
    for (const record of await this.#options.store.load()) {
      try {
        this.#show(record);
      } catch (error) {
        this.#options.log.error({ schedule: record.name, error }, "a schedule cannot be read and does not tick");
      }
    }
  }

  start(): void {
    this.#isStarted = true;
    this.#look();
  }

  async close(): Promise<void> {
    this.#isStarted = false;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  put(accountId: AccountId, name: string, settings: ScheduleSettings): Promise<ScheduleDescription | string> {
    return this.#inTurn(() => this.#put(accountId, name, settings));
  }

  async #put(accountId: AccountId, name: string, settings: ScheduleSettings): Promise<ScheduleDescription | string> {
    const nowMs = this.#options.clock.nowMs();
    const record = { accountId, name, ...settings, isPaused: false, createdMs: nowMs, lastTickMs: nowMs };
    const { functionName, qualifier } = settings;
    if (this.#options.resolve(accountId, functionName, qualifier) === undefined) {
      return `there is no function ${qualifier === undefined ? functionName : `${functionName}:${qualifier}`}`;
    }
    // Also of a rate, which has no use for one: it would be shown, and fail the day the expression becomes a cron.
    if (!isTimeZone(settings.timezone)) return `"${settings.timezone}" ${TIME_ZONE_REMEDY}`;
    try {
      const { next } = parseScheduleExpression(settings.expression, settings.timezone, nowMs);
      if (next(nowMs) === undefined) return `${settings.expression} has no tick after now`;
    } catch (error) {
      if (error instanceof ExpressionError) return error.message;
      throw error;
    }
    const isNew = !this.#entries.has(keyOf(accountId, name));
    if (isNew && this.list(accountId).length >= SCHEDULES_PER_ACCOUNT_MAX) {
      return `an account has at most ${SCHEDULES_PER_ACCOUNT_MAX} schedules`;
    }
    await this.#options.store.put(record);
    return this.#changed(this.#show(record));
  }

  list(accountId: AccountId): ScheduleDescription[] {
    return [...this.#entries.values()]
      .filter(({ record }) => record.accountId === accountId)
      .sort((a, b) => (a.record.name < b.record.name ? -1 : 1))
      .map(describe);
  }

  pause(accountId: AccountId, name: string, isPaused: boolean): Promise<ScheduleDescription | undefined> {
    return this.#inTurn(() => this.#pause(accountId, name, isPaused));
  }

  async #pause(accountId: AccountId, name: string, isPaused: boolean): Promise<ScheduleDescription | undefined> {
    const entry = this.#entries.get(keyOf(accountId, name));
    if (entry === undefined) return undefined;
    const { record } = entry;
    if (record.isPaused === isPaused) return describe(entry);
    const lastTickMs = Math.max(record.lastTickMs, this.#options.clock.nowMs());
    const next = { ...record, isPaused, lastTickMs };
    await this.#options.store.put(next);
    return this.#changed(this.#show(next));
  }

  delete(accountId: AccountId, name: string): Promise<boolean> {
    return this.#inTurn(async () => {
      await this.#options.store.delete(accountId, name);
      return this.#entries.delete(keyOf(accountId, name));
    });
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#lastChange.then(change);
    this.#lastChange = done.catch(() => {});
    return done;
  }

  #show(record: ScheduleRecord): Entry {
    const { accountId, name, expression, timezone, createdMs } = record;
    const entry = entryOf(record, parseScheduleExpression(expression, timezone, createdMs));
    this.#entries.set(keyOf(accountId, name), entry);
    return entry;
  }

  #changed(entry: Entry): ScheduleDescription {
    if (this.#looking === undefined) this.#look();
    return describe(entry);
  }

  /** Does what is due, and comes again when the next tick is. */
  #look(): void {
    clearTimeout(this.#timer);
    if (!this.#isStarted) return;
    this.#looking = this.#tickAll().then((pauseMs) => {
      this.#looking = undefined;
      if (this.#isStarted) this.#timer = setTimeout(() => this.#look(), pauseMs);
    });
  }

  /** @returns how long until it is to be looked again. */
  async #tickAll(): Promise<number> {
    const { clock, log } = this.#options;
    const due = [...this.#entries.values()].filter((entry) => isDue(entry, clock.nowMs()));
    const failed = new Set<Entry>();
    for (let i = 0; i < due.length; i += TICKS_AT_ONCE_MAX) {
      const ticks = due.slice(i, i + TICKS_AT_ONCE_MAX).map(async (entry) => {
        try {
          if (this.#isShown(entry)) await this.#tick(entry);
        } catch (error) {
          log.warn({ schedule: entry.record.name, error }, "a tick could not be recorded and is tried again");
          failed.add(entry);
        }
      });
      await Promise.all(ticks);
    }
    const pauseMsMax = failed.size > 0 ? RETRY_MS : LOOK_MS_MAX;
    let soonestMs = Number.POSITIVE_INFINITY;
    for (const entry of this.#entries.values()) {
      if (!failed.has(entry)) soonestMs = Math.min(soonestMs, entry.nextTickMs ?? soonestMs);
    }
    return Math.min(pauseMsMax, Math.max(0, soonestMs - clock.nowMs()));
  }

  /** Of one that is due. @throws HearthError when its event was not accepted. */
  async #tick(entry: Entry): Promise<void> {
    const { clock, store, resolve, accept, log } = this.#options;
    const { record, expression } = entry;
    const nowMs = clock.nowMs();
    // If looking back finds none, what was foretold counts: it would stay due for ever.
    const tickMs = expression.latest(record.lastTickMs, nowMs) ?? entry.nextTickMs;
    if (tickMs === undefined) return;
    const { accountId, name, functionName, qualifier, onMissed } = record;
    const tick = { accountId, name, tickMs };
    const version = resolve(accountId, functionName, qualifier);
    const isSkipped = nowMs - tickMs > ON_TIME_MS && onMissed === "skip";
    if (version === undefined || isSkipped) {
      const why = isSkipped ? "no server ran then" : "its function is gone or damaged";
      log.warn({ schedule: name, functionName, tickMs }, `a tick is skipped: ${why}`);
      await store.skip(tick);
    } else {
      await accept(this.#requestOf(record, version, tickMs), tick);
    }
    // The new one counts its own ticks.
    if (!this.#isShown(entry)) return;
    Object.assign(entry, entryOf({ ...record, lastTickMs: tickMs }, expression));
  }

  /** Not replaced or deleted meanwhile. */
  #isShown(entry: Entry): boolean {
    const { accountId, name } = entry.record;
    return this.#entries.get(keyOf(accountId, name)) === entry;
  }

  #requestOf(record: ScheduleRecord, version: FunctionVersion, tickMs: number): InvokeRequest {
    const { accountId, name, qualifier, input } = record;
    const id = eventIdOf(record, tickMs);
    const event = {
      version: "0",
      id,
      "detail-type": "Scheduled Event",
      source: "aws.events",
      account: accountId,
      time: `${new Date(tickMs).toISOString().slice(0, 19)}Z`,
      region: this.#options.region,
      resources: [`arn:aws:events:${this.#options.region}:${accountId}:rule/${name}`],
      detail: {},
    };
    return {
      id,
      version,
      payload: Buffer.from(input ?? JSON.stringify(event)),
      invokedArn: qualifier === undefined ? version.arn : `${version.arn}:${qualifier}`,
      clientContext: undefined,
      traceId: undefined,
      logTail: false,
      trigger: "timer",
    };
  }
}

/** A schedule that is made anew under the same name has other ids. */
function eventIdOf({ accountId, name, createdMs }: ScheduleRecord, tickMs: number): InvocationId {
  const hex = createHash("sha256").update(`schedule ${accountId} ${name} ${createdMs} ${tickMs}`).digest("hex");
  const uuid = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
  return uuid as InvocationId;
}

function keyOf(accountId: AccountId, name: string): string {
  return `${accountId}/${name}`;
}

function entryOf(record: ScheduleRecord, expression: ScheduleExpression): Entry {
  return { record, expression, nextTickMs: record.isPaused ? undefined : expression.next(record.lastTickMs) };
}

function isDue({ nextTickMs }: Entry, nowMs: number): boolean {
  return nextTickMs !== undefined && nextTickMs <= nowMs;
}

function describe({ record, nextTickMs }: Entry): ScheduleDescription {
  return { ...record, nextTickMs };
}
