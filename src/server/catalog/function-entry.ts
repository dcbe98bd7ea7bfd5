import { deadlineAfterMsOf } from "../../model/deadline.ts";
import { containerRuntimeOf } from "../../model/function-runtime.ts";
import type { FunctionVersion } from "../../model/function-version.ts";
import type { FunctionKey } from "../../model/ids.ts";
import type { AliasRecord } from "../../ports/alias-catalog.ts";
import type {
  FunctionDescription,
  FunctionRecord,
  PublishedRecord,
  VersionRecord,
} from "../../ports/function-catalog.ts";
import { functionArn } from "./function-arn.ts";

/** A version's revision that callers see while it settles; the lasting one follows it. */
export type Settling = {
  readonly kind: "create" | "update";
  readonly revisionId: string;
  readonly untilMs: number;
};

/** A version in memory. */
export type VersionEntry<R extends VersionRecord = VersionRecord> = {
  readonly record: R;
  /** What invocations run. */
  readonly version: FunctionVersion;
  readonly settling: Settling | undefined;
  readonly isDamaged: boolean;
};

/** A function in memory. */
export type FunctionEntry = {
  latest: VersionEntry<FunctionRecord>;
  /** By number as text, from the oldest on. */
  readonly versions: Map<string, VersionEntry<PublishedRecord>>;
  readonly aliases: Map<string, AliasRecord>;
};

/** What of a version's state does not come from its record. */
export type EntryState = {
  readonly settling?: Settling | undefined;
  readonly isDamaged?: boolean;
};

/** @param tags of the function. */
export function versionEntryOf<R extends VersionRecord>(
  record: R,
  tags: FunctionRecord["tags"],
  region: string,
  { settling, isDamaged = false }: EntryState = {},
): VersionEntry<R> {
  return { record, version: functionVersionOf(record, tags, region), settling, isDamaged };
}

/** The version that a qualifier names; for an alias its first one. undefined: there is none. */
export function namedVersion(entry: FunctionEntry, qualifier: string | undefined): VersionEntry | undefined {
  if (qualifier === undefined || qualifier === "$LATEST") return entry.latest;
  const version = entry.versions.get(qualifier);
  if (version !== undefined) return version;
  const alias = entry.aliases.get(qualifier);
  return alias === undefined ? undefined : namedVersion(entry, alias.version);
}

/** All versions, `$LATEST` first, then from the oldest on. */
export function versionsOf(entry: FunctionEntry): VersionEntry[] {
  return [entry.latest, ...entry.versions.values()];
}

/** The settling that callers still see. */
export function settlingAt(nowMs: number, { settling }: VersionEntry): Settling | undefined {
  return settling !== undefined && nowMs < settling.untilMs ? settling : undefined;
}

export function describe(entry: VersionEntry, tags: FunctionRecord["tags"], nowMs: number): FunctionDescription {
  const { record, version, isDamaged } = entry;
  const settling = settlingAt(nowMs, entry);
  const isPending = settling?.kind === "create";
  return {
    ...record,
    tags,
    arn: version.arn,
    revisionId: settling?.revisionId ?? record.revisionId,
    state: isDamaged ? "Failed" : isPending ? "Pending" : "Active",
    lastUpdateStatus: isPending ? undefined : settling?.kind === "update" ? "InProgress" : "Successful",
  };
}

function functionVersionOf(record: VersionRecord, tags: FunctionRecord["tags"], region: string): FunctionVersion {
  const { accountId, name, version, buildId, settings } = record;
  return {
    key: `${accountId}/${name}/${version}/${buildId}` as FunctionKey,
    accountId,
    name,
    version,
    arn: functionArn(region, accountId, name),
    runtime: containerRuntimeOf(settings.runtime),
    handler: settings.handler,
    codeSha256Hex: record.code.sha256Hex,
    architecture: record.settings.architecture,
    layerSha256Hexes: settings.layers?.map(({ code }) => code.sha256Hex),
    environment: settings.environment ?? {},
    memoryMiB: settings.memoryMiB,
    timeoutMs: settings.timeoutMs,
    ephemeralStorageMiB: settings.ephemeralStorageMiB,
    logGroup: settings.logGroup,
    logFormat: settings.logFormat,
    applicationLogLevel: settings.applicationLogLevel,
    systemLogLevel: settings.systemLogLevel,
    deadlineAfterMs: deadlineAfterMsOf(tags),
  };
}
