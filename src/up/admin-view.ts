import type { ControlPlane } from "../control/control-plane.ts";
import type { Settings } from "../control/settings.ts";
import { type AccountId, DEFAULT_ACCOUNT_ID } from "../model/ids.ts";
import type { AccessKeys } from "../ports/access-keys.ts";
import type { AccountSummary, AdminView } from "../ports/admin.ts";
import { systemClock } from "../ports/clock.ts";
import type { FunctionCatalog } from "../ports/function-catalog.ts";
import type { AccountRecord, Store } from "../ports/store.ts";
import type { Fleet } from "../provider/fleet/fleet.ts";
import type { Events } from "./open-events.ts";
import type { PythonDescriptions } from "./python-places.ts";
import { VERSION } from "./version.ts";

type Parts = {
  readonly url: string;
  readonly dataDir: string;
  readonly region: string;
  readonly provider: Fleet;
  readonly pythons: PythonDescriptions;
  readonly control: ControlPlane;
  readonly settings: Settings;
  readonly catalog: FunctionCatalog;
  readonly accessKeys: AccessKeys;
  readonly store: Store;
  readonly events: Events;
};

/** Account ids are drawn upwards from here: twelve digits, and never the default account's. */
const FIRST_ACCOUNT_NUMBER = 100_000_000_000;

/** What the admin API shows and does, out of the server's parts. */
export function createAdminView(parts: Parts): AdminView {
  const { url, dataDir, region, provider, pythons, control, settings, catalog, accessKeys, store, events } = parts;
  const startedMs = systemClock.nowMs();
  const accounts = async (): Promise<AccountRecord[]> => {
    const stored = await store.loadAccounts();
    const isStored = stored.some(({ accountId }) => accountId === DEFAULT_ACCOUNT_ID);
    return isStored ? stored : [{ accountId: DEFAULT_ACCOUNT_ID, name: "default", createdMs: startedMs }, ...stored];
  };
  const summaryOf = ({ accountId, name, createdMs }: AccountRecord): AccountSummary => ({
    accountId,
    name,
    createdMs,
    accessKeyIds: accessKeys.list().flatMap((key) => (key.accountId === accountId ? [key.accessKeyId] : [])),
  });
  let accountCount = 1;
  accounts().then(
    ({ length }) => {
      accountCount = length;
    },
    () => {}, // A count in the status is not worth a failure.
  );
  /** Accounts are made one after the other: two at once would draw the same number. */
  let lastCreation: Promise<unknown> = Promise.resolve();
  const create = async (name: string): Promise<AccountSummary> => {
    const taken = (await accounts()).map(({ accountId }) => Number(accountId));
    const number = Math.max(FIRST_ACCOUNT_NUMBER, ...taken) + 1;
    const account: AccountRecord = { accountId: String(number) as AccountId, name, createdMs: systemClock.nowMs() };
    await store.putAccount(account);
    accountCount++;
    return summaryOf(account);
  };

  return {
    status() {
      const { instances, waiting } = control.snapshot(systemClock.monotonicMs());
      const containers = instances.flatMap((instance) => instance.containers);
      return {
        version: VERSION,
        startedMs,
        uptimeMs: systemClock.nowMs() - startedMs,
        address: url,
        dataDir,
        region,
        provider: provider.kind,
        isolation: provider.isolation,
        pythons,
        offers: [...provider.offers()],
        counts: {
          accounts: accountCount,
          functions: catalog.functionCount(),
          instances: instances.length,
          containers: containers.length,
          runningInvocations: containers.filter(({ state }) => state === "running").length,
          waitingInvocations: waiting.count,
          queuedEvents: events.queue.length,
          undeliveredOutcomes: events.outbox.length,
        },
        limits: {
          accountConcurrencyMax: settings.accountConcurrencyMax,
          queueLengthMax: settings.queueLengthMax,
          waitMsMax: settings.waitMsMax,
          keepAliveMinMs: settings.keepAliveMinMs,
          keepAliveMaxMs: settings.keepAliveMaxMs,
          instanceIdleMs: settings.instanceIdleMs,
        },
      };
    },
    pools: () => control.snapshot(systemClock.monotonicMs()),
    listAccounts: async () => (await accounts()).map(summaryOf),
    createAccount(name) {
      const creation = lastCreation.then(() => create(name));
      lastCreation = creation.catch(() => {});
      return creation;
    },
    async createAccessKey(accountId) {
      const isKnown = (await accounts()).some((account) => account.accountId === accountId);
      return isKnown ? accessKeys.create(accountId) : undefined;
    },
  };
}
