import { setTimeout as delay } from "node:timers/promises";
import { reasonOf } from "../agent-log.ts";
import type { Delivery } from "./delivery.ts";
import { fitToSchema, type Subscription } from "./subscription.ts";
import { streamOf, type TelemetryRecord } from "./telemetry-record.ts";

/** What a subscriber may take for one batch, and for each repetition. Not counted while its container is frozen. */
const SEND_MS_MAX = 3000;
/** A listener may not be there yet. Afterwards the batch is given up. */
const RETRY_PAUSES_MS = [100, 300, 900];
const FROZEN_POLL_MS = 250;

/**
 * What one extension subscribed to, on its way there. Records are gathered into a batch; one batch is under way at a
 * time, and one gathers meanwhile: so a subscriber that does not read holds twice `maxBytes` at most. What finds no room
 * is dropped, and the subscriber is told how much it was.
 */
export class Subscriber {
  readonly subscription: Subscription;
  readonly #delivery: Delivery;
  #records: Buffer[] = [];
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #dropped = { records: 0, bytes: 0, reason: "" };
  #isFrozen = false;
  readonly #closing = new AbortController();

  constructor(subscription: Subscription, delivery: Delivery) {
    this.subscription = subscription;
    this.#delivery = delivery;
  }

  push(record: TelemetryRecord): void {
    if (!this.subscription.streams.includes(streamOf(record))) return;
    const fitted = fitToSchema(this.subscription, record);
    if (fitted !== undefined) this.#add(Buffer.from(JSON.stringify(fitted)));
  }

  /** Nobody can be reached until it is thawed; what is under way is given the time. */
  setFrozen(isFrozen: boolean): void {
    this.#isFrozen = isFrozen;
  }

  /** Sends what there is; resolves when it has been taken or given up. */
  async flush(): Promise<void> {
    while (!this.#closing.signal.aborted && (this.#sending !== undefined || this.#records.length > 0)) {
      this.#send();
      await this.#sending;
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#closing.abort();
    this.#delivery.close();
    this.#records = [];
    this.#bytes = 0;
  }

  #add(record: Buffer): void {
    const { maxBytes, maxItems, timeoutMs } = this.subscription.buffering;
    if (this.#bytes + record.length > maxBytes || this.#records.length >= maxItems) this.#send();
    if (this.#bytes + record.length > maxBytes || this.#records.length >= maxItems) {
      this.#drop(1, record.length, "the subscriber takes records more slowly than they are made");
      return;
    }
    this.#records.push(record);
    this.#bytes += record.length;
    if (this.#records.length >= maxItems) this.#send();
    else this.#timer ??= setTimeout(() => this.#send(), timeoutMs);
  }

  #drop(records: number, bytes: number, reason: string): void {
    this.#dropped = { records: this.#dropped.records + records, bytes: this.#dropped.bytes + bytes, reason };
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#sending !== undefined || this.#records.length === 0 || this.#closing.signal.aborted) return;
    const [records, bytes] = [this.#records, this.#bytes];
    this.#records = [];
    this.#bytes = 0;
    this.#sending = this.#deliver(records, bytes).then((isTaken) => {
      this.#sending = undefined;
      // Only one who takes batches is told: else the telling would fail, and be told of.
      if (isTaken) this.#tellDropped();
      // What gathered meanwhile has waited long enough.
      this.#send();
    });
  }

  /** @returns whether the subscriber took it. */
  async #deliver(records: readonly Buffer[], bytes: number): Promise<boolean> {
    let failure: unknown;
    for (const pauseMs of [0, ...RETRY_PAUSES_MS]) {
      if (pauseMs > 0) await delay(pauseMs, undefined, { signal: this.#closing.signal }).catch(() => {});
      if (this.#closing.signal.aborted) return false;
      try {
        await this.#try(records);
        return true;
      } catch (cause) {
        failure = cause;
      }
    }
    this.#drop(records.length, bytes, `the subscriber could not be reached: ${reasonOf(failure)}`);
    return false;
  }

  async #try(records: readonly Buffer[]): Promise<void> {
    const patience = new AbortController();
    let leftMs = SEND_MS_MAX;
    const timer = setInterval(() => {
      if (!this.#isFrozen) leftMs -= FROZEN_POLL_MS;
      if (leftMs <= 0) patience.abort();
    }, FROZEN_POLL_MS);
    try {
      await this.#delivery.send(records, AbortSignal.any([patience.signal, this.#closing.signal]));
    } finally {
      clearInterval(timer);
    }
  }

  #tellDropped(): void {
    const { records, bytes, reason } = this.#dropped;
    if (records === 0) return;
    this.#dropped = { records: 0, bytes: 0, reason: "" };
    const record = { reason, droppedRecords: records, droppedBytes: bytes };
    this.push({ time: new Date().toISOString(), type: "platform.logsDropped", record });
  }
}
