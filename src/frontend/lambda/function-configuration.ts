import { createHash } from "node:crypto";
import type { FunctionDescription } from "../../ports/function-catalog.ts";

type Configuration = Record<string, unknown>;

/** A function's configuration as the API shows it in single answers. */
export function configurationOf(description: FunctionDescription, region: string): Configuration {
  return {
    ...listedConfigurationOf(description),
    ...statesOf(description),
    RuntimeVersionConfig: runtimeVersionOf(description, region),
  };
}

/** As ListFunctions shows it: without states. */
export function listedConfigurationOf(description: FunctionDescription): Configuration {
  const { settings, code } = description;
  return {
    FunctionName: description.name,
    FunctionArn: description.arn,
    Runtime: settings.runtime,
    Role: settings.role,
    Handler: settings.handler,
    CodeSize: code.codeSizeBytes,
    Description: settings.description,
    Timeout: settings.timeoutMs / 1000,
    MemorySize: settings.memoryMiB,
    LastModified: new Date(description.lastModifiedMs).toISOString().replace("Z", "+0000"),
    CodeSha256: Buffer.from(code.sha256Hex, "hex").toString("base64"),
    Version: description.version,
    ...(settings.environment === undefined ? {} : { Environment: { Variables: settings.environment } }),
    TracingConfig: { Mode: settings.tracingMode },
    RevisionId: description.revisionId,
    PackageType: "Zip",
    Architectures: [settings.architecture],
    EphemeralStorage: { Size: settings.ephemeralStorageMiB },
    SnapStart: { ApplyOn: settings.snapStart, OptimizationStatus: "Off" },
    LoggingConfig: { LogFormat: "Text", LogGroup: settings.logGroup },
  };
}

function statesOf({ state, lastUpdateStatus }: FunctionDescription): Configuration {
  const creating = { reason: "The function is being created.", code: "Creating" };
  if (state === "Pending") {
    return { State: state, StateReason: creating.reason, StateReasonCode: creating.code };
  }
  if (state === "Failed") {
    return {
      State: state,
      StateReason: "The function's code is damaged. Update the code to repair it.",
      StateReasonCode: "InvalidZipFileException",
      LastUpdateStatus: lastUpdateStatus,
    };
  }
  if (lastUpdateStatus !== "InProgress") return { State: state, LastUpdateStatus: lastUpdateStatus };
  return {
    State: state,
    LastUpdateStatus: lastUpdateStatus,
    LastUpdateStatusReason: creating.reason,
    LastUpdateStatusReasonCode: creating.code,
  };
}

/** AWS names the exact build of a runtime by a hash; ours is of the runtime's name. */
function runtimeVersionOf({ settings }: FunctionDescription, region: string): Configuration {
  const build = createHash("sha256").update(settings.runtime).digest("hex");
  return { RuntimeVersionArn: `arn:aws:lambda:${region}::runtime:${build}` };
}
