import type { InvocationId } from "../../model/ids.ts";
import type { EventStore, QueuedEvent } from "../../ports/event-store.ts";
import type { FunctionRecord } from "../../ports/function-catalog.ts";
import type { AccessKey, AccountRecord, Store } from "../../ports/store.ts";

/** A store that forgets everything when the process ends. For tests, the simulator and trials. */
export function createMemoryStore(): Store {
  const functions = new Map<string, FunctionRecord>();
  const accounts = new Map<string, AccountRecord>();
  const keys = new Map<string, AccessKey>();
  const meta = new Map<string, string>();
  return {
    events: createMemoryEventStore(),
    loadFunctions: async () => [...functions.values()].map((record) => structuredClone(record)),
    putFunction: async (record) => void functions.set(`${record.accountId}/${record.name}`, structuredClone(record)),
    deleteFunction: async (accountId, name) => void functions.delete(`${accountId}/${name}`),
    loadAccounts: async () => [...accounts.values()],
    putAccount: async (account) => void accounts.set(account.accountId, account),
    loadAccessKeys: async () => [...keys.values()],
    putAccessKey: async (key) => void keys.set(key.accessKeyId, key),
    deleteAccessKey: async (accessKeyId) => void keys.delete(accessKeyId),
    meta: async (name) => meta.get(name),
    putMeta: async (name, value) => void meta.set(name, value),
    close: async () => {},
  };
}

function createMemoryEventStore(): EventStore {
  const events = new Map<InvocationId, QueuedEvent>();
  const change = (id: InvocationId, members: Partial<QueuedEvent>) => {
    const event = events.get(id);
    if (event !== undefined) events.set(id, { ...event, ...members });
  };
  return {
    append: async (event) => {
      if (!events.has(event.id)) events.set(event.id, { ...event, payload: Buffer.from(event.payload) });
    },
    load: async () => [...events.values()],
    beginAttempt: async (id, attempts) => change(id, { attempts }),
    reschedule: async (id, next) => change(id, next),
    finish: async (id) => void events.delete(id),
  };
}
