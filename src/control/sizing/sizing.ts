import type { Grant, Room, SizedVersion } from "../../model/grant.ts";
import type { AccountId } from "../../model/ids.ts";
import type { SizeStory } from "../../model/size-story.ts";
import {
  type ContainerSize,
  partsOfSizingKey,
  resolvedSizing,
  type SizingDecision,
  type SizingKey,
  type SizingScope,
  type SizingSettings,
} from "../../model/sizing.ts";
import type { Execution } from "./execution.ts";
import { requestedSize } from "./size-bounds.ts";
import { isSameSize } from "./trial.ts";
import type { SizingHint, VersionRecord } from "./version-record.ts";
import { VersionSizing } from "./version-sizing.ts";

/** A function version's whole story, as JSON. */
export type SizingRecord = Omit<SizedVersion, "memoryMiB" | "cpuMilli"> & { readonly version: VersionRecord };

/** So many function versions are remembered; beyond that the one that was used longest ago is forgotten. */
export const VERSIONS_MAX = 100_000;

const NONE: readonly SizingKey[] = [];

type Known = { readonly of: SizedVersion; readonly version: VersionSizing };

/**
 * The size of every function version, learned from its executions; the door to the folder. Pure: the same calls give the same
 * answers. `observe` and `effectiveOf` take constant time.
 */
export class Sizing {
  /** The one used longest ago first. */
  readonly #known = new Map<SizingKey, Known>();
  /** The newest key of each function: what it taught is a hint for the next one. */
  readonly #newest = new Map<string, SizingKey>();
  readonly #settings = new Map<string, Partial<SizingSettings>>();
  /** Since `takeChanged`. */
  readonly #changed = new Set<SizingKey>();
  /** Since `takeStartedOver`. */
  readonly #startedOver = new Set<SizingKey>();
  #isStopped = false;

  /** Everything gets what it requested, and nothing is decided, until it is allowed again. */
  stop(isStopped: boolean): void {
    this.#isStopped = isStopped;
    this.#applySettings(() => true);
  }

  /** @param settings undefined: nothing is said any more. */
  configure(scope: SizingScope, settings: Partial<SizingSettings> | undefined): void {
    if (settings === undefined) this.#settings.delete(scopeKey(scope));
    else this.#settings.set(scopeKey(scope), settings);
    this.#applySettings(
      (of) => of.accountId === scope.accountId && (scope.kind === "account" || of.functionName === scope.functionName),
    );
  }

  settingsOf({ accountId, functionName }: Pick<SizedVersion, "accountId" | "functionName">): SizingSettings {
    const account = this.#settings.get(scopeKey({ kind: "account", accountId }));
    const own = this.#settings.get(scopeKey({ kind: "function", accountId, functionName }));
    return resolvedSizing([account, own], this.#isStopped);
  }

  /**
   * What a new container gets. A stated amount that is new starts over (B9).
   * @param inputBytes of the event that it is made for, where that is known.
   */
  effectiveOf(of: SizedVersion, inputBytes?: number): Grant {
    const version = this.#versionOf(of);
    const grant = version.grant(inputBytes);
    return { ...grant, why: whyOf(version, grant) };
  }

  /**
   * What new containers take of an instance: the same object until `observe` or `takeStartedOver` says that it changed. Never less
   * than `effectiveOf` without an input. @returns undefined: what the call states.
   */
  roomOf(of: SizedVersion): Room | undefined {
    return this.#isOutdated(of) ? undefined : this.#versionOf(of).room;
  }

  /** Versions of which another amount is stated now, each handed out once: calls that stated the one before take just that from now on. */
  takeStartedOver(): readonly SizingKey[] {
    if (this.#startedOver.size === 0) return NONE;
    const keys = [...this.#startedOver];
    this.#startedOver.clear();
    return keys;
  }

  /** A container was made with this size. */
  containerStarted(key: SizingKey, size: ContainerSize): void {
    this.#known.get(key)?.version.containerStarted(size);
  }

  /** An execution ended. @returns whether new containers take other room than before. */
  observe(of: SizedVersion, execution: Execution): boolean {
    const known = this.#known.get(of.key);
    // It was asked for with another amount, before that was changed.
    if (known !== undefined && known.of.memoryMiB !== of.memoryMiB) return false;
    const version = this.#versionOf(of);
    const { room } = version;
    version.observe(execution);
    this.#changed.add(of.key);
    return version.room !== room;
  }

  /** The newest last; empty: nothing was decided, or it is not known. */
  decisionsOf(key: SizingKey): readonly SizingDecision[] {
    return this.#known.get(key)?.version.decisions ?? [];
  }

  /** undefined: nothing is known of it. */
  versionOf(key: SizingKey): VersionSizing | undefined {
    return this.#known.get(key)?.version;
  }

  forget(key: SizingKey): void {
    const known = this.#known.get(key);
    this.#known.delete(key);
    this.#changed.add(key);
    if (known !== undefined && this.#newest.get(functionKey(known.of)) === key)
      this.#newest.delete(functionKey(known.of));
  }

  /** @param version of it, `$LATEST` or a number as text; undefined: all. Looks at everything that is known. */
  forgetFunction(accountId: AccountId, functionName: string, version?: string): void {
    for (const { of } of [...this.#known.values()]) {
      if (of.accountId !== accountId || of.functionName !== functionName) continue;
      if (version === undefined || partsOfSizingKey(of.key).version === version) this.forget(of.key);
    }
  }

  get versions(): number {
    return this.#known.size;
  }

  /** Of all that is known, the one used longest ago first. */
  keys(): SizingKey[] {
    return [...this.#known.keys()];
  }

  /** undefined: nothing is known of it. */
  storyOf(key: SizingKey): SizeStory | undefined {
    return this.#known.get(key)?.version.story();
  }

  /**
   * What has to be stored anew, each handed out once: keys whose record is another one than before, and, without a record,
   * those that were forgotten. @param countMax the others come with the next call.
   */
  takeChanged(countMax: number): SizingKey[] {
    const taken: SizingKey[] = [];
    for (const key of this.#changed) {
      if (taken.length === countMax) break;
      taken.push(key);
      this.#changed.delete(key);
    }
    return taken;
  }

  /** What to store so that it survives a restart; undefined: nothing is known of it. */
  recordOf(key: SizingKey): SizingRecord | undefined {
    const known = this.#known.get(key);
    if (known === undefined) return undefined;
    const { accountId, functionName } = known.of;
    return { key, accountId, functionName, version: known.version.record() };
  }

  restore({ key, accountId, functionName, version }: SizingRecord): void {
    const of = { key, accountId, functionName, ...version.requested };
    this.#remember({ of, version: VersionSizing.from(version, this.settingsOf(of)) });
  }

  #versionOf(of: SizedVersion): VersionSizing {
    const known = this.#known.get(of.key);
    const requested = requestedSize(of.memoryMiB, of.cpuMilli);
    if (known !== undefined && isRequested(known.version, requested)) {
      this.#known.delete(of.key);
      this.#known.set(of.key, (of.order ?? 0) > (known.of.order ?? 0) ? { ...known, of } : known);
      return known.version;
    }
    if (this.#isOutdated(of)) return new VersionSizing(requested, this.settingsOf(of));
    if (known !== undefined) this.#startedOver.add(of.key);
    // A stated amount that is new starts over; a new version has the older one's as a hint.
    const version = new VersionSizing(
      requested,
      this.settingsOf(of),
      known === undefined ? this.#hintFor(of) : undefined,
    );
    this.#remember({ of, version });
    this.#changed.add(of.key);
    return version;
  }

  /** What an earlier call stated holds for that call and teaches nothing. */
  #isOutdated(of: SizedVersion): boolean {
    const known = this.#known.get(of.key);
    if (known === undefined || (of.order ?? 0) >= (known.of.order ?? 0)) return false;
    return !isRequested(known.version, requestedSize(of.memoryMiB, of.cpuMilli));
  }

  #hintFor(of: SizedVersion): SizingHint | undefined {
    const before = this.#newest.get(functionKey(of));
    return before === undefined ? undefined : this.#known.get(before)?.version.hint;
  }

  #remember(known: Known): void {
    this.#known.set(known.of.key, known);
    this.#newest.set(functionKey(known.of), known.of.key);
    if (this.#known.size <= VERSIONS_MAX) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.forget(oldest);
  }

  #applySettings(isMeant: (of: SizedVersion) => boolean): void {
    for (const { of, version } of this.#known.values()) {
      if (!isMeant(of)) continue;
      version.applySettings(this.settingsOf(of));
      this.#changed.add(of.key);
    }
  }
}

function isRequested({ requested }: VersionSizing, { memoryMiB, cpuMilli }: ContainerSize): boolean {
  return requested.memoryMiB === memoryMiB && requested.cpuMilli === cpuMilli;
}

function functionKey({ accountId, functionName }: Pick<SizedVersion, "accountId" | "functionName">): string {
  return scopeKey({ kind: "function", accountId, functionName });
}

function scopeKey(scope: SizingScope): string {
  return scope.kind === "account" ? scope.accountId : `${scope.accountId}/${scope.functionName}`;
}

function whyOf(version: VersionSizing, grant: Omit<Grant, "why">): string {
  if (version.trial !== undefined && isSameSize(grant, version.trial))
    return "On trial: a part of the new containers gets it.";
  if (isSameSize(grant, version.requested) && grant.reservedMiB === grant.memoryMiB) return "As requested.";
  return version.decisions.at(-1)?.why ?? "As learned.";
}
