import {
  DEFAULT_RETRY_SETTINGS,
  decideRetry,
  isFunctionFailure,
  type RetrySettings,
} from "../control/retry/async-retry.ts";
import { DEFAULT_DELIVERY_SETTINGS, type DeliverySettings, decideDelivery } from "../control/retry/delivery-retry.ts";
import { DEFAULT_ACCOUNT_ID } from "../model/ids.ts";
import { systemClock } from "../ports/clock.ts";
import type { EventSourceRecord } from "../ports/event-source.ts";
import type { FunctionCatalog } from "../ports/function-catalog.ts";
import type { Log } from "../ports/log.ts";
import type { Store } from "../ports/store.ts";
import type { Server } from "../server/server.ts";
import { AsyncQueue } from "../triggers/async-queue.ts";
import { AwsClients, type AwsSettings } from "../triggers/aws/aws-clients.ts";
import { QueueUrls } from "../triggers/aws/queue-urls.ts";
import { Deliverer } from "../triggers/destination/deliver.ts";
import { loadEventInvokeConfigs, type StoredEventInvokeConfigs } from "../triggers/event-invoke-configs.ts";
import { Outbox } from "../triggers/outbox.ts";
import { StoredTableSources } from "../triggers/postgres/table-sources.ts";
import { ScheduleClock } from "../triggers/schedules/schedule-clock.ts";
import { BatchRun } from "../triggers/sources/batch-run.ts";
import { EventSourceMappings } from "../triggers/sources/event-source-mappings.ts";
import { checkSqsQueue, SqsSource } from "../triggers/sources/sqs-source.ts";

export type EventOptions = {
  readonly store: Store;
  readonly catalog: FunctionCatalog;
  readonly server: () => Server;
  readonly aws: AwsSettings;
  readonly retrySettings: Partial<RetrySettings>;
  readonly deliverySettings: Partial<DeliverySettings>;
  readonly log: Log;
};

/** What runs functions besides callers that wait, and tells of it. */
export type Events = {
  readonly queue: AsyncQueue;
  readonly outbox: Outbox;
  readonly configs: StoredEventInvokeConfigs;
  readonly sources: EventSourceMappings;
  readonly tables: StoredTableSources;
  readonly schedules: ScheduleClock;
  start(): void;
  /** Takes nothing more from sources; resolves when what they run has ended. */
  closeSources(): Promise<void>;
  /** Ends what is under way, after `queue.close`. */
  close(graceMs: number): Promise<void>;
};

/** Puts the parts together and reads what an earlier server left; nothing runs before `start`. @throws HearthError STORE_FAILED. */
export async function openEvents(options: EventOptions): Promise<Events> {
  const { store, catalog, log } = options;
  const retrySettings = { ...DEFAULT_RETRY_SETTINGS, ...options.retrySettings };
  const deliverySettings = { ...DEFAULT_DELIVERY_SETTINGS, ...options.deliverySettings };
  const configs = await loadEventInvokeConfigs(
    store.eventInvokeConfigs,
    systemClock,
    (accountId, name, qualifier) => catalog.get(accountId, name, qualifier) !== undefined,
  );
  const queue = new AsyncQueue({
    events: store.events,
    resolve: (accountId, name, qualifier) =>
      catalog.resolve(accountId, name, qualifier) ??
      (catalog.isDamaged(accountId, name, qualifier) ? "damaged" : "missing"),
    run: (request, retries, answer) => void options.server().run(request, "asynchronous", retries, answer),
    decide: (attempt, nowMs) => decideRetry(attempt, retrySettings, nowMs),
    isFunctionFailure,
    configOf: (accountId, name, qualifier) => configs.get(accountId, name, qualifier),
    deadLetterOf: (accountId, name, qualifier) => catalog.get(accountId, name, qualifier)?.settings.deadLetterArn,
    onConcluded: (event) => outbox.add(event),
    undeliveredCount: () => outbox.length,
    ...retrySettings,
    clock: systemClock,
    log,
  });
  const aws = new AwsClients(options.aws);
  const deliverer = new Deliverer({
    aws,
    resolve: (accountId, name, qualifier) => catalog.resolve(accountId, name, qualifier),
    enqueue: (request) => queue.acceptDelivery(request),
  });
  const outbox = new Outbox({
    events: store.events,
    deliver: (message, signal) => deliverer.deliver(message, signal),
    decide: (failures, triedFromMs, nowMs) => decideDelivery(failures, triedFromMs, deliverySettings, nowMs),
    clock: systemClock,
    log,
  });
  const { sources, tables } = openSources(options, aws);
  const schedules = new ScheduleClock({
    store: store.schedules,
    resolve: (accountId, name, qualifier) => catalog.resolve(accountId, name, qualifier),
    accept: (request, tick) => queue.accept(request, tick),
    region: options.aws.region,
    clock: systemClock,
    log,
  });
  await queue.load();
  await outbox.load();
  await sources.load();
  await tables.load();
  await schedules.load();
  // What is made anew under a name that was deleted inherits nothing.
  catalog.onDeleted(({ accountId, name, qualifier }) => {
    configs.forget(accountId, name, qualifier).catch((error: unknown) => {
      log.error({ functionName: name, error }, "event-invoke configs of what was deleted could not be removed");
    });
  });
  return {
    queue,
    outbox,
    configs,
    sources,
    tables,
    schedules,
    start: () => {
      queue.start();
      outbox.start();
      sources.start();
      tables.start();
      schedules.start();
    },
    closeSources: async () => {
      await Promise.all([sources.close(), tables.close()]);
    },
    close: async (graceMs) => {
      await schedules.close();
      await outbox.close(graceMs);
      await aws.close();
    },
  };
}

function openSources(
  { store, catalog, server, log }: EventOptions,
  aws: AwsClients,
): { sources: EventSourceMappings; tables: StoredTableSources } {
  const batches = new BatchRun({
    resolve: (accountId, name, qualifier) => catalog.resolve(accountId, name, qualifier),
    invoke: (request, answer) => void server().run(request, "synchronous", 0, (given) => answer(given)),
  });
  const timeoutMsOf = ({ accountId, functionName, qualifier }: EventSourceRecord) =>
    catalog.get(accountId, functionName, qualifier)?.settings.timeoutMs ?? 0;
  const sqs = { aws, queueUrls: new QueueUrls(aws), batches, timeoutMsOf, clock: systemClock, log };
  const sources = new EventSourceMappings({
    table: store.eventSources,
    open: (record, listener) => new SqsSource(record, listener, sqs),
    check: (record) => checkSqsQueue(record.origin.arn, timeoutMsOf(record), sqs),
    clock: systemClock,
    log,
  });
  const tables = new StoredTableSources({
    table: store.tableSources,
    isFunction: (name, qualifier) => catalog.get(DEFAULT_ACCOUNT_ID, name, qualifier) !== undefined,
    batches,
    log,
  });
  return { sources, tables };
}
