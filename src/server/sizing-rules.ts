import type { AccountId } from "../model/ids.ts";
import { resolvedSizing, type SizingScope, type SizingSettings } from "../model/sizing.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { type ServerSizingScope, type SizingChange, type SizingSaid, scopeKeyOf } from "../ports/sizing-change.ts";
import type { SizingStore } from "../ports/sizing-store.ts";
import type { ScopeSettings, SizingOrigin } from "../ports/sizing-view.ts";

export type SizingRulesOptions = {
  readonly store: Pick<SizingStore, "loadSettings" | "changes" | "putSettings">;
  readonly clock: Clock;
  readonly log: Log;
  /** In the order of the changes, each once it is on disk; those of an earlier server come with `load`. */
  onChange(scope: SizingScope, said: SizingSaid | undefined): void;
  /** Likewise. */
  onStop(isStopped: boolean): void;
};

const EVERYWHERE = { kind: "everywhere" } as const;

/** What is said of sizes for functions, accounts and everywhere: in memory for reading, written and logged with who changed it. */
export class SizingRules {
  readonly #options: SizingRulesOptions;
  /** By scope; what says nothing is not there. */
  readonly #said = new Map<string, SizingSaid>();
  /** Changes are made one after the other: what the log says was there before must have been. */
  #lastChange: Promise<unknown> = Promise.resolve();

  constructor(options: SizingRulesOptions) {
    this.#options = options;
  }

  /** @param isThere whether there is such a function: a crash may have come before `functionDeleted`. @throws HearthError STORE_FAILED. */
  async load(
    isThere: (of: { readonly accountId: AccountId; readonly functionName: string }) => boolean = () => true,
  ): Promise<void> {
    for (const { scope, after } of await this.#options.store.loadSettings()) {
      this.#apply(scope, after);
      if (scope.kind === "function" && !isThere(scope)) await this.functionDeleted(scope.accountId, scope.functionName);
    }
  }

  get isStopped(): boolean {
    return this.#saidOf(EVERYWHERE).mode === "off";
  }

  /** Newest first. @throws HearthError STORE_FAILED. */
  changes(scope: ServerSizingScope): Promise<SizingChange[]> {
    return this.#options.store.changes(scope);
  }

  /** What a scope says, and what follows from it. */
  settingsOf(scope: SizingScope): Omit<ScopeSettings, "changes"> {
    const said = this.#saidOf(scope);
    const account = scope.kind === "account" ? {} : this.#saidOf({ kind: "account", accountId: scope.accountId });
    const inherited = resolvedSizing([account], false);
    const settings = resolvedSizing([account, said], this.isStopped);
    const originOf = (name: keyof SizingSettings): SizingOrigin => {
      if (name === "mode" && this.isStopped) return "stopped";
      if (said[name] !== undefined) return scope.kind;
      return account[name] === undefined ? "default" : "account";
    };
    const names = Object.keys(settings) as (keyof SizingSettings)[];
    const origins = Object.fromEntries(names.map((name) => [name, originOf(name)])) as ScopeSettings["origins"];
    return { said, inherited, settings, origins };
  }

  /** Resolves when the change is on disk and in force. @throws HearthError STORE_FAILED; then nothing has changed. */
  set(scope: SizingScope, after: SizingSaid, changedBy: string): Promise<void> {
    return this.#inTurn(() => this.#set(scope, after, changedBy));
  }

  /** @throws HearthError STORE_FAILED; then nothing has changed. */
  stop(isStopped: boolean, changedBy: string): Promise<void> {
    return this.#inTurn(() => this.#set(EVERYWHERE, isStopped ? { mode: "off" } : {}, changedBy));
  }

  /** A function of that name that is made later starts without what was said of this one. @throws HearthError STORE_FAILED. */
  functionDeleted(accountId: AccountId, functionName: string): Promise<void> {
    const scope = { kind: "function", accountId, functionName } as const;
    return this.#inTurn(async () => {
      if (this.#said.has(scopeKeyOf(scope))) await this.#set(scope, {}, "the function was deleted");
    });
  }

  #saidOf(scope: ServerSizingScope): SizingSaid {
    return this.#said.get(scopeKeyOf(scope)) ?? {};
  }

  #inTurn(change: () => Promise<void>): Promise<void> {
    const changed = this.#lastChange.then(change);
    this.#lastChange = changed.catch(() => {});
    return changed;
  }

  async #set(scope: ServerSizingScope, after: SizingSaid, changedBy: string): Promise<void> {
    const { store, clock, log } = this.#options;
    const before = this.#saidOf(scope);
    await store.putSettings({ scope, changedMs: clock.nowMs(), changedBy, before, after });
    log.info({ scope, changedBy, before, after }, "what is said of sizes was changed");
    this.#apply(scope, after);
  }

  #apply(scope: ServerSizingScope, after: SizingSaid): void {
    const isSilent = Object.keys(after).length === 0;
    if (isSilent) this.#said.delete(scopeKeyOf(scope));
    else this.#said.set(scopeKeyOf(scope), after);
    if (scope.kind === "everywhere") this.#options.onStop(this.isStopped);
    else this.#options.onChange(scope, isSilent ? undefined : after);
  }
}
