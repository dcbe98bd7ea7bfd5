import type { EventSourceRecord } from "../../ports/event-source.ts";

/** What reads one source for one mapping. */
export type Source = {
  /** Begins to read. */
  start(): void;
  /**
   * Reads nothing more; resolves when what runs has ended. A read that is under way is waited for, with what it brings,
   * because its end is not seen by who hands things out. @param isHurried it is cut off: what it brings comes again later.
   */
  stop(isHurried: boolean): Promise<void>;
  /** As the record says from the next read on; of the same origin. */
  change(record: EventSourceRecord): void;
};

/** What a source tells its mapping. */
export type SourceListener = {
  /** A batch was done, or the source answers again. */
  onOk(): void;
  /** A batch failed, or the source cannot be read; a sentence. */
  onProblem(why: string): void;
};

/** Makes the reader of a mapping's source. */
export type OpenSource = (record: EventSourceRecord, listener: SourceListener) => Source;
