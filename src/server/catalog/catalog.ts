import { randomUUID } from "node:crypto";
import { deadlineAfterMsOf } from "../../model/deadline.ts";
import { HearthError } from "../../model/error-code.ts";
import type { FunctionVersion } from "../../model/function-version.ts";
import type { AccountId, FunctionKey } from "../../model/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import type { CodeStore } from "../../ports/code-store.ts";
import {
  type CatalogAnswer,
  type CatalogRefusal,
  CODE_STORAGE_BYTES_MAX,
  type FunctionCatalog,
  type FunctionDescription,
  type FunctionRecord,
  type FunctionSettings,
  TAGS_MAX,
  type UpdateCondition,
} from "../../ports/function-catalog.ts";
import type { Store } from "../../ports/store.ts";
import { createCodeSweep } from "./code-sweep.ts";

/**
 * How long a created function says Pending and an updated one InProgress. Nothing happens meanwhile:
 * clients expect to see the states, and AWS's waiters ask after a second at the earliest.
 */
const SETTLE_MS = 20;
/** Archives that are read and hashed at a time; each may hold its 50 MB in memory meanwhile. */
const VERIFIED_AT_ONCE_MAX = 4;

export type CatalogOptions = {
  readonly store: Store;
  readonly codeStore: CodeStore;
  readonly clock: Clock;
  readonly region: string;
  /** Told of code on disk that is damaged or could not be checked, and of code that could not be removed. */
  readonly onDamage: (what: string, error: unknown) => void;
};

/** A function's revision that callers see while it settles; the lasting one follows it. */
type Settling = {
  readonly kind: "create" | "update";
  readonly revisionId: string;
  readonly untilMs: number;
};

type Entry = {
  readonly record: FunctionRecord;
  readonly version: FunctionVersion;
  readonly settling: Settling | undefined;
  readonly isDamaged: boolean;
};

/** Loads the functions and verifies their code. @throws HearthError STORE_FAILED. */
export async function createCatalog(options: CatalogOptions): Promise<FunctionCatalog> {
  const catalog = new Catalog(options);
  await catalog.load();
  return catalog;
}

/** ARN without a qualifier. */
export function functionArn(region: string, accountId: AccountId, name: string): string {
  return `arn:aws:lambda:${region}:${accountId}:function:${name}`;
}

class Catalog implements FunctionCatalog {
  readonly #store: Store;
  readonly #codeStore: CodeStore;
  readonly #clock: Clock;
  readonly #region: string;
  readonly #onDamage: CatalogOptions["onDamage"];
  readonly #accounts = new Map<AccountId, Map<string, Entry>>();
  /** Functions with a change on its way to the store; one at a time each. */
  readonly #changing = new Set<string>();
  readonly #retiredListeners: ((key: FunctionKey) => void)[] = [];
  readonly #sweep: { now(): void; close(): void };

  constructor(options: CatalogOptions) {
    this.#store = options.store;
    this.#codeStore = options.codeStore;
    this.#clock = options.clock;
    this.#region = options.region;
    this.#onDamage = options.onDamage;
    this.#sweep = createCodeSweep(options.codeStore, () => this.#usedCode(), options.onDamage);
  }

  async load(): Promise<void> {
    const records = await this.#store.loadFunctions();
    const damaged = await this.#findDamaged(new Set(records.map((record) => record.code.sha256Hex)));
    for (const record of records) this.#show(record, undefined, damaged.has(record.code.sha256Hex));
    this.#sweep.now();
  }

  /**
   * Only what is known to be spoiled is damaged: code that a failing disk kept from being checked is
   * taken to be sound, since it most often is, and events wait for functions that are.
   */
  async #findDamaged(hashes: ReadonlySet<string>): Promise<Set<string>> {
    const damaged = new Set<string>();
    const unchecked = hashes.values();
    const verifyRest = async () => {
      for (const sha256Hex of unchecked) {
        try {
          await this.#codeStore.verify(sha256Hex);
        } catch (error) {
          if (error instanceof HearthError && error.code === "CODE_CORRUPT") damaged.add(sha256Hex);
          this.#onDamage(`code ${sha256Hex}`, error);
        }
      }
    };
    await Promise.all(Array.from({ length: VERIFIED_AT_ONCE_MAX }, verifyRest));
    return damaged;
  }

  create(
    accountId: AccountId,
    name: string,
    settings: FunctionSettings,
    zip: Buffer,
    tags: Readonly<Record<string, string>>,
  ): Promise<CatalogAnswer> {
    return this.#exclusively(accountId, name, async () => {
      if (this.#find(accountId, name) !== undefined) return refused("exists");
      if (Object.keys(tags).length > TAGS_MAX) return refused("tooManyTags");
      if (this.#exceedsStorage(accountId, zip, 0)) return refused("codeStorageExceeded");
      const code = await this.#codeStore.put(zip);
      return this.#save({ ...this.#stamp(), accountId, name, code, settings, tags }, "create");
    });
  }

  get(accountId: AccountId, name: string): FunctionDescription | undefined {
    const entry = this.#find(accountId, name);
    return entry === undefined ? undefined : this.#describe(entry);
  }

  list(accountId: AccountId, afterName: string, count: number): FunctionDescription[] {
    const names = [...(this.#accounts.get(accountId)?.keys() ?? [])].filter((name) => name > afterName).sort();
    return names.slice(0, count).map((name) => this.#describe(this.#find(accountId, name) as Entry));
  }

  updateCode(
    accountId: AccountId,
    name: string,
    zip: Buffer,
    condition: UpdateCondition & {
      readonly dryRun: boolean;
      readonly architecture: FunctionSettings["architecture"] | undefined;
    },
  ): Promise<CatalogAnswer> {
    return this.#update(accountId, name, condition, async (entry) => {
      const { record } = entry;
      if (this.#exceedsStorage(accountId, zip, record.code.codeSizeBytes)) return refused("codeStorageExceeded");
      const settings =
        condition.architecture === undefined
          ? record.settings
          : { ...record.settings, architecture: condition.architecture };
      if (condition.dryRun) {
        const code = await this.#codeStore.check(zip);
        return { kind: "done", description: this.#describe({ ...entry, record: { ...record, code, settings } }) };
      }
      const code = await this.#codeStore.put(zip);
      return this.#save({ ...record, ...this.#stamp(), code, settings }, "update");
    });
  }

  updateSettings(
    accountId: AccountId,
    name: string,
    change: Partial<FunctionSettings>,
    condition: UpdateCondition,
  ): Promise<CatalogAnswer> {
    return this.#update(accountId, name, condition, ({ record }) =>
      this.#save({ ...record, ...this.#stamp(), settings: { ...record.settings, ...change } }, "update"),
    );
  }

  delete(accountId: AccountId, name: string): Promise<CatalogAnswer> {
    return this.#exclusively(accountId, name, async () => {
      const entry = this.#find(accountId, name);
      if (entry === undefined) return refused("missing");
      await this.#store.deleteFunction(accountId, name);
      this.#accounts.get(accountId)?.delete(name);
      this.#retire(entry.version.key);
      this.#sweep.now();
      return { kind: "done", description: this.#describe(entry) };
    });
  }

  setTags(accountId: AccountId, name: string, tags: Readonly<Record<string, string>>): Promise<CatalogAnswer> {
    return this.#retag(accountId, name, (before) => ({ ...before, ...tags }));
  }

  removeTags(accountId: AccountId, name: string, keys: readonly string[]): Promise<CatalogAnswer> {
    return this.#retag(accountId, name, (before) =>
      Object.fromEntries(Object.entries(before).filter(([key]) => !keys.includes(key))),
    );
  }

  resolve(accountId: AccountId, name: string, qualifier: string | undefined): FunctionVersion | undefined {
    if (qualifier !== undefined && qualifier !== "$LATEST") return undefined;
    const entry = this.#accounts.get(accountId)?.get(name);
    return entry === undefined || entry.isDamaged ? undefined : entry.version;
  }

  isDamaged(accountId: AccountId, name: string): boolean {
    return this.#find(accountId, name)?.isDamaged ?? false;
  }

  usage(accountId: AccountId): { readonly functionCount: number; readonly codeSizeBytes: number } {
    const entries = [...(this.#accounts.get(accountId)?.values() ?? [])];
    const codeSizeBytes = entries.reduce((bytes, { record }) => bytes + record.code.codeSizeBytes, 0);
    return { functionCount: entries.length, codeSizeBytes };
  }

  onRetired(listener: (key: FunctionKey) => void): void {
    this.#retiredListeners.push(listener);
  }

  close(): void {
    this.#sweep.close();
  }

  async #update(
    accountId: AccountId,
    name: string,
    condition: UpdateCondition,
    change: (entry: Entry) => Promise<CatalogAnswer>,
  ): Promise<CatalogAnswer> {
    return this.#exclusively(accountId, name, async () => {
      const entry = this.#find(accountId, name);
      if (entry === undefined) return refused("missing");
      if (this.#settlingOf(entry) !== undefined) return refused("updateInProgress");
      if (condition.revisionId !== undefined && condition.revisionId !== entry.record.revisionId) {
        return refused("revisionMismatch");
      }
      return change(entry);
    });
  }

  async #retag(
    accountId: AccountId,
    name: string,
    change: (tags: Readonly<Record<string, string>>) => Readonly<Record<string, string>>,
  ): Promise<CatalogAnswer> {
    return this.#exclusively(accountId, name, async () => {
      const entry = this.#find(accountId, name);
      if (entry === undefined) return refused("missing");
      const tags = change(entry.record.tags);
      if (Object.keys(tags).length > TAGS_MAX) return refused("tooManyTags");
      const record = { ...entry.record, tags };
      const tagged = { ...entry, record, version: versionOf(record, this.#region) };
      await this.#store.putFunction(tagged.record);
      this.#accounts.get(accountId)?.set(name, tagged);
      return { kind: "done", description: this.#describe(tagged) };
    });
  }

  /** A second change of a function is refused, not queued: that is what Lambda does. */
  async #exclusively(accountId: AccountId, name: string, work: () => Promise<CatalogAnswer>): Promise<CatalogAnswer> {
    const key = `${accountId}/${name}`;
    if (this.#changing.has(key)) return refused("updateInProgress");
    this.#changing.add(key);
    try {
      return await work();
    } finally {
      this.#changing.delete(key);
    }
  }

  async #save(record: FunctionRecord, kind: "create" | "update"): Promise<CatalogAnswer> {
    await this.#store.putFunction(record);
    const before = this.#find(record.accountId, record.name);
    const settling = { kind, revisionId: randomUUID(), untilMs: this.#clock.nowMs() + SETTLE_MS };
    const entry = this.#show(record, settling, false);
    if (before !== undefined) {
      this.#retire(before.version.key);
      if (before.record.code.sha256Hex !== record.code.sha256Hex) this.#sweep.now();
    }
    return { kind: "done", description: this.#describe(entry) };
  }

  #show(record: FunctionRecord, settling: Settling | undefined, isDamaged: boolean): Entry {
    const entry = { record, version: versionOf(record, this.#region), settling, isDamaged };
    const functions = this.#accounts.get(record.accountId) ?? new Map<string, Entry>();
    this.#accounts.set(record.accountId, functions.set(record.name, entry));
    return entry;
  }

  #describe(entry: Entry): FunctionDescription {
    const { record, version, isDamaged } = entry;
    const settling = this.#settlingOf(entry);
    const isPending = settling?.kind === "create";
    return {
      ...record,
      arn: version.arn,
      revisionId: settling?.revisionId ?? record.revisionId,
      state: isDamaged ? "Failed" : isPending ? "Pending" : "Active",
      lastUpdateStatus: isPending ? undefined : settling?.kind === "update" ? "InProgress" : "Successful",
    };
  }

  #settlingOf({ settling }: Entry): Settling | undefined {
    return settling !== undefined && this.#clock.nowMs() < settling.untilMs ? settling : undefined;
  }

  #find(accountId: AccountId, name: string): Entry | undefined {
    return this.#accounts.get(accountId)?.get(name);
  }

  #exceedsStorage(accountId: AccountId, zip: Buffer, replacedBytes: number): boolean {
    return this.usage(accountId).codeSizeBytes - replacedBytes + zip.length > CODE_STORAGE_BYTES_MAX;
  }

  #usedCode(): Set<string> {
    const used = new Set<string>();
    for (const functions of this.#accounts.values()) {
      for (const { record } of functions.values()) used.add(record.code.sha256Hex);
    }
    return used;
  }

  #stamp(): { revisionId: string; lastModifiedMs: number } {
    return { revisionId: randomUUID(), lastModifiedMs: this.#clock.nowMs() };
  }

  #retire(key: FunctionKey): void {
    for (const listener of this.#retiredListeners) listener(key);
  }
}

function refused(why: CatalogRefusal): CatalogAnswer {
  return { kind: "refused", why };
}

function versionOf(record: FunctionRecord, region: string): FunctionVersion {
  const { accountId, name, settings } = record;
  return {
    key: `${accountId}/${name}/$LATEST/${record.revisionId}` as FunctionKey,
    accountId,
    name,
    version: "$LATEST",
    arn: functionArn(region, accountId, name),
    runtime: settings.runtime,
    handler: settings.handler,
    codeSha256Hex: record.code.sha256Hex,
    environment: settings.environment ?? {},
    memoryMiB: settings.memoryMiB,
    timeoutMs: settings.timeoutMs,
    ephemeralStorageMiB: settings.ephemeralStorageMiB,
    deadlineAfterMs: deadlineAfterMsOf(record.tags),
  };
}
