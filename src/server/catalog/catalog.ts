import { randomUUID } from "node:crypto";
import type { FunctionVersion } from "../../model/function-version.ts";
import type { AccountId, FunctionKey } from "../../model/ids.ts";
import type { AliasRecord } from "../../ports/alias-catalog.ts";
import type { CatalogAnswer, UpdateCondition } from "../../ports/catalog-answer.ts";
import type { Clock } from "../../ports/clock.ts";
import type { CodeStore, StoredCode } from "../../ports/code-store.ts";
import {
  CODE_STORAGE_BYTES_MAX,
  type CodeChange,
  type Deletion,
  type FunctionCatalog,
  type FunctionDescription,
  type FunctionOptions,
  type FunctionRecord,
  type FunctionSettings,
  type PublishedRecord,
  type PublishRequest,
  type QualifierKind,
  TAGS_MAX,
  type VersionRecord,
} from "../../ports/function-catalog.ts";
import type { Store } from "../../ports/store.ts";
import { Aliases, leadsTo } from "./aliases.ts";
import { createCodeSweep } from "./code-sweep.ts";
import { Concurrency } from "./concurrency.ts";
import {
  describe,
  type EntryState,
  type FunctionEntry,
  namedVersion,
  type Settling,
  settlingAt,
  type VersionEntry,
  versionEntryOf,
  versionsOf,
} from "./function-entry.ts";
import { FunctionTable } from "./function-table.ts";
import { FunctionTurns } from "./function-turns.ts";
import { layerHashes, makeLayers } from "./layer-room.ts";
import { withoutProvisioned } from "./provisioned.ts";
import { refused } from "./refused.ts";
import { sourceHash } from "./source-hash.ts";
import { findDamaged, makeOverlays } from "./stored-code.ts";

/**
 * How long a created version says Pending and an updated function InProgress. Nothing happens meanwhile:
 * clients expect to see the states, and AWS's waiters ask after a second at the earliest.
 */
const SETTLE_MS = 20;

export type CatalogOptions = {
  readonly store: Store;
  readonly codeStore: CodeStore;
  readonly clock: Clock;
  readonly region: string;
  /** Executions at a time of each account: what functions reserve is a part of it. */
  readonly accountConcurrencyMax: number;
  /** From 0 up to, but not including, 1: which version a call of an alias with weights runs. */
  readonly random: () => number;
  /** Hashes of code that others than functions have. */
  readonly alsoUsed?: () => Iterable<string>;
  /** Told of code on disk that is damaged or could not be checked, and of code that could not be removed. */
  readonly onDamage: (what: string, error: unknown) => void;
};

/** Loads the functions and verifies their code. @throws HearthError STORE_FAILED. */
export async function createCatalog(options: CatalogOptions): Promise<FunctionCatalog> {
  const catalog = new Catalog(options);
  await catalog.load();
  return catalog;
}

type Described = CatalogAnswer<FunctionDescription>;

class Catalog implements FunctionCatalog {
  readonly aliases: Aliases;
  readonly concurrency: Concurrency;
  readonly #options: CatalogOptions;
  readonly #table = new FunctionTable();
  readonly #turns = new FunctionTurns();
  readonly #retiredListeners: ((key: FunctionKey) => void)[] = [];
  readonly #deletedListeners: ((deletion: Deletion) => void)[] = [];
  readonly #sweep: { now(): void; close(): void };

  constructor(options: CatalogOptions) {
    this.#options = options;
    this.aliases = new Aliases({
      table: this.#table,
      turns: this.#turns,
      store: options.store.functions,
      region: options.region,
      onDeleted: (deletion) => this.#deleted(deletion),
      onMoved: ({ accountId, name }) => this.concurrency.changed(accountId, name),
    });
    this.concurrency = new Concurrency({
      table: this.#table,
      accountConcurrencyMax: options.accountConcurrencyMax,
      nowMs: () => this.#nowMs(),
      amend: (accountId, name, change) => this.#amend(accountId, name, change),
    });
    this.#sweep = createCodeSweep(options.codeStore, () => this.#usedCode(), options.onDamage);
  }

  async load(): Promise<void> {
    const { functions, versions, aliases } = await this.#options.store.functions.load();
    const records: VersionRecord[] = [...functions, ...versions];
    const hashesOf = (record: VersionRecord) => [record.code.sha256Hex, ...layerHashes(record)];
    const damaged = await findDamaged(this.#options, new Set(records.flatMap(hashesOf)));
    const stateOf = (record: VersionRecord) => ({ isDamaged: hashesOf(record).some((hash) => damaged.has(hash)) });
    await makeOverlays(this.#options, records.filter((record) => !stateOf(record).isDamaged).map(layerHashes));
    for (const record of functions) this.#show(record, stateOf(record));
    for (const record of versions) this.#showVersion(record, stateOf(record));
    for (const record of aliases) this.#find(record.accountId, record.name)?.aliases.set(record.alias, record);
    this.#sweep.now();
  }

  create(
    accountId: AccountId,
    name: string,
    settings: FunctionSettings,
    zip: Buffer,
    tags: Readonly<Record<string, string>>,
    publish = false,
  ): Promise<Described> {
    return this.#turns.update(accountId, name, async () => {
      if (this.#find(accountId, name) !== undefined) return refused("exists");
      if (Object.keys(tags).length > TAGS_MAX) return refused("tooManyTags");
      if (this.#exceedsStorage(accountId, zip.length * (publish ? 2 : 1))) return refused("codeStorageExceeded");
      const code = await this.#keepCode(zip);
      const unfit = await makeLayers(this.#options.codeStore, { code, settings });
      if (unfit !== undefined) return unfit;
      const version = "$LATEST";
      const record = { ...this.#stamp(), accountId, name, version, code, settings, tags, lastVersion: 0 };
      return this.#save(record, "create", publish);
    });
  }

  get(accountId: AccountId, name: string, qualifier?: string): FunctionDescription | undefined {
    const entry = this.#find(accountId, name);
    const version = entry === undefined ? undefined : namedVersion(entry, qualifier);
    return entry === undefined || version === undefined ? undefined : this.#describe(entry, version);
  }

  kindOf(accountId: AccountId, name: string, qualifier: string): QualifierKind | undefined {
    const entry = this.#find(accountId, name);
    if (entry === undefined) return undefined;
    if (qualifier === "$LATEST") return "latest";
    if (entry.versions.has(qualifier)) return "version";
    return entry.aliases.has(qualifier) ? "alias" : undefined;
  }

  list(accountId: AccountId, afterName: string, count: number): FunctionDescription[] {
    return this.#table
      .ofAccount(accountId)
      .filter(({ latest }) => latest.record.name > afterName)
      .sort((a, b) => (a.latest.record.name < b.latest.record.name ? -1 : 1))
      .slice(0, count)
      .map((entry) => this.#describe(entry, entry.latest));
  }

  listAll(accountId: AccountId, afterName: string, afterVersion: number, count: number): FunctionDescription[] {
    const rest = this.listVersions(accountId, afterName, afterVersion, count) ?? [];
    for (const { name } of this.list(accountId, afterName, Number.POSITIVE_INFINITY)) {
      if (rest.length >= count) break;
      rest.push(...(this.listVersions(accountId, name, undefined, count - rest.length) ?? []));
    }
    return rest;
  }

  listVersions(
    accountId: AccountId,
    name: string,
    afterVersion: number | undefined,
    count: number,
  ): FunctionDescription[] | undefined {
    const entry = this.#find(accountId, name);
    if (entry === undefined) return undefined;
    const later = [...entry.versions.values()].filter(({ record }) => Number(record.version) > (afterVersion ?? 0));
    const versions = afterVersion === undefined ? [entry.latest, ...later] : later;
    return versions.slice(0, count).map((version) => this.#describe(entry, version));
  }

  updateCode(accountId: AccountId, name: string, zip: Buffer, change: CodeChange): Promise<Described> {
    return this.#update(accountId, name, change, async (entry) => {
      const { record } = entry.latest;
      const addedBytes = zip.length * (change.publish ? 2 : 1) - record.code.codeSizeBytes;
      if (this.#exceedsStorage(accountId, addedBytes)) return refused("codeStorageExceeded");
      const { architecture = record.settings.architecture } = change;
      const settings = { ...record.settings, architecture };
      if (change.dryRun) {
        const code = await this.#options.codeStore.check(zip);
        return done(this.#describe(entry, { ...entry.latest, record: { ...record, code, settings } }));
      }
      const code = await this.#keepCode(zip);
      const unfit = await makeLayers(this.#options.codeStore, { code, settings });
      if (unfit !== undefined) return unfit;
      return this.#save({ ...record, ...this.#stamp(), code, settings }, "update", change.publish);
    });
  }

  updateSettings(
    accountId: AccountId,
    name: string,
    change: Partial<FunctionSettings>,
    condition: UpdateCondition,
  ): Promise<Described> {
    return this.#update(accountId, name, condition, async ({ latest: { record } }) => {
      const changed = { ...record, ...this.#stamp(), settings: { ...record.settings, ...change } };
      const unfit = change.layers === undefined ? undefined : await makeLayers(this.#options.codeStore, changed);
      return unfit ?? this.#save(changed, "update", false);
    });
  }

  publish(accountId: AccountId, name: string, request: PublishRequest): Promise<Described> {
    return this.#update(accountId, name, request, async (entry) => {
      const { record } = entry.latest;
      const codeSha256 = Buffer.from(record.code.sha256Hex, "hex").toString("base64");
      if (request.codeSha256 !== undefined && request.codeSha256 !== codeSha256) {
        return refused("codeMismatch", codeSha256);
      }
      const before = unchangedSince(entry);
      if (before !== undefined) return done(this.#describe(entry, before));
      if (this.#exceedsStorage(accountId, record.code.codeSizeBytes)) return refused("codeStorageExceeded");
      const owner = { ...record, revisionId: randomUUID(), lastVersion: record.lastVersion + 1 };
      const version = publishedOf(owner, request.description);
      await this.#options.store.functions.putVersion(version, owner);
      entry.latest = { ...entry.latest, record: owner };
      // Its code runs already: unlike one that comes with new code, it is active at once.
      const state = { settling: undefined, isDamaged: entry.latest.isDamaged };
      return done(this.#describe(entry, this.#showVersion(version, state)));
    });
  }

  delete(accountId: AccountId, name: string): Promise<Described> {
    return this.#turns.update(accountId, name, async () => {
      const entry = this.#find(accountId, name);
      if (entry === undefined) return refused("missing");
      await this.#options.store.functions.delete(accountId, name);
      this.#table.delete(accountId, name);
      for (const { version } of versionsOf(entry)) this.#retire(version.key);
      this.#deleted({ accountId, name, qualifier: undefined });
      this.#sweep.now();
      return done(this.#describe(entry, entry.latest));
    });
  }

  deleteVersion(accountId: AccountId, name: string, version: string): Promise<CatalogAnswer<void>> {
    return this.#turns.take(accountId, name, async (): Promise<CatalogAnswer<void>> => {
      const entry = this.#find(accountId, name);
      if (entry === undefined) return refused("missing");
      const found = entry.versions.get(version);
      if (found === undefined) return done(undefined);
      const aliases = [...entry.aliases.values()].filter((alias) => leadsTo(alias, version));
      if (aliases.length > 0) return refused("aliased", aliases.map(({ alias }) => alias).join(", "));
      const owner = withoutProvisioned(entry.latest.record, version);
      await this.#options.store.functions.deleteVersion(version, owner);
      entry.latest = { ...entry.latest, record: owner };
      entry.versions.delete(version);
      this.#retire(found.version.key);
      this.#deleted({ accountId, name, qualifier: version });
      this.#sweep.now();
      return done(undefined);
    });
  }

  optionsOf(accountId: AccountId, name: string): FunctionOptions | undefined {
    return this.#find(accountId, name)?.latest.record;
  }

  async setOptions(
    accountId: AccountId,
    name: string,
    options: Partial<FunctionOptions>,
  ): Promise<CatalogAnswer<void>> {
    const answer = await this.#amend(accountId, name, ({ latest: { record } }) => ({ ...record, ...options }));
    return answer.kind === "done" ? done(undefined) : answer;
  }

  setTags(accountId: AccountId, name: string, tags: Readonly<Record<string, string>>): Promise<Described> {
    return this.#retag(accountId, name, (before) => ({ ...before, ...tags }));
  }

  removeTags(accountId: AccountId, name: string, keys: readonly string[]): Promise<Described> {
    return this.#retag(accountId, name, (before) =>
      Object.fromEntries(Object.entries(before).filter(([key]) => !keys.includes(key))),
    );
  }

  resolve(accountId: AccountId, name: string, qualifier: string | undefined): FunctionVersion | undefined {
    const entry = this.#table.find(accountId, name);
    if (entry === undefined) return undefined;
    const alias = qualifier === undefined ? undefined : entry.aliases.get(qualifier);
    const found = namedVersion(entry, alias === undefined ? qualifier : this.#choose(alias));
    return found === undefined || found.isDamaged ? undefined : found.version;
  }

  #choose({ version, route }: AliasRecord): string {
    return route !== undefined && this.#options.random() < route.weight ? route.version : version;
  }

  isDamaged(accountId: AccountId, name: string, qualifier: string | undefined): boolean {
    const entry = this.#find(accountId, name);
    if (entry === undefined) return false;
    const route = qualifier === undefined ? undefined : entry.aliases.get(qualifier)?.route;
    return [qualifier, ...(route === undefined ? [] : [route.version])].some(
      (named) => namedVersion(entry, named)?.isDamaged === true,
    );
  }

  usage(accountId: AccountId): { readonly functionCount: number; readonly codeSizeBytes: number } {
    return this.#table.usage(accountId);
  }

  functionCount(): number {
    return this.#table.functionCount();
  }

  touch(accountId: AccountId, name: string): Promise<void> {
    return this.#turns.take(accountId, name, async () => {
      const entry = this.#find(accountId, name);
      if (entry === undefined) return;
      const record = { ...entry.latest.record, revisionId: randomUUID() };
      await this.#options.store.functions.put(record);
      this.#show(record, entry.latest);
    });
  }

  onRetired(listener: (key: FunctionKey) => void): void {
    this.#retiredListeners.push(listener);
  }

  onDeleted(listener: (deletion: Deletion) => void): void {
    this.#deletedListeners.push(listener);
  }

  close(): void {
    this.#sweep.close();
  }

  async #update(
    accountId: AccountId,
    name: string,
    condition: UpdateCondition,
    change: (entry: FunctionEntry) => Promise<Described>,
  ): Promise<Described> {
    return this.#turns.update(accountId, name, async () => {
      const entry = this.#find(accountId, name);
      if (entry === undefined) return refused("missing");
      if (settlingAt(this.#nowMs(), entry.latest) !== undefined) return refused("updateInProgress");
      if (condition.revisionId !== undefined && condition.revisionId !== entry.latest.record.revisionId) {
        return refused("revisionMismatch");
      }
      return change(entry);
    });
  }

  async #retag(
    accountId: AccountId,
    name: string,
    change: (tags: Readonly<Record<string, string>>) => Readonly<Record<string, string>>,
  ): Promise<Described> {
    const answer = await this.#amend(accountId, name, ({ latest: { record } }) => {
      const tags = change(record.tags);
      return Object.keys(tags).length > TAGS_MAX
        ? refused("tooManyTags")
        : { ...record, tags, revisionId: randomUUID() };
    });
    return answer.kind === "done" ? done(this.#describe(answer.value, answer.value.latest)) : answer;
  }

  /** Changes what belongs to a function as a whole: its code and its settings stay. */
  #amend(
    accountId: AccountId,
    name: string,
    change: (entry: FunctionEntry) => FunctionRecord | CatalogAnswer<never>,
  ): Promise<CatalogAnswer<FunctionEntry>> {
    return this.#turns.take(accountId, name, async () => {
      const entry = this.#find(accountId, name);
      if (entry === undefined) return refused("missing");
      const record = change(entry);
      if ("kind" in record) return record;
      await this.#options.store.functions.put(record);
      this.#show(record, entry.latest);
      // Tags say how long calls may be held, so every version is told of them.
      for (const version of entry.versions.values()) this.#showVersion(version.record, version);
      return done(entry);
    });
  }

  #usedCode(): Set<string> {
    const used = this.#table.usedCode();
    for (const hashes of this.#table.usedLayers()) used.add(this.#options.codeStore.overlayName(hashes));
    for (const hash of this.#options.alsoUsed?.() ?? []) used.add(hash);
    return used;
  }

  /** Mends what is damaged of this code. */
  async #keepCode(zip: Buffer): Promise<StoredCode> {
    const code = await this.#options.codeStore.put(zip);
    this.#table.mend(code.sha256Hex);
    return code;
  }

  /** Stores and shows a new state of `$LATEST`, and with it a version of that if there is none yet. */
  async #save(record: FunctionRecord, kind: Settling["kind"], publish: boolean): Promise<Described> {
    const { functions } = this.#options.store;
    const { accountId, name } = record;
    const before = this.#find(accountId, name);
    const unchanged =
      before === undefined ? undefined : unchangedSince({ ...before, latest: { ...before.latest, record } });
    const owner = publish && unchanged === undefined ? { ...record, lastVersion: record.lastVersion + 1 } : record;
    const published = owner === record ? undefined : publishedOf(owner, undefined);
    if (published === undefined) await functions.put(owner);
    else await functions.putVersion(published, owner);

    const replaced = before?.latest;
    this.#show(owner, { settling: this.#settle(kind) });
    const entry = this.#find(accountId, name) as FunctionEntry;
    if (published !== undefined) this.#showVersion(published, { settling: this.#settle("create") });
    if (replaced !== undefined) {
      this.#retire(replaced.version.key);
      if (replaced.record.code.sha256Hex !== record.code.sha256Hex) this.#sweep.now();
    }
    const shown = publish ? entry.versions.get(published?.version ?? unchanged?.record.version ?? "") : undefined;
    return done(this.#describe(entry, shown ?? entry.latest));
  }

  #show(record: FunctionRecord, state: EntryState): VersionEntry<FunctionRecord> {
    const { accountId, name, tags } = record;
    const latest = versionEntryOf(record, tags, this.#options.region, state);
    const entry = this.#find(accountId, name);
    if (entry === undefined) this.#table.set(accountId, name, { latest, versions: new Map(), aliases: new Map() });
    else entry.latest = latest;
    return latest;
  }

  #showVersion(record: PublishedRecord, state: EntryState): VersionEntry<PublishedRecord> {
    const owner = this.#find(record.accountId, record.name) as FunctionEntry;
    const shown = versionEntryOf(record, owner.latest.record.tags, this.#options.region, state);
    owner.versions.set(record.version, shown);
    return shown;
  }

  #describe(entry: FunctionEntry, version: VersionEntry): FunctionDescription {
    return describe(version, entry.latest.record.tags, this.#nowMs());
  }

  #settle(kind: Settling["kind"]): Settling {
    return { kind, revisionId: randomUUID(), untilMs: this.#nowMs() + SETTLE_MS };
  }

  #find(accountId: AccountId, name: string): FunctionEntry | undefined {
    return this.#table.find(accountId, name);
  }

  #exceedsStorage(accountId: AccountId, addedBytes: number): boolean {
    return this.usage(accountId).codeSizeBytes + addedBytes > CODE_STORAGE_BYTES_MAX;
  }

  #stamp(): { revisionId: string; buildId: string; lastModifiedMs: number } {
    return { revisionId: randomUUID(), buildId: randomUUID(), lastModifiedMs: this.#nowMs() };
  }

  #nowMs(): number {
    return this.#options.clock.nowMs();
  }

  #retire(key: FunctionKey): void {
    for (const listener of this.#retiredListeners) listener(key);
  }

  #deleted(deletion: Deletion): void {
    for (const listener of this.#deletedListeners) listener(deletion);
    this.concurrency.changed(deletion.accountId, deletion.name);
  }
}

function done<T>(value: T): CatalogAnswer<T> {
  return { kind: "done", value };
}

/** The last version, if `$LATEST` is still what it was made of. */
function unchangedSince({ latest, versions }: FunctionEntry): VersionEntry<PublishedRecord> | undefined {
  const last = versions.get(String(latest.record.lastVersion));
  return last?.record.sourceSha256Hex === sourceHash(latest.record) ? last : undefined;
}

/** A version of what a function is now, under its last number. */
function publishedOf(owner: FunctionRecord, description: string | undefined): PublishedRecord {
  const { tags: _tags, lastVersion, ...record } = owner;
  const settings = description === undefined ? record.settings : { ...record.settings, description };
  const sourceSha256Hex = sourceHash(owner);
  return { ...record, version: String(lastVersion), revisionId: randomUUID(), settings, sourceSha256Hex };
}
