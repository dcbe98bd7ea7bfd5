import { randomUUID } from "node:crypto";
import type { AccountId } from "../../model/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import type { CodeStore } from "../../ports/code-store.ts";
import type {
  LayerCatalog,
  LayerFilter,
  LayerInput,
  LayerKey,
  LayerPolicyAnswer,
  LayerRecord,
  LayerRefusal,
  LayerStatement,
  LayerVersion,
} from "../../ports/layer-catalog.ts";
import type { RecordTable } from "../../ports/record-table.ts";

export type LayerCatalogOptions = {
  readonly table: RecordTable<LayerRecord>;
  readonly codeStore: Pick<CodeStore, "put">;
  readonly clock: Clock;
};

/** @throws HearthError STORE_FAILED. */
export async function createLayerCatalog(options: LayerCatalogOptions): Promise<LayerCatalog> {
  return new Layers(options, await options.table.load());
}

/** A layer's versions, from the oldest on. */
type Layer = { lastVersion: number; readonly versions: Map<number, LayerVersion> };

class Layers implements LayerCatalog {
  readonly #table: RecordTable<LayerRecord>;
  readonly #codeStore: LayerCatalogOptions["codeStore"];
  readonly #clock: Clock;
  readonly #accounts = new Map<AccountId, Map<string, Layer>>();
  /** Changes of policies happen one after another: each is made of the one before. */
  #lastChange: Promise<unknown> = Promise.resolve();

  constructor({ table, codeStore, clock }: LayerCatalogOptions, records: readonly LayerRecord[]) {
    this.#table = table;
    this.#codeStore = codeStore;
    this.#clock = clock;
    for (const record of records.toSorted((a, b) => a.version - b.version)) {
      const layer = this.#layer(record.accountId, record.name);
      layer.lastVersion = record.version;
      if (!("isDeleted" in record)) layer.versions.set(record.version, record);
    }
  }

  async publish(accountId: AccountId, name: string, zip: Buffer, input: LayerInput): Promise<LayerVersion> {
    const code = await this.#codeStore.put(zip);
    const layer = this.#layer(accountId, name);
    layer.lastVersion += 1;
    const key = { accountId, name, version: layer.lastVersion };
    const published: LayerVersion = { ...key, ...input, code, createdMs: this.#clock.nowMs(), policy: undefined };
    await this.#table.put(idOf(key), published);
    layer.versions.set(key.version, published);
    return published;
  }

  get({ accountId, name, version }: LayerKey): LayerVersion | undefined {
    return this.#accounts.get(accountId)?.get(name)?.versions.get(version);
  }

  list(accountId: AccountId, filter: LayerFilter, afterName: string, count: number): LayerVersion[] {
    const names = [...(this.#accounts.get(accountId)?.keys() ?? [])].filter((name) => name > afterName).sort();
    const found: LayerVersion[] = [];
    for (const name of names) {
      if (found.length >= count) break;
      const [newest] = this.listVersions(accountId, name, filter, Number.POSITIVE_INFINITY, 1);
      if (newest !== undefined) found.push(newest);
    }
    return found;
  }

  listVersions(
    accountId: AccountId,
    name: string,
    filter: LayerFilter,
    beforeVersion: number,
    count: number,
  ): LayerVersion[] {
    return [...(this.#accounts.get(accountId)?.get(name)?.versions.values() ?? [])]
      .filter((layer) => layer.version < beforeVersion && suits(layer, filter))
      .sort((a, b) => b.version - a.version)
      .slice(0, count);
  }

  delete(key: LayerKey): Promise<void> {
    return this.#inTurn(async () => {
      if (this.get(key) === undefined) return;
      const { accountId, name, version } = key;
      await this.#table.put(idOf(key), { accountId, name, version, isDeleted: true });
      this.#layer(accountId, name).versions.delete(version);
    });
  }

  addStatement(key: LayerKey, statement: LayerStatement, revisionId: string | undefined): Promise<LayerPolicyAnswer> {
    return this.#change(key, revisionId, (statements) =>
      statements.some(({ sid }) => sid === statement.sid) ? "statementExists" : [...statements, statement],
    );
  }

  removeStatement(key: LayerKey, sid: string, revisionId: string | undefined): Promise<LayerPolicyAnswer> {
    return this.#change(key, revisionId, (statements) =>
      statements.some((statement) => statement.sid === sid)
        ? statements.filter((statement) => statement.sid !== sid)
        : "statementMissing",
    );
  }

  mayGet({ accountId: owner, policy }: LayerVersion, accountId: AccountId): boolean {
    if (owner === accountId) return true;
    return (policy?.statements ?? []).some(
      ({ principal, organizationId }) =>
        organizationId === undefined &&
        (principal === "*" || principal === accountId || principal === `arn:aws:iam::${accountId}:root`),
    );
  }

  *usedCode(): Iterable<string> {
    for (const layers of this.#accounts.values()) {
      for (const { versions } of layers.values()) for (const { code } of versions.values()) yield code.sha256Hex;
    }
  }

  #change(
    key: LayerKey,
    revisionId: string | undefined,
    change: (statements: readonly LayerStatement[]) => readonly LayerStatement[] | LayerRefusal,
  ): Promise<LayerPolicyAnswer> {
    return this.#inTurn(async () => {
      const before = this.get(key);
      if (before === undefined) return refused("missing");
      if (revisionId !== undefined && revisionId !== before.policy?.revisionId) return refused("revisionMismatch");
      const statements = change(before.policy?.statements ?? []);
      if (typeof statements === "string") return refused(statements);
      const policy = statements.length === 0 ? undefined : { revisionId: randomUUID(), statements };
      const layer = { ...before, policy };
      await this.#table.put(idOf(key), layer);
      this.#layer(key.accountId, key.name).versions.set(key.version, layer);
      return { kind: "done", layer };
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#lastChange.then(work);
    this.#lastChange = done.catch(() => {});
    return done;
  }

  #layer(accountId: AccountId, name: string): Layer {
    const layers = this.#accounts.get(accountId) ?? new Map<string, Layer>();
    this.#accounts.set(accountId, layers);
    const layer = layers.get(name) ?? { lastVersion: 0, versions: new Map() };
    layers.set(name, layer);
    return layer;
  }
}

function refused(why: LayerRefusal): LayerPolicyAnswer {
  return { kind: "refused", why };
}

/** A version that names no runtimes suits none that is asked for, as on Lambda. */
function suits(layer: LayerVersion, { compatibleRuntime, compatibleArchitecture }: LayerFilter): boolean {
  const hasRuntime = compatibleRuntime === undefined || layer.compatibleRuntimes?.includes(compatibleRuntime);
  const hasArchitecture =
    compatibleArchitecture === undefined || layer.compatibleArchitectures?.includes(compatibleArchitecture);
  return hasRuntime === true && hasArchitecture === true;
}

function idOf({ accountId, name, version }: LayerKey): string {
  return `${accountId}/${name}/${version}`;
}
