import { cpuMilliOf, type FunctionVersion } from "../model/function-version.ts";
import type { Assignment } from "../protocol/agent-protocol.ts";

/** What an agent needs to make a blank container this function's. */
export function assignmentOf(
  version: FunctionVersion,
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
    memoryMiB: version.memoryMiB,
    requestedMemoryMiB: version.memoryMiB,
    rescueMemoryMiB: version.memoryMiB,
    cpuMilli: cpuMilliOf(version.memoryMiB),
    timeoutMs: version.timeoutMs,
    ephemeralStorageMiB: version.ephemeralStorageMiB,
    region,
  };
}
