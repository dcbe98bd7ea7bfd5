import { setTimeout as sleep } from "node:timers/promises";
import type { Delivery } from "../model/event-outcome.ts";
import type { InvocationId } from "../model/ids.ts";
import type { DeliveryDecision } from "../model/retry.ts";
import type { Clock } from "../ports/clock.ts";
import type { ConcludedEvent, ConcludedPayloads, EventStore } from "../ports/event-store.ts";
import type { Log } from "../ports/log.ts";
import { FairLines } from "./fair-lines.ts";

/** One message about the outcome of an event, ready to be sent. */
export type OutcomeMessage = ConcludedPayloads & {
  readonly event: ConcludedEvent;
  readonly delivery: Delivery;
};

export type OutboxOptions = {
  readonly events: EventStore;
  /** Rejects when it was not taken; may be called again for the same message. */
  deliver(message: OutcomeMessage, signal: AbortSignal): Promise<void>;
  /** @param triedFromMs, nowMs monotonic, as is the answer. */
  decide(failures: number, triedFromMs: number, nowMs: number): DeliveryDecision;
  readonly clock: Clock;
  readonly log: Log;
};

/** Deliveries under way, of all destinations and of one: one that is slow holds up no other. */
const RUNNING_MAX = 64;
const RUNNING_PER_DESTINATION_MAX = 8;
/** Longest pause before a next attempt, whatever the host's clock was set to since it was planned. */
const PAUSE_MS_MAX = 600_000;
/** Pause before something that could not be recorded is tried again, and its longest. */
const RECORD_PAUSE_MS = 250;
const RECORD_PAUSE_MS_MAX = 30_000;
/** How long what is under way may go on when the server ends; what is cut off is sent again by the next one. */
const CLOSING_MS_MAX = 3_000;

type Letter = { readonly owner: Owner; delivery: Delivery; timer: NodeJS.Timeout | undefined };
type Owner = {
  readonly event: ConcludedEvent;
  readonly letters: Set<Letter>;
  /** Since its end or, if no server ran then, since this one has it; monotonic. */
  readonly triedFromMs: number;
};

/**
 * Tells the destinations of events how they ended. An outcome and what is to be delivered of it lie in the store since the
 * moment in which the event ended; a delivery is struck out there when its destination took it or it is given up, and the
 * event goes when nothing is left. So a crash at any point delivers again at most what was being delivered.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #owners = new Map<InvocationId, Owner>();
  readonly #due = new FairLines<string, Letter>();
  readonly #runningByDestination = new Map<string, number>();
  readonly #abort = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #isStarted = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Events whose outcome somebody is still to be told. */
  get length(): number {
    return this.#owners.size;
  }

  /** Reads what an earlier server left. Nothing is sent before `start`. @throws HearthError STORE_FAILED. */
  async load(): Promise<void> {
    for (const event of await this.#options.events.loadConcluded()) this.add(event);
  }

  start(): void {
    this.#isStarted = true;
    this.#pump();
  }

  /** Takes over an event whose conclusion is recorded. */
  add(event: ConcludedEvent): void {
    const owner: Owner = { event, letters: new Set(), triedFromMs: this.#options.clock.monotonicMs() };
    this.#owners.set(event.id, owner);
    for (const delivery of event.deliveries) {
      const letter: Letter = { owner, delivery, timer: undefined };
      owner.letters.add(letter);
      this.#schedule(letter);
    }
    this.#pump();
  }

  /** Sends nothing more; what is left stays in the store. */
  async close(graceMs: number): Promise<void> {
    this.#isStarted = false;
    for (const { letters } of this.#owners.values()) for (const { timer } of letters) clearTimeout(timer);
    const timer = setTimeout(() => this.#abort.abort(), Math.min(graceMs, CLOSING_MS_MAX));
    await Promise.allSettled(this.#running);
    clearTimeout(timer);
    this.#abort.abort();
  }

  #schedule(letter: Letter): void {
    const delayMs = Math.min(letter.delivery.nextAttemptMs - this.#options.clock.nowMs(), PAUSE_MS_MAX);
    if (delayMs <= 0) return this.#due.push(letter.delivery.to, letter);
    letter.timer = setTimeout(() => {
      this.#due.push(letter.delivery.to, letter);
      this.#pump();
    }, delayMs);
  }

  #pump(): void {
    const mayLeave = (to: string) => (this.#runningByDestination.get(to) ?? 0) < RUNNING_PER_DESTINATION_MAX;
    while (this.#isStarted && this.#running.size < RUNNING_MAX) {
      const letter = this.#due.take(mayLeave);
      if (letter === undefined) return;
      const { to } = letter.delivery;
      this.#count(to, 1);
      const sending = this.#send(letter).finally(() => {
        this.#count(to, -1);
        this.#running.delete(sending);
        this.#pump();
      });
      this.#running.add(sending);
    }
  }

  #count(to: string, step: 1 | -1): void {
    const count = (this.#runningByDestination.get(to) ?? 0) + step;
    if (count > 0) this.#runningByDestination.set(to, count);
    else this.#runningByDestination.delete(to);
  }

  async #send(letter: Letter): Promise<void> {
    const { events, deliver, decide, clock, log } = this.#options;
    const { event, triedFromMs } = letter.owner;
    const { delivery } = letter;
    const fields = { invocationId: event.id, functionName: event.functionName, kind: delivery.kind, to: delivery.to };
    try {
      const payloads = await events.payloadsOf(event.id);
      if (payloads !== undefined) await deliver({ event, delivery, ...payloads }, this.#abort.signal);
      log.debug(fields, "the outcome of an asynchronous invocation was delivered");
      return this.#strike(letter);
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      const attempts = delivery.attempts + 1;
      const nowMs = clock.monotonicMs();
      const decision = decide(attempts, triedFromMs, nowMs);
      if (decision.kind === "giveUp") {
        log.error({ ...fields, attempts, error }, "an outcome was given up: its destination did not take it");
        return this.#strike(letter);
      }
      log.warn({ ...fields, attempts, error }, "an outcome could not be delivered and will be tried again");
      const nextAttemptMs = Math.round(clock.nowMs() + (decision.atMs - nowMs));
      letter.delivery = { ...delivery, attempts, nextAttemptMs };
      await this.#record(letter, () => events.setDeliveries(event.id, leftOf(letter.owner)));
      if (this.#isStarted) this.#schedule(letter);
    }
  }

  /** Nothing more is to be done about it. */
  async #strike(letter: Letter): Promise<void> {
    const { events } = this.#options;
    const { event, letters } = letter.owner;
    letters.delete(letter);
    const isLast = letters.size === 0;
    await this.#record(letter, () =>
      isLast ? events.finish(event.id) : events.setDeliveries(event.id, leftOf(letter.owner)),
    );
    if (isLast) this.#owners.delete(event.id);
  }

  /** Tries until it succeeds or the server ends. */
  async #record(letter: Letter, write: () => Promise<void>): Promise<void> {
    for (let pauseMs = RECORD_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, RECORD_PAUSE_MS_MAX)) {
      try {
        return await write();
      } catch (error) {
        const { id: invocationId } = letter.owner.event;
        this.#options.log.error({ invocationId, error }, "a delivery could not be recorded");
        if (!this.#isStarted) return;
        await sleep(pauseMs, undefined, { signal: this.#abort.signal }).catch(() => {});
      }
    }
  }
}

function leftOf({ letters }: Owner): Delivery[] {
  return [...letters].map(({ delivery }) => delivery);
}
