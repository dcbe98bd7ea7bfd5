import { cpuMilliOf, type FunctionVersion } from "../model/function-version.ts";
import type { Grant } from "../model/grant.ts";
import type { Assignment } from "../protocol/agent-protocol.ts";

/** What an agent needs to make a blank container this function's. @param grant undefined: it gets what it states. */
export function assignmentOf(
  version: FunctionVersion,
  grant: Grant | undefined,
  { codeDir, region }: { codeDir(sha256Hex: string): string; readonly region: string },
): Assignment {
  return {
    functionKey: version.key,
    accountId: version.accountId,
    functionName: version.name,
    version: version.version,
    functionArn: version.arn,
    handler: version.handler,
    codeDir: codeDir(version.codeSha256Hex),
    codeSha256Hex: version.codeSha256Hex,
    environment: version.environment,
    memoryMiB: grant?.memoryMiB ?? version.memoryMiB,
    requestedMemoryMiB: version.memoryMiB,
    rescueMemoryMiB: grant?.rescueMemoryMiB ?? version.memoryMiB,
    reservedMiB: grant?.reservedMiB,
    cpuMilli: grant?.cpuMilli ?? cpuMilliOf(version.memoryMiB),
    timeoutMs: version.timeoutMs,
    ephemeralStorageMiB: version.ephemeralStorageMiB,
    region,
  };
}
