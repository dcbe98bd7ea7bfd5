import { cpuMilliOf, type FunctionVersion } from "../model/function-version.ts";
import type { Grant } from "../model/grant.ts";
import type { Assignment } from "../protocol/agent-protocol.ts";

export type AssignmentOptions = {
  /** Of the unpacked archive. */
  codeDir(sha256Hex: string): string;
  /** Of archives laid over each other. */
  layersDir(sha256Hexes: readonly string[]): string;
  readonly region: string;
};

/**
 * What an agent needs to make a blank container this function's.
 * @param grant undefined: it gets what it states. @param logStream name of the container's log stream.
 */
export function assignmentOf(
  version: FunctionVersion,
  grant: Grant | undefined,
  logStream: string,
  { codeDir, layersDir, region }: AssignmentOptions,
): Assignment {
  const sha256Hexes = version.layerSha256Hexes ?? [];
  return {
    functionKey: version.key,
    accountId: version.accountId,
    functionName: version.name,
    version: version.version,
    functionArn: version.arn,
    handler: version.handler,
    codeDir: codeDir(version.codeSha256Hex),
    codeSha256Hex: version.codeSha256Hex,
    layers: sha256Hexes.length === 0 ? undefined : { dir: layersDir(sha256Hexes), sha256Hexes: [...sha256Hexes] },
    environment: version.environment,
    memoryMiB: grant?.memoryMiB ?? version.memoryMiB,
    requestedMemoryMiB: version.memoryMiB,
    rescueMemoryMiB: grant?.rescueMemoryMiB ?? version.memoryMiB,
    reservedMiB: grant?.reservedMiB,
    needMiB: grant?.needMiB,
    cpuMilli: grant?.cpuMilli ?? cpuMilliOf(version.memoryMiB),
    timeoutMs: version.timeoutMs,
    ephemeralStorageMiB: version.ephemeralStorageMiB,
    region,
    logGroup: version.logGroup,
    logFormat: version.logFormat,
    applicationLogLevel: version.applicationLogLevel,
    systemLogLevel: version.systemLogLevel,
    logStream,
  };
}

/** Hashes of all archives that a function's container is made of. */
export function archivesOf({ codeSha256Hex, layerSha256Hexes = [] }: FunctionVersion): readonly string[] {
  return [codeSha256Hex, ...layerSha256Hexes];
}
