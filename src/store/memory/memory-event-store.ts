import type { Delivery, EventOutcome } from "../../model/event-outcome.ts";
import type { InvocationId } from "../../model/ids.ts";
import type { EventInvokeConfig, EventInvokeConfigStore } from "../../ports/event-invoke-config.ts";
import type { EventStore, QueuedEvent } from "../../ports/event-store.ts";
import type { ScheduleRecord, ScheduleStore } from "../../ports/schedule.ts";

type Conclusion = {
  readonly outcome: EventOutcome;
  readonly response: Buffer | undefined;
  readonly deliveries: readonly Delivery[];
};

export function createMemoryEventStore(schedules: ScheduleStore = createMemoryScheduleStore()): EventStore {
  const events = new Map<InvocationId, QueuedEvent>();
  const conclusions = new Map<InvocationId, Conclusion>();
  const change = (id: InvocationId, members: Partial<QueuedEvent>) => {
    const event = events.get(id);
    if (event !== undefined) events.set(id, { ...event, ...members });
  };
  return {
    append: async (event, tick) => {
      if (tick !== undefined) void schedules.skip(tick); // In the same turn.
      if (!events.has(event.id)) events.set(event.id, { ...event, payload: Buffer.from(event.payload) });
    },
    load: async () => [...events.values()].filter(({ id }) => !conclusions.has(id)),
    beginAttempt: async (id, attempts) => change(id, { attempts }),
    reschedule: async (id, next) => change(id, next),
    conclude: async (id, outcome, response, deliveries) => {
      if (!events.has(id) || conclusions.has(id)) return;
      conclusions.set(id, {
        outcome,
        response: response === undefined ? undefined : Buffer.from(response),
        deliveries,
      });
    },
    loadConcluded: async () =>
      [...events.values()].flatMap(({ id, accountId, functionName, qualifier, invokedArn }) => {
        const conclusion = conclusions.get(id);
        if (conclusion === undefined) return [];
        const { outcome, deliveries } = conclusion;
        return [{ id, accountId, functionName, qualifier, invokedArn, outcome, deliveries }];
      }),
    payloadsOf: async (id) => {
      const [event, conclusion] = [events.get(id), conclusions.get(id)];
      if (event === undefined || conclusion === undefined) return undefined;
      return { payload: event.payload, response: conclusion.response };
    },
    setDeliveries: async (id, deliveries) => {
      const conclusion = conclusions.get(id);
      if (conclusion !== undefined) conclusions.set(id, { ...conclusion, deliveries });
    },
    finish: async (id) => {
      events.delete(id);
      conclusions.delete(id);
    },
  };
}

export function createMemoryEventInvokeConfigStore(): EventInvokeConfigStore {
  const configs = new Map<string, EventInvokeConfig>();
  const keyOf = (accountId: string, functionName: string, qualifier: string) =>
    `${accountId}/${functionName}/${qualifier}`;
  return {
    load: async () => [...configs.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, config]) => config),
    put: async (config) => void configs.set(keyOf(config.accountId, config.functionName, config.qualifier), config),
    delete: async (accountId, functionName, qualifier) => {
      for (const [key, config] of configs) {
        if (config.accountId !== accountId || config.functionName !== functionName) continue;
        if (qualifier === undefined || config.qualifier === qualifier) configs.delete(key);
      }
    },
  };
}

export function createMemoryScheduleStore(): ScheduleStore {
  const records = new Map<string, ScheduleRecord>();
  const keyOf = (accountId: string, name: string) => `${accountId}/${name}`;
  return {
    load: async () => [...records.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, record]) => record),
    put: async (record) => void records.set(keyOf(record.accountId, record.name), record),
    skip: async ({ accountId, name, tickMs }) => {
      const record = records.get(keyOf(accountId, name));
      if (record === undefined) return;
      records.set(keyOf(accountId, name), { ...record, lastTickMs: Math.max(record.lastTickMs, tickMs) });
    },
    delete: async (accountId, name) => void records.delete(keyOf(accountId, name)),
  };
}
