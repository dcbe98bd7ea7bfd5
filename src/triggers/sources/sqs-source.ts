import { setTimeout as sleep } from "node:timers/promises";
import type { Message } from "@aws-sdk/client-sqs";
import { parseDestination } from "../../model/destination.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EventSourceRecord } from "../../ports/event-source.ts";
import type { Log } from "../../ports/log.ts";
import type { AwsClients } from "../aws/aws-clients.ts";
import type { QueueName, QueueUrls } from "../aws/queue-urls.ts";
import type { BatchRun } from "./batch-run.ts";
import { type EventPattern, parseEventPattern } from "./event-pattern.ts";
import { PAYLOAD_BYTES_MAX, payloadBatchesOf } from "./payload-batches.ts";
import type { Source, SourceListener } from "./source.ts";
import { filteredFormOf, type SqsRecord, sqsRecordOf } from "./sqs-record.ts";

export type SqsSourceOptions = {
  readonly aws: AwsClients;
  readonly queueUrls: QueueUrls;
  readonly batches: BatchRun;
  /** How long the mapping's function may run; 0: there is none now. */
  timeoutMsOf(record: EventSourceRecord): number;
  readonly clock: Clock;
  readonly log: Log;
};

/** Of a poll that finds nothing: a mapping that is switched off waits as long for its last one. */
const POLL_S_MAX = 10;
/** SQS's most messages in one answer. */
const MESSAGES_MAX = 10;
/** Pollers of one mapping whose owner names no maximum. */
const POLLERS_MAX = 100;
/** Pause after a failure of the queue, and its longest; doubles. */
const OUTAGE_PAUSE_MS = 1_000;
const OUTAGE_PAUSE_MS_MAX = 60_000;
/** Pause before a refused batch is tried again, and its longest; doubles. */
const REFUSED_PAUSE_MS = 200;
const REFUSED_PAUSE_MS_MAX = 5_000;
const DELETE_TRIES_MAX = 4;
/** Of one try to delete, and of all of them when the server ends. */
const DELETE_MS_MAX = 5_000;
/** The shortest time, of a window that is longer, for which messages are collected. */
const COLLECT_MS_MIN = 1_000;
/** SQS's default, for a queue that does not say, or not now. */
const VISIBILITY_S_DEFAULT = 30;

/**
 * Polls a queue of SQS. One poller is always there and waits in a long poll: an idle queue costs one open request. Each
 * poller that gets a batch calls another one up to the maximum, and one that gets nothing goes, so that there are as many as
 * there is work. A message is deleted when its batch was done or when it fits no filter; all others come again when
 * their visibility ends, and to a dead-letter queue as the queue's own redrive policy says.
 */
export class SqsSource implements Source {
  readonly #options: SqsSourceOptions;
  #record: EventSourceRecord;
  readonly #listener: SourceListener;
  readonly #queue: QueueName;
  #filters: readonly EventPattern[];
  /** Ends pauses. */
  readonly #stopping = new AbortController();
  /** Cuts off polls. */
  readonly #hurrying = new AbortController();
  readonly #pollers = new Set<Promise<void>>();
  /** Pollers that have not decided to go. */
  #pollersStaying = 0;
  #outages = 0;
  #visibilityMs: number | undefined;

  constructor(record: EventSourceRecord, listener: SourceListener, options: SqsSourceOptions) {
    this.#options = options;
    this.#record = record;
    this.#listener = listener;
    this.#queue = queueOf(record.origin.arn);
    this.#filters = record.filters.map(parseEventPattern);
  }

  start(): void {
    this.#addPoller();
  }

  async stop(isHurried: boolean): Promise<void> {
    this.#stopping.abort();
    if (isHurried) this.#hurrying.abort();
    await Promise.all(this.#pollers);
  }

  change(record: EventSourceRecord): void {
    this.#record = record;
    this.#filters = record.filters.map(parseEventPattern);
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  get #pollersMax(): number {
    return this.#record.concurrencyMax ?? POLLERS_MAX;
  }

  #addPoller(): void {
    if (this.#isStopped || this.#pollersStaying >= this.#pollersMax) return;
    this.#pollersStaying++;
    const poller = this.#poll().finally(() => this.#pollers.delete(poller));
    this.#pollers.add(poller);
  }

  /** @returns true for all but the last one: it is enough to see that there is work, or that the queue is there again. */
  #mayGo(): boolean {
    if (this.#pollersStaying === 1) return false;
    this.#pollersStaying--;
    return true;
  }

  async #poll(): Promise<void> {
    while (!this.#isStopped) {
      try {
        const { messages, receivedMs } = await this.#collect();
        if (this.#outages > 0) this.#listener.onOk();
        this.#outages = 0;
        if (messages.length > 0) {
          this.#addPoller();
          await this.#process(messages, receivedMs);
          if (this.#pollersStaying > this.#pollersMax && this.#mayGo()) return;
        } else if (this.#mayGo()) return;
      } catch (error) {
        if (this.#isStopped) return;
        this.#options.queueUrls.forget(this.#queue);
        // Of many that fail together the one that stays tells of it: it is one outage.
        if (this.#mayGo()) return;
        this.#listener.onProblem(problemOf(error));
        this.#outages++;
        await this.#pause(Math.min(OUTAGE_PAUSE_MS * 2 ** Math.min(this.#outages - 1, 30), OUTAGE_PAUSE_MS_MAX));
      }
    }
  }

  /** Messages for one batch; empty: none came. What was received is kept when the queue fails in the middle of a window. */
  async #collect(): Promise<{ messages: Message[]; receivedMs: number }> {
    const { batchSize } = this.#record;
    const { clock } = this.#options;
    const received = await this.#receive(POLL_S_MAX, batchSize);
    const receivedMs = clock.monotonicMs();
    // One that comes again takes its own place: only its latest receipt deletes it.
    const messages = new Map(received.map((message) => [message.MessageId, message]));
    const untilMs = receivedMs + (messages.size === 0 ? 0 : await this.#windowMs());
    const hasRoom = () => messages.size < batchSize && bytesOf(messages.values()) < PAYLOAD_BYTES_MAX;
    while (hasRoom() && !this.#isStopped) {
      const leftMs = untilMs - clock.monotonicMs();
      if (leftMs <= 0) break;
      try {
        const waitS = Math.min(POLL_S_MAX, Math.ceil(leftMs / 1000));
        const more = await this.#receive(waitS, batchSize - messages.size);
        for (const message of more) messages.set(message.MessageId, message);
      } catch {
        break;
      }
    }
    return { messages: [...messages.values()], receivedMs };
  }

  /** For how long messages are collected: their function's time must be left of that for which they are hidden. */
  async #windowMs(): Promise<number> {
    const { windowMs } = this.#record;
    if (windowMs === 0) return 0;
    const spareMs = (await this.#visibility()) - this.#options.timeoutMsOf(this.#record);
    return Math.min(windowMs, Math.max(spareMs, COLLECT_MS_MIN));
  }

  async #receive(waitS: number, count: number): Promise<Message[]> {
    const { aws, queueUrls } = this.#options;
    const abortSignal = this.#hurrying.signal;
    const { ReceiveMessageCommand } = await import("@aws-sdk/client-sqs");
    const client = await aws.sqs(this.#queue.region);
    const input = {
      QueueUrl: await queueUrls.of(this.#queue, abortSignal),
      MaxNumberOfMessages: Math.min(count, MESSAGES_MAX),
      WaitTimeSeconds: waitS,
      MessageSystemAttributeNames: ["All" as const],
      MessageAttributeNames: ["All"],
    };
    const { Messages: messages = [] } = await client.send(new ReceiveMessageCommand(input), { abortSignal });
    return messages;
  }

  async #process(messages: readonly Message[], receivedMs: number): Promise<void> {
    const { arn } = this.#record.origin;
    const records = messages.map((message) => sqsRecordOf(message, arn));
    const wanted = records.filter((record) => this.#isWanted(record));
    const dropped = records.filter((record) => !wanted.includes(record));
    await this.#delete(dropped);
    const isOrdered = this.#queue.queueName.endsWith(".fifo");
    for (const batch of payloadBatchesOf(wanted)) {
      const isDone = await this.#run(batch, receivedMs);
      // What follows in a group waits for what came before.
      if (!isDone && isOrdered) return;
    }
  }

  #isWanted(record: SqsRecord): boolean {
    if (this.#filters.length === 0) return true;
    const form = filteredFormOf(record);
    return this.#filters.some((fits) => fits(form));
  }

  /** @returns false: something of it was not done. */
  async #run(batch: readonly SqsRecord[], receivedMs: number): Promise<boolean> {
    const { batches, clock } = this.#options;
    const ids = batch.map(({ messageId }) => messageId);
    const payload = Buffer.from(JSON.stringify({ Records: batch }));
    // A refused batch is tried again for as long as there is time left for it to run before the messages come again.
    const untilMs = receivedMs + (await this.#visibility()) / 2;
    for (let pauseMs = REFUSED_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, REFUSED_PAUSE_MS_MAX)) {
      const result = await batches.run(this.#record, payload, ids);
      if (result.kind === "ran") {
        await this.#delete(batch.filter(({ messageId }) => !result.failedIds.has(messageId)));
        if (result.failedIds.size === 0) this.#listener.onOk();
        else
          this.#listener.onProblem(`Function reported ${result.failedIds.size} of ${batch.length} records as failed`);
        return result.failedIds.size === 0;
      }
      const isLate = clock.monotonicMs() + pauseMs > untilMs;
      if (result.kind === "failed" || isLate || this.#isStopped) {
        this.#listener.onProblem(result.why);
        return false;
      }
      await this.#pause(pauseMs);
    }
  }

  async #delete(records: readonly SqsRecord[]): Promise<void> {
    const { clock, log } = this.#options;
    const untilMs = clock.monotonicMs() + DELETE_MS_MAX;
    const isLate = () => this.#hurrying.signal.aborted && clock.monotonicMs() >= untilMs;
    for (let from = 0; from < records.length && !isLate(); from += MESSAGES_MAX) {
      let left = records.slice(from, from + MESSAGES_MAX);
      for (let tries = 1; left.length > 0; tries++) {
        try {
          // Also while it stops: what was done is not to be done again.
          left = await this.#deleteOnce(left, AbortSignal.timeout(DELETE_MS_MAX));
        } catch (error) {
          log.warn({ uuid: this.#record.uuid, error }, "messages that were done could not be deleted");
        }
        if (left.length === 0) break;
        if (tries >= DELETE_TRIES_MAX || isLate()) {
          this.#listener.onProblem(`${left.length} messages that were done could not be deleted and will come again`);
          break;
        }
        await sleep(OUTAGE_PAUSE_MS * tries);
      }
    }
  }

  /** @returns those that the queue did not delete. */
  async #deleteOnce(records: readonly SqsRecord[], abortSignal: AbortSignal): Promise<SqsRecord[]> {
    const { aws, queueUrls } = this.#options;
    const { DeleteMessageBatchCommand } = await import("@aws-sdk/client-sqs");
    const client = await aws.sqs(this.#queue.region);
    const QueueUrl = await queueUrls.of(this.#queue, abortSignal);
    const Entries = records.map(({ receiptHandle }, index) => ({ Id: String(index), ReceiptHandle: receiptHandle }));
    const command = new DeleteMessageBatchCommand({ QueueUrl, Entries });
    const { Failed: failed = [] } = await client.send(command, { abortSignal });
    const failedIds = new Set(failed.map(({ Id }) => Id));
    return records.filter((_, index) => failedIds.has(String(index)));
  }

  async #visibility(): Promise<number> {
    try {
      this.#visibilityMs ??= 1000 * (await visibilitySOf(this.#queue, this.#options, this.#hurrying.signal));
      return this.#visibilityMs;
    } catch {
      return 1000 * VISIBILITY_S_DEFAULT; // It is asked again for the next batch.
    }
  }

  /** Ends early when the source stops. */
  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stopping.signal }).catch(() => {});
  }
}

/** Seconds for which a received message is hidden. @throws Error as SQS answers. */
async function visibilitySOf(
  queue: QueueName,
  { aws, queueUrls }: Pick<SqsSourceOptions, "aws" | "queueUrls">,
  abortSignal: AbortSignal,
): Promise<number> {
  const { GetQueueAttributesCommand } = await import("@aws-sdk/client-sqs");
  const client = await aws.sqs(queue.region);
  const input = { QueueUrl: await queueUrls.of(queue, abortSignal), AttributeNames: ["VisibilityTimeout" as const] };
  const { Attributes: attributes } = await client.send(new GetQueueAttributesCommand(input), { abortSignal });
  return Number(attributes?.["VisibilityTimeout"] ?? VISIBILITY_S_DEFAULT);
}

/** Why a queue cannot be the source of a function with this timeout, in Lambda's words; undefined: it can. */
export async function checkSqsQueue(
  arn: string,
  timeoutMs: number,
  options: Pick<SqsSourceOptions, "aws" | "queueUrls">,
): Promise<string | undefined> {
  const queue = queueOf(arn);
  try {
    options.queueUrls.forget(queue);
    const visibilityS = await visibilitySOf(queue, options, new AbortController().signal);
    if (visibilityS * 1000 >= timeoutMs) return undefined;
    return `Queue visibility timeout: ${visibilityS} seconds is less than Function timeout: ${timeoutMs / 1000} seconds`;
  } catch (error) {
    const { name, message } = error as Error;
    const isMissing = /NonExistentQueue|QueueDoesNotExist/.test(name);
    const code = isMissing ? "AWS.SimpleQueueService.NonExistentQueue" : name;
    const says = isMissing ? "The specified queue does not exist." : message;
    return `Error occurred while ReceiveMessage. SQS Error Code: ${code}. SQS Error Message: ${says}`;
  }
}

function queueOf(arn: string): QueueName {
  const queue = parseDestination(arn);
  if (queue?.kind !== "sqs") throw new Error(`${arn} is no queue`);
  return queue;
}

function bytesOf(messages: Iterable<Message>): number {
  let bytes = 0;
  for (const { Body = "" } of messages) bytes += Body.length;
  return bytes;
}

function problemOf(error: unknown): string {
  const { name, message } = error as Error;
  return `${name}: ${message}`.slice(0, 500);
}
