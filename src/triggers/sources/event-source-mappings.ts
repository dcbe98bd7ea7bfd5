import { randomUUID } from "node:crypto";
import type { AccountId } from "../../model/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import type {
  EventSourceAnswer,
  EventSourceDescription,
  EventSourceOrigin,
  EventSourceRecord,
  EventSourceSettings,
  EventSourceState,
  EventSources,
  EventSourceTags,
} from "../../ports/event-source.ts";
import type { Log } from "../../ports/log.ts";
import type { RecordTable } from "../../ports/record-table.ts";
import { PatternError, parseEventPattern } from "./event-pattern.ts";
import type { OpenSource, Source } from "./source.ts";

export type EventSourceMappingsOptions = {
  readonly table: RecordTable<EventSourceRecord>;
  readonly open: OpenSource;
  /** Why a source cannot be read for this mapping, in Lambda's words; undefined: it can. */
  check(record: EventSourceRecord): Promise<string | undefined>;
  readonly clock: Clock;
  readonly log: Log;
};

type Mapping = {
  record: EventSourceRecord;
  state: EventSourceState;
  lastResult: string | undefined;
  /** Exactly while something may be read or run. */
  source: Source | undefined;
};

const BY_USER = "USER_INITIATED";
/** How long a mapping says Creating or Updating: clients expect to see the states. */
const SETTLE_MS = 50;

/**
 * Mappings of event sources to functions.
 *
 *     Creating ─▶ Enabled ◀─▶ Updating         while a change goes on, the mapping takes no other one
 *        │           │ ▲
 *        ▼           ▼ │
 *     Disabled ◀─ Disabling / Enabling          Disabling, Deleting: until the last poll and the last batch have ended
 */
export class EventSourceMappings implements EventSources {
  readonly #options: EventSourceMappingsOptions;
  readonly #mappings = new Map<string, Mapping>();
  #isStarted = false;

  constructor(options: EventSourceMappingsOptions) {
    this.#options = options;
  }

  /** Reads what is stored; nothing is read from sources before `start`. @throws HearthError STORE_FAILED. */
  async load(): Promise<void> {
    for (const record of await this.#options.table.load()) {
      const state = record.isEnabled ? "Enabled" : "Disabled";
      this.#mappings.set(record.uuid, { record, state, lastResult: undefined, source: undefined });
    }
  }

  start(): void {
    this.#isStarted = true;
    for (const mapping of this.#mappings.values()) this.#begin(mapping);
  }

  /** Reads nothing more; resolves when what runs has ended. */
  async close(): Promise<void> {
    this.#isStarted = false;
    await Promise.all([...this.#mappings.values()].map(({ source }) => source?.stop(true)));
  }

  isPattern(text: string): boolean {
    try {
      parseEventPattern(text);
      return true;
    } catch (error) {
      if (error instanceof PatternError) return false;
      throw error;
    }
  }

  async create(
    accountId: AccountId,
    origin: EventSourceOrigin,
    settings: EventSourceSettings,
    tags: EventSourceTags,
  ): Promise<EventSourceAnswer> {
    const lastModifiedMs = this.#options.clock.nowMs();
    const record = { uuid: randomUUID(), accountId, origin, tags, lastModifiedMs, ...settings };
    const twin = this.#twinOf(record);
    if (twin !== undefined) return { kind: "exists", uuid: twin };
    const mapping: Mapping = { record, state: "Creating", lastResult: undefined, source: undefined };
    // There from now on, so that of two at once one is refused.
    this.#mappings.set(record.uuid, mapping);
    try {
      const says = await this.#options.check(record);
      if (says !== undefined) {
        this.#mappings.delete(record.uuid);
        return { kind: "unusable", says };
      }
      await this.#options.table.put(record.uuid, record);
    } catch (error) {
      this.#mappings.delete(record.uuid);
      throw error;
    }
    void this.#settle(mapping);
    return { kind: "done", description: describe(mapping) };
  }

  get(accountId: AccountId, uuid: string): EventSourceDescription | undefined {
    const mapping = this.#find(accountId, uuid);
    return mapping === undefined ? undefined : describe(mapping);
  }

  list(accountId: AccountId): EventSourceDescription[] {
    return [...this.#mappings.values()]
      .filter(({ record }) => record.accountId === accountId)
      .sort((a, b) => (a.record.uuid < b.record.uuid ? -1 : 1))
      .map(describe);
  }

  async update(accountId: AccountId, uuid: string, change: Partial<EventSourceSettings>): Promise<EventSourceAnswer> {
    const mapping = this.#find(accountId, uuid);
    if (mapping === undefined) return { kind: "missing" };
    const { state: before } = mapping;
    if (before !== "Enabled" && before !== "Disabled") return { kind: "busy" };
    const lastModifiedMs = this.#options.clock.nowMs();
    const changed = { ...mapping.record, ...change, lastModifiedMs };
    mapping.state = changeOf(before, changed.isEnabled);
    try {
      // A mapping can be switched off though its queue is gone.
      const says = changed.isEnabled ? await this.#options.check(changed) : undefined;
      if (says !== undefined) {
        mapping.state = before;
        return { kind: "unusable", says };
      }
      await this.#put(mapping, { ...mapping.record, ...change, lastModifiedMs });
    } catch (error) {
      mapping.state = before;
      throw error;
    }
    void this.#settle(mapping);
    return { kind: "done", description: describe(mapping) };
  }

  async setTags(accountId: AccountId, uuid: string, tags: EventSourceTags): Promise<boolean> {
    const mapping = this.#find(accountId, uuid);
    // Deleted from the table already: it must not come back.
    if (mapping === undefined || mapping.state === "Deleting") return false;
    await this.#put(mapping, { ...mapping.record, tags });
    return true;
  }

  async delete(accountId: AccountId, uuid: string): Promise<EventSourceAnswer> {
    const mapping = this.#find(accountId, uuid);
    if (mapping === undefined) return { kind: "missing" };
    const { state: before } = mapping;
    if (before !== "Enabled" && before !== "Disabled") return { kind: "busy" };
    mapping.state = "Deleting";
    try {
      await this.#options.table.delete(uuid);
    } catch (error) {
      mapping.state = before;
      throw error;
    }
    void this.#end(mapping).then(() => this.#mappings.delete(uuid));
    return { kind: "done", description: describe(mapping) };
  }

  /** Changes follow each other in memory as they do in the store: no await lies between reading a record and this. */
  async #put(mapping: Mapping, record: EventSourceRecord): Promise<void> {
    const before = mapping.record;
    mapping.record = record;
    try {
      await this.#options.table.put(record.uuid, record);
    } catch (error) {
      if (mapping.record === record) mapping.record = before;
      throw error;
    }
  }

  /** The mapping of the same source and function. */
  #twinOf({ accountId, origin, functionName, qualifier }: EventSourceRecord): string | undefined {
    for (const { record } of this.#mappings.values()) {
      if (record.accountId !== accountId || record.origin.arn !== origin.arn) continue;
      if (record.functionName === functionName && record.qualifier === qualifier) return record.uuid;
    }
    return undefined;
  }

  #find(accountId: AccountId, uuid: string): Mapping | undefined {
    const mapping = this.#mappings.get(uuid);
    return mapping?.record.accountId === accountId ? mapping : undefined;
  }

  /** From what is read to what the record says now. */
  async #settle(mapping: Mapping): Promise<void> {
    const { isEnabled } = mapping.record;
    if (isEnabled) mapping.source?.change(mapping.record);
    const ended = isEnabled ? undefined : this.#end(mapping);
    await Promise.all([ended, new Promise((resolve) => setTimeout(resolve, SETTLE_MS))]);
    mapping.state = isEnabled ? "Enabled" : "Disabled";
    this.#begin(mapping);
  }

  #begin(mapping: Mapping): void {
    if (!this.#isStarted || mapping.state !== "Enabled" || mapping.source !== undefined) return;
    const { uuid, functionName } = mapping.record;
    mapping.source = this.#options.open(mapping.record, {
      onOk: () => {
        if (mapping.lastResult?.startsWith("PROBLEM") === true) {
          this.#options.log.info({ uuid, functionName }, "an event source works again");
        }
        mapping.lastResult = "OK";
      },
      onProblem: (why) => {
        this.#options.log.warn({ uuid, functionName, why }, "a batch of an event source was not done");
        mapping.lastResult = `PROBLEM: ${why}`;
      },
    });
    mapping.source.start();
  }

  async #end(mapping: Mapping): Promise<void> {
    await mapping.source?.stop(!this.#isStarted);
    mapping.source = undefined;
  }
}

/** What a mapping is said to be doing until a change of it is in force. */
function changeOf(before: "Enabled" | "Disabled", isEnabled: boolean): EventSourceState {
  if ((before === "Enabled") === isEnabled) return "Updating";
  return isEnabled ? "Enabling" : "Disabling";
}

function describe({ record, state, lastResult }: Mapping): EventSourceDescription {
  return { ...record, state, stateReason: BY_USER, lastResult };
}
