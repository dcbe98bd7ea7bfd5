import type { Delivery, EventOutcome } from "../../model/event-outcome.ts";
import type { ConcludedEvent, EventStore, QueuedEvent } from "../../ports/event-store.ts";
import type { Trigger } from "../../ports/invoker.ts";
import type { SqliteWorker } from "./sqlite-worker.ts";
import type { Row } from "./statement.ts";

/** The queue of asynchronous invocations, and the outcomes of those that somebody is still to be told of: one row each. */
export function eventStoreOf(worker: SqliteWorker): EventStore {
  return {
    append: async (event, tick) => {
      const parameters = [
        event.id,
        event.accountId,
        event.functionName,
        event.qualifier,
        event.payload,
        event.invokedArn,
        event.clientContext ?? null,
        event.traceId ?? null,
        event.acceptedMs,
        event.attempts,
        event.functionFailures,
        event.nextAttemptMs,
        event.deadlineMs ?? null,
        event.traceState ?? null,
        event.trigger ?? null,
      ];
      const append = { name: "appendEvent", parameters } as const;
      if (tick === undefined) await worker.runAll([append]);
      else {
        const { accountId, name, tickMs } = tick;
        await worker.runAll([append, { name: "tickSchedule", parameters: [accountId, name, tickMs] }]);
      }
    },
    load: async () => (await worker.run("loadEvents")).map(eventOf),
    beginAttempt: async (id, attempts) => {
      await worker.run("beginAttempt", attempts, id);
    },
    reschedule: async (id, { attempts, functionFailures, nextAttemptMs }) => {
      await worker.run("rescheduleEvent", attempts, functionFailures, nextAttemptMs, id);
    },
    conclude: async (id, outcome, response, deliveries) => {
      await worker.run("concludeEvent", JSON.stringify(outcome), response ?? null, JSON.stringify(deliveries), id);
    },
    loadConcluded: async () => (await worker.run("loadConcludedEvents")).map(concludedOf),
    payloadsOf: async (id) => {
      const [row] = await worker.run("eventPayloads", id);
      if (row === undefined) return undefined;
      const response = row["response"] as Uint8Array | null;
      return {
        payload: bufferOf(row["payload"] as Uint8Array),
        response: response === null ? undefined : bufferOf(response),
      };
    },
    setDeliveries: async (id, deliveries) => {
      await worker.run("setDeliveries", JSON.stringify(deliveries), id);
    },
    finish: async (id) => {
      await worker.run("finishEvent", id);
    },
  };
}

function eventOf(row: Row): QueuedEvent {
  return {
    ...(row as unknown as QueuedEvent),
    payload: bufferOf(row["payload"] as Uint8Array),
    clientContext: (row["clientContext"] as string | null) ?? undefined,
    traceId: (row["traceId"] as string | null) ?? undefined,
    deadlineMs: (row["deadlineMs"] as number | null) ?? undefined,
    traceState: (row["traceState"] as string | null) ?? undefined,
    trigger: (row["trigger"] as Trigger | null) ?? undefined,
  };
}

function concludedOf(row: Row): ConcludedEvent {
  return {
    ...(row as unknown as ConcludedEvent),
    outcome: JSON.parse(row["outcome"] as string) as EventOutcome,
    deliveries: JSON.parse(row["deliveries"] as string) as Delivery[],
  };
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
