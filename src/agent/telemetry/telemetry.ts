import { type Delivery, deliveryTo } from "./delivery.ts";
import { LogLines } from "./log-lines.ts";
import { Subscriber } from "./subscriber.ts";
import type { Subscription, TelemetryApiName } from "./subscription.ts";
import type { TelemetryRecord } from "./telemetry-record.ts";

/** Kept for those who subscribe late in init; older ones go first. */
const EARLY_RECORDS_MAX = 1000;
const EARLY_BYTES_MAX = 256 * 1024;

export type TelemetryOptions = {
  /** Where the container's processes are reached. */
  readonly address: string;
  /** Its function writes log lines that are JSON. */
  readonly isJson: boolean;
};

/**
 * What one container's extensions may subscribe to: the platform's records, and the messages and lines of the logs. Until
 * init is over everything is kept, so that a subscriber sees init from its beginning; from then on it goes to those who
 * subscribed.
 */
export class Telemetry {
  readonly #options: TelemetryOptions;
  readonly #subscribers = new Map<string, Subscriber>();
  readonly #functionLines = new LogLines((line) => this.#functionLine(line));
  /** Apart from those, for a line of one may arrive within a line of the other. */
  readonly #outputLines = new LogLines((line) => this.#functionLine(line));
  readonly #extensionLines = new LogLines((line) => this.#tell("extension", line));
  #early: TelemetryRecord[] | undefined = [];
  #earlyBytes = 0;

  constructor(options: TelemetryOptions) {
    this.#options = options;
  }

  /** Whether anybody can hear what is told. */
  get isHeard(): boolean {
    return this.#early !== undefined || this.#subscribers.size > 0;
  }

  get isOpen(): boolean {
    return this.#early !== undefined;
  }

  /** Which interface is in use; only one of them may be. */
  get api(): TelemetryApiName | undefined {
    return this.#subscribers.values().next().value?.subscription.api;
  }

  /** An extension that subscribes again takes back what it said before. */
  subscribe(extensionName: string, subscription: Subscription): void {
    const delivery: Delivery = deliveryTo(this.#options.address, subscription.destination);
    const subscriber = new Subscriber(subscription, delivery);
    const isNew = !this.#subscribers.has(extensionName);
    this.#subscribers.get(extensionName)?.close();
    this.#subscribers.set(extensionName, subscriber);
    for (const record of isNew ? (this.#early ?? []) : []) subscriber.push(record);
    this.platform("telemetrySubscription", { name: extensionName, state: "Subscribed", types: subscription.streams });
  }

  /** Init is over: who has not subscribed will not. */
  closeSubscription(): void {
    this.#early = undefined;
  }

  platform(event: string, record: object): void {
    this.#tell(`platform.${event}`, record);
  }

  /** A message that the runtime passed on as one; its last line's end goes with it. */
  functionMessage(text: Buffer): void {
    this.#functionLine(text.toString());
  }

  functionLines(text: Buffer): void {
    this.#functionLines.write(text);
  }

  functionOutput(text: Buffer): void {
    this.#outputLines.write(text);
  }

  extensionOutput(text: Buffer): void {
    this.#extensionLines.write(text);
  }

  setFrozen(isFrozen: boolean): void {
    for (const subscriber of this.#subscribers.values()) subscriber.setFrozen(isFrozen);
  }

  /** Resolves when what was told so far has been taken or given up. */
  async flush(): Promise<void> {
    this.#functionLines.end();
    this.#outputLines.end();
    this.#extensionLines.end();
    await Promise.all([...this.#subscribers.values()].map((subscriber) => subscriber.flush()));
  }

  close(): void {
    this.#early = undefined;
    for (const subscriber of this.#subscribers.values()) subscriber.close();
    this.#subscribers.clear();
  }

  #functionLine(line: string): void {
    this.#tell("function", this.#options.isJson ? objectOrText(line) : line);
  }

  #tell(type: string, record: unknown): void {
    const told: TelemetryRecord = { time: new Date().toISOString(), type, record };
    if (this.#early !== undefined) this.#keep(told, this.#early);
    for (const subscriber of this.#subscribers.values()) subscriber.push(told);
  }

  #keep(told: TelemetryRecord, early: TelemetryRecord[]): void {
    early.push(told);
    this.#earlyBytes += bytesOf(told);
    while (early.length > EARLY_RECORDS_MAX || this.#earlyBytes > EARLY_BYTES_MAX) {
      this.#earlyBytes -= bytesOf(early.shift() as TelemetryRecord);
    }
  }
}

function bytesOf({ record }: TelemetryRecord): number {
  return typeof record === "string" ? record.length : 256;
}

function objectOrText(line: string): unknown {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? value : line;
  } catch {
    return line;
  }
}
