import type { CostRow } from "../model/cost.ts";
import type { Log } from "../ports/log.ts";
import type { Store } from "../ports/store.ts";

/** How often costs are written; what a crash loses of them at most. */
const WRITE_EVERY_MS = 10_000;
/** Rows of one write. */
const ROWS_PER_WRITE_MAX = 1000;
/** Days that are kept, besides the present one; older ones go when the server starts and once a day. */
const DAYS_KEPT = 400;
const DAY_MS = 86_400_000;

export type CostWriterOptions = {
  readonly store: Pick<Store, "addCosts" | "deleteCosts">;
  /** Rows that were added since the last time; the ledger's. */
  take(): CostRow[];
  putBack(rows: readonly CostRow[]): void;
  onWritten(rows: readonly CostRow[]): void;
  /** The host's clock. */
  nowMs(): number;
  readonly log: Log;
};

/**
 * Adds what the ledger counts to the store, every 10 s, when asked, and at the end. Each row is handed out once and
 * written in one transaction, so a crash loses up to 10 s of costs and doubles none.
 */
export class CostWriter {
  readonly #options: CostWriterOptions;
  #timer: NodeJS.Timeout | undefined;
  #lastWrite: Promise<unknown> = Promise.resolve();
  #deletedOnDay: string | undefined;

  constructor(options: CostWriterOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.write().catch((error: unknown) => {
        this.#options.log.error({ error }, "costs could not be written; they will be tried again");
      });
    }, WRITE_EVERY_MS);
    this.#timer.unref();
  }

  /** Writes what there is; what fails is kept for the next time. @throws HearthError STORE_FAILED. */
  write(): Promise<void> {
    const write = this.#lastWrite.then(() => this.#write());
    this.#lastWrite = write.catch(() => {});
    return write;
  }

  /** @throws HearthError STORE_FAILED: the last costs are lost. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.write();
  }

  async #write(): Promise<void> {
    const { store, take, putBack, onWritten } = this.#options;
    let rows = take();
    try {
      while (rows.length > 0) {
        const piece = rows.slice(0, ROWS_PER_WRITE_MAX);
        await store.addCosts(piece);
        onWritten(piece);
        rows = rows.slice(ROWS_PER_WRITE_MAX);
      }
    } catch (error) {
      putBack(rows);
      throw error;
    }
    await this.#deleteOld();
  }

  async #deleteOld(): Promise<void> {
    const { store, nowMs } = this.#options;
    const today = dayOf(nowMs());
    if (this.#deletedOnDay === today) return;
    await store.deleteCosts(dayOf(nowMs() - DAYS_KEPT * DAY_MS));
    this.#deletedOnDay = today;
  }
}

/** `2026-11-21`, UTC. */
export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, "2026-11-21".length);
}
