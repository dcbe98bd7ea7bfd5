import type { SizingRecord } from "../control/sizing/sizing.ts";
import type { SizingDecision, SizingKey } from "../model/sizing.ts";
import type { Log } from "../ports/log.ts";
import type { SizingStore, StoredSize } from "../ports/sizing-store.ts";
import type { StampedDecision } from "../ports/sizing-view.ts";
import { DecisionTimes } from "./decision-times.ts";

/** How often what was learned is written: what a crash loses of it at most, and how exact the times of decisions are. */
const WRITE_EVERY_MS = 5_000;
/** Of one write: making them JSON holds up the calls that run meanwhile, some 10 µs each. */
const SIZES_PER_WRITE_MAX = 100;
/** In one go; the others follow in the next. */
const SIZES_PER_GO_MAX = 5_000;

/** Of the core, what was learned. */
export type LearnedSizes = {
  /** Keys that changed or were forgotten, each handed out once. */
  takeChanged(countMax: number): readonly SizingKey[];
  /** undefined: it was forgotten. */
  recordOf(key: SizingKey): SizingRecord | undefined;
  decisionsOf(key: SizingKey): readonly SizingDecision[];
  restore(record: SizingRecord): void;
};

export type SizeWriterOptions = {
  readonly store: Pick<SizingStore, "loadSizes" | "putSizes" | "deleteSizes">;
  readonly sizes: LearnedSizes;
  /** Told of each decision once, within 5 s. */
  onDecision(key: SizingKey, decision: SizingDecision): void;
  /** The host's clock. */
  nowMs(): number;
  readonly log: Log;
};

/**
 * Writes what was learned of sizes to the store, every 5 s, when asked, and at the end: only what changed. Says when each decision was made.
 */
export class SizeWriter {
  readonly #options: SizeWriterOptions;
  readonly #times = new DecisionTimes();
  /** Could not be written. */
  readonly #owed = new Set<SizingKey>();
  #timer: NodeJS.Timeout | undefined;
  #lastWrite: Promise<unknown> = Promise.resolve();

  constructor(options: SizeWriterOptions) {
    this.#options = options;
  }

  /**
   * Gives back what an earlier server learned; what cannot be read is learned anew. What is said of sizes must be in force
   * before: another setting ends a trial. @throws HearthError STORE_FAILED.
   */
  async load(): Promise<void> {
    const { store, sizes, log } = this.#options;
    for (const { key, record, decidedMs } of await store.loadSizes()) {
      try {
        sizes.restore(record as SizingRecord);
        this.#times.restore(key, sizes.decisionsOf(key), decidedMs);
      } catch (error) {
        log.warn({ key, error }, "what was learned of a size cannot be read and is learned anew");
      }
    }
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.write().catch((error: unknown) => {
        this.#options.log.error({ error }, "learned sizes could not be written; they will be tried again");
      });
    }, WRITE_EVERY_MS);
    this.#timer.unref();
  }

  /** The newest last. */
  decisionsOf(key: SizingKey): readonly StampedDecision[] {
    this.#notice(key);
    return this.#times.stamped(key);
  }

  /** Writes what changed; what fails is kept for the next time. @throws HearthError STORE_FAILED. */
  write(): Promise<void> {
    return this.#inTurn(SIZES_PER_GO_MAX);
  }

  /** @throws HearthError STORE_FAILED: what was learned last is lost. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#inTurn(Number.POSITIVE_INFINITY);
  }

  #inTurn(countMax: number): Promise<void> {
    const write = this.#lastWrite.then(() => this.#write(countMax));
    this.#lastWrite = write.catch(() => {});
    return write;
  }

  async #write(countMax: number): Promise<void> {
    for (const key of this.#options.sizes.takeChanged(countMax)) this.#owed.add(key);
    const keys = [...this.#owed];
    for (let i = 0; i < keys.length; i += SIZES_PER_WRITE_MAX) {
      const piece = keys.slice(i, i + SIZES_PER_WRITE_MAX);
      // What changes while it is written is handed out anew.
      await this.#put(piece);
      for (const key of piece) this.#owed.delete(key);
    }
  }

  async #put(keys: readonly SizingKey[]): Promise<void> {
    const { store, sizes } = this.#options;
    const put: StoredSize[] = [];
    const deleted: SizingKey[] = [];
    for (const key of keys) {
      const record = sizes.recordOf(key);
      if (record === undefined) {
        deleted.push(key);
        this.#times.forget(key);
        continue;
      }
      this.#notice(key);
      put.push({ key, record, decidedMs: this.#times.of(key) });
    }
    await Promise.all([store.putSizes(put), store.deleteSizes(deleted)]);
  }

  #notice(key: SizingKey): void {
    const { sizes, nowMs, onDecision, log } = this.#options;
    for (const decision of this.#times.notice(key, sizes.decisionsOf(key), nowMs())) {
      log.info({ key, ...decision }, "a size was decided");
      onDecision(key, decision);
    }
  }
}
