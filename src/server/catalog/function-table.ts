import type { AccountId } from "../../model/ids.ts";
import { type FunctionEntry, versionsOf } from "./function-entry.ts";
import { layerHashes } from "./layer-room.ts";

/** All functions in memory, by account and name. */
export class FunctionTable {
  readonly #accounts = new Map<AccountId, Map<string, FunctionEntry>>();

  find(accountId: AccountId, name: string): FunctionEntry | undefined {
    return this.#accounts.get(accountId)?.get(name);
  }

  set(accountId: AccountId, name: string, entry: FunctionEntry): void {
    const functions = this.#accounts.get(accountId) ?? new Map<string, FunctionEntry>();
    this.#accounts.set(accountId, functions.set(name, entry));
  }

  delete(accountId: AccountId, name: string): void {
    this.#accounts.get(accountId)?.delete(name);
  }

  /** In no order. */
  ofAccount(accountId: AccountId): FunctionEntry[] {
    return [...(this.#accounts.get(accountId)?.values() ?? [])];
  }

  /** In no order. */
  all(): FunctionEntry[] {
    return [...this.#accounts.values()].flatMap((functions) => [...functions.values()]);
  }

  usage(accountId: AccountId): { readonly functionCount: number; readonly codeSizeBytes: number } {
    const entries = this.ofAccount(accountId);
    let codeSizeBytes = 0;
    for (const { record } of entries.flatMap(versionsOf)) codeSizeBytes += record.code.codeSizeBytes;
    return { functionCount: entries.length, codeSizeBytes };
  }

  functionCount(): number {
    let count = 0;
    for (const functions of this.#accounts.values()) count += functions.size;
    return count;
  }

  /** This code is sound again. */
  mend(sha256Hex: string): void {
    for (const entry of this.all()) {
      for (const { record, isDamaged } of versionsOf(entry)) {
        if (isDamaged && record.code.sha256Hex === sha256Hex) markSound(entry, record.version);
      }
    }
  }

  /** Hashes of the code that any version has. */
  usedCode(): Set<string> {
    const code = this.all().flatMap((entry) => versionsOf(entry).map(({ record }) => record.code.sha256Hex));
    return new Set([...code, ...this.usedLayers().flat()]);
  }

  /** The layers of all versions that have any, as hashes of their archives, the lowest first. */
  usedLayers(): string[][] {
    const entries = [...this.#accounts.values()].flatMap((functions) => [...functions.values()]);
    const lists = entries.flatMap(versionsOf).map(({ record }) => layerHashes(record));
    return lists.filter((hashes) => hashes.length > 0);
  }
}

function markSound(entry: FunctionEntry, version: string): void {
  const published = entry.versions.get(version);
  if (published === undefined) entry.latest = { ...entry.latest, isDamaged: false };
  else entry.versions.set(version, { ...published, isDamaged: false });
}
