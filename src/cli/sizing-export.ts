import type { SizedVersionView } from "../ports/sizing-view.ts";
import { confidenceText } from "./sizing-text.ts";

/** What `--export` writes. */
export const EXPORT_FORMATS = ["terraform", "sam", "json"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** What AWS Lambda lets a function have. */
const MEMORY_MB_MIN = 128;
const MEMORY_MB_MAX = 10_240;

/** What a template would need to state for one function. */
type Stated = {
  readonly functionName: string;
  readonly requestedMiB: number;
  /** As AWS Lambda takes it: with the CPU that comes with it there. */
  readonly memorySizeMB: number;
  /** One sentence: how it came about. */
  readonly because: string;
};

/** @param versions of one account, the newest of each function first. */
export function exported(versions: readonly SizedVersionView[], format: ExportFormat): string {
  const stated = newestOnly(versions).map(statedOf);
  switch (format) {
    case "terraform":
      return terraform(stated);
    case "sam":
      return sam(stated);
    case "json":
      return JSON.stringify(stated, null, 2);
    default:
      return format satisfies never;
  }
}

function newestOnly(versions: readonly SizedVersionView[]): SizedVersionView[] {
  const first = new Map<string, SizedVersionView>();
  for (const version of versions) {
    const known = first.get(version.functionName);
    if (known === undefined || version.version === "$LATEST") first.set(version.functionName, version);
  }
  return [...first.values()];
}

function statedOf(version: SizedVersionView): Stated {
  const { functionName, requested, learned, byRatioMiB, evidence } = version;
  const common = { functionName, requestedMiB: requested.memoryMiB };
  if (evidence.peaks === undefined || evidence.peaksMeasured < evidence.executionsMin || byRatioMiB === undefined) {
    const because = `not known yet, so as requested: ${confidenceText(version)}`;
    return { ...common, memorySizeMB: requested.memoryMiB, because };
  }
  const memorySizeMB = Math.min(MEMORY_MB_MAX, Math.max(MEMORY_MB_MIN, byRatioMiB));
  const forCpu =
    byRatioMiB > learned.memoryMiB
      ? `; more than the ${learned.memoryMiB} it needs, for the CPU that comes with it`
      : "";
  const atLeast =
    byRatioMiB < MEMORY_MB_MIN ? `; it needs ${byRatioMiB}, Lambda has no less than ${MEMORY_MB_MIN}` : "";
  const { executions, peaks } = evidence;
  return {
    ...common,
    memorySizeMB,
    because: `requested ${requested.memoryMiB}; the largest of ${executions.toLocaleString("en-US")} executions took ${peaks.maxMiB.toFixed(1)} MiB, ${confidenceText(version)}${forCpu}${atLeast}`,
  };
}

function terraform(stated: readonly Stated[]): string {
  return [
    "# memory_size as learned from live executions (hearth sizing --export terraform).",
    "# Put each line into your own resource of that function; the other arguments stay as they are.",
    ...stated.flatMap(({ functionName, memorySizeMB, because }) => [
      "",
      `# ${because}`,
      `resource "aws_lambda_function" "${identifier(functionName)}" {`,
      `  function_name = "${functionName}"`,
      `  memory_size   = ${memorySizeMB}`,
      "}",
    ]),
  ].join("\n");
}

function sam(stated: readonly Stated[]): string {
  return [
    "# MemorySize as learned from live executions (hearth sizing --export sam).",
    "# Put each line into your own resource of that function; its other properties stay as they are.",
    stated.length === 0 ? "Resources: {}" : "Resources:",
    ...stated.flatMap(({ functionName, memorySizeMB, because }) => [
      `  # ${because}`,
      `  ${logicalId(functionName)}:`,
      "    Type: AWS::Serverless::Function",
      "    Properties:",
      `      FunctionName: "${functionName}"`,
      `      MemorySize: ${memorySizeMB}`,
    ]),
  ].join("\n");
}

/** Terraform names begin with a letter or an underscore. */
function identifier(functionName: string): string {
  const name = functionName.replace(/[^A-Za-z0-9_-]/g, "_");
  return /^[A-Za-z_]/.test(name) ? name : `_${name}`;
}

/** CloudFormation's logical ids are letters and digits. */
function logicalId(functionName: string): string {
  const words = functionName.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  const id = words.map((word) => word[0]?.toUpperCase() + word.slice(1)).join("");
  return /^[A-Za-z]/.test(id) ? id : `Function${id}`;
}
