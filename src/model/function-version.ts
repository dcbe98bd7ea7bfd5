import type { AccountId, FunctionKey } from "./ids.ts";
import type { RuntimeName } from "./runtime.ts";

/** How much a function says in its own log, from most to least. */
export const LOG_LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"] as const;

/** One of `LOG_LEVELS`. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** How much the platform says in a function's log, from most to least. */
export const SYSTEM_LOG_LEVELS = ["DEBUG", "INFO", "WARN"] as const;

/** One of `SYSTEM_LOG_LEVELS`. */
export type SystemLogLevel = (typeof SYSTEM_LOG_LEVELS)[number];

/** What the control core and the agent need to know of a function version; immutable. */
export type FunctionVersion = {
  readonly key: FunctionKey;
  readonly accountId: AccountId;
  readonly name: string;
  /** `$LATEST` or a number as text. */
  readonly version: string;
  /** Unqualified ARN. */
  readonly arn: string;
  readonly runtime: RuntimeName;
  readonly handler: string;
  /** Lower-case hex sha256 of the zip archive; names the folder in the code store. */
  readonly codeSha256Hex: string;
  /** undefined: as Lambda has it when nothing is said, x86_64. */
  readonly architecture?: "x86_64" | "arm64" | undefined;
  /** Of the archives of its layers, the lowest first. Absent: it has none. */
  readonly layerSha256Hexes?: readonly string[] | undefined;
  readonly environment: Readonly<Record<string, string>>;
  /** The requested size: what the function is told it has. Containers get what sizing grants. */
  readonly memoryMiB: number;
  readonly timeoutMs: number;
  /** Size of the private /tmp. */
  readonly ephemeralStorageMiB: number;
  /** The log group that it logs to. undefined: `/aws/lambda/NAME`. */
  readonly logGroup?: string | undefined;
  /** undefined: `Text`. */
  readonly logFormat?: "Text" | "JSON" | undefined;
  /** Lines below it are dropped; only with format `JSON`, and there INFO when undefined. */
  readonly applicationLogLevel?: LogLevel | undefined;
  readonly systemLogLevel?: SystemLogLevel | undefined;
  /** Not time-sensitive unless a call says otherwise: how long after its arrival it must be done. Changes with the tags. */
  readonly deadlineAfterMs?: number | undefined;
};

/** Lambda gives 1 vCPU per 1,769 MB (AWS documentation, "Configure Lambda function memory"). */
const MEMORY_MIB_PER_VCPU = 1769;

/** CPU share of a container of this memory, in thousandths of a vCPU. */
export function cpuMilliOf(memoryMiB: number): number {
  return Math.max(1, Math.round((memoryMiB * 1000) / MEMORY_MIB_PER_VCPU));
}
