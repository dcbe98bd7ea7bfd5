import { readdirSync } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { InstanceId } from "../model/ids.ts";
import type { CodeStore } from "../ports/code-store.ts";
import type { Log } from "../ports/log.ts";

export type CodeCacheOptions = {
  /** Absolute; the store's own. */
  readonly dir: string;
  readonly store: CodeStore;
  readonly bytesMax: number;
  /** The archive with this hash, from the server; its hash is checked here. @throws Error. */
  fetch(sha256Hex: string): Promise<Buffer>;
  readonly log: Pick<Log, "info" | "warn">;
};

type Cached = { bytes: number; usedMs: number };

const FOLDER = /^[0-9a-f]{64}$/;

/**
 * Functions' code and layers on this host, by hash. What an instance was given stays until that instance has ended: it may be mounted in its
 * containers. The rest is removed beyond `bytesMax`, the longest unused first.
 */
export class CodeCache {
  readonly #options: CodeCacheOptions;
  readonly #cached = new Map<string, Cached>();
  readonly #fetching = new Map<string, Promise<void>>();
  readonly #uses = new Map<InstanceId, Set<string>>();
  #lastTrim: Promise<void> = Promise.resolve();

  private constructor(options: CodeCacheOptions) {
    this.#options = options;
  }

  /** @param running instances that were started before, any of which may use anything that is here. */
  static async open(options: CodeCacheOptions, running: readonly InstanceId[]): Promise<CodeCache> {
    const cache = new CodeCache(options);
    const found = readdirSync(options.dir).filter((name) => FOLDER.test(name));
    for (const name of found) cache.#cached.set(name, { bytes: await cache.#sizeOf(name), usedMs: 0 });
    for (const instanceId of running) cache.#uses.set(instanceId, new Set(found));
    return cache;
  }

  /** The folder of the code if it is here, for an instance that will use it from now on. */
  find(sha256Hex: string, instanceId: InstanceId): string | undefined {
    const cached = this.#cached.get(sha256Hex);
    if (cached === undefined) return undefined;
    cached.usedMs = performance.now();
    const used = this.#uses.get(instanceId);
    if (used === undefined) this.#uses.set(instanceId, new Set([sha256Hex]));
    else used.add(sha256Hex);
    return this.#options.store.dir(sha256Hex);
  }

  /** Fetches what is not here; several askers cause one fetch. @throws Error when it cannot be had, or is not what its hash says. */
  ensure(sha256Hex: string, instanceId: InstanceId): Promise<string> {
    this.#begin(instanceId);
    return this.#ensureCode(sha256Hex, instanceId);
  }

  #ensureCode(sha256Hex: string, instanceId: InstanceId): Promise<string> {
    return this.#ensure(sha256Hex, instanceId, () => this.#fetch(sha256Hex));
  }

  /** As `find`, of layers laid over each other. */
  findLayers(sha256Hexes: readonly string[], instanceId: InstanceId): string | undefined {
    return this.find(this.#options.store.overlayName(sha256Hexes), instanceId);
  }

  /** As `ensure`, of layers laid over each other. */
  async ensureLayers(sha256Hexes: readonly string[], instanceId: InstanceId): Promise<string> {
    this.#begin(instanceId);
    const name = this.#options.store.overlayName(sha256Hexes);
    return this.#ensure(name, instanceId, async () => {
      for (const sha256Hex of sha256Hexes) await this.#ensureCode(sha256Hex, instanceId);
      await this.#lastTrim;
      await this.#options.store.overlay(sha256Hexes);
      this.#cached.set(name, { bytes: await this.#sizeOf(name), usedMs: performance.now() });
    });
  }

  /** The instance has ended. */
  release(instanceId: InstanceId): void {
    if (this.#uses.delete(instanceId)) this.#trimLater();
  }

  #begin(instanceId: InstanceId): void {
    if (!this.#uses.has(instanceId)) this.#uses.set(instanceId, new Set());
  }

  /** @param make puts it into the cache. */
  async #ensure(name: string, instanceId: InstanceId, make: () => Promise<void>): Promise<string> {
    for (;;) {
      // What came for it is nobody's: it would stay as long as the host agent runs.
      if (!this.#uses.has(instanceId)) throw new Error(`instance ${instanceId} has ended`);
      const dir = this.find(name, instanceId);
      if (dir !== undefined) return dir;
      const fetching = this.#fetching.get(name) ?? make().finally(() => this.#fetching.delete(name));
      this.#fetching.set(name, fetching);
      await fetching;
    }
  }

  async #fetch(sha256Hex: string): Promise<void> {
    const beganMs = performance.now();
    const archive = await this.#options.fetch(sha256Hex);
    // One that runs does not know of this code and would remove it.
    await this.#lastTrim;
    const code = await this.#options.store.put(archive);
    if (code.sha256Hex !== sha256Hex) throw new Error(`the server sent code ${code.sha256Hex} for ${sha256Hex}`);
    this.#cached.set(sha256Hex, { bytes: await this.#sizeOf(sha256Hex), usedMs: performance.now() });
    const tookMs = Math.round(performance.now() - beganMs);
    this.#options.log.info({ sha256Hex, archiveBytes: archive.length, tookMs }, "code fetched");
    // Whoever waits for it says first that it uses it.
    setImmediate(() => this.#trimLater());
  }

  #trimLater(): void {
    this.#lastTrim = this.#lastTrim
      .then(() => this.#trim())
      .catch((error: unknown) => {
        this.#options.log.warn({ error }, "old code could not be removed");
      });
  }

  async #trim(): Promise<void> {
    const inUse = new Set([...this.#uses.values()].flatMap((used) => [...used]));
    let bytes = [...this.#cached.values()].reduce((sum, each) => sum + each.bytes, 0);
    const removed: string[] = [];
    const oldest = [...this.#cached].toSorted(([, a], [, b]) => a.usedMs - b.usedMs);
    for (const [sha256Hex, cached] of oldest) {
      if (bytes <= this.#options.bytesMax) break;
      if (inUse.has(sha256Hex)) continue;
      bytes -= cached.bytes;
      // Not found any more from here on: who asks for it now waits for its removal by fetching it anew.
      this.#cached.delete(sha256Hex);
      removed.push(sha256Hex);
    }
    if (removed.length === 0) return;
    const kept = new Set([...this.#cached.keys(), ...this.#fetching.keys()]);
    // The first time marks what nobody uses, the second removes it.
    await this.#options.store.retain(kept, 0);
    await this.#options.store.retain(kept, 0);
    this.#options.log.info({ removed: removed.length }, "old code removed");
  }

  /** Of the archive and its unpacked form. What an overlay shares with its layers counts for both. */
  async #sizeOf(sha256Hex: string): Promise<number> {
    const { dir } = this.#options;
    const archive = await lstat(join(dir, `${sha256Hex}.zip`)).catch(() => ({ size: 0 }));
    const entries = await readdir(join(dir, sha256Hex), { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    let bytes = archive.size;
    for (const file of files) bytes += (await lstat(join(file.parentPath, file.name))).size;
    return bytes;
  }
}
