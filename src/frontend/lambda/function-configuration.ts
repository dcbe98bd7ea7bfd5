import type { FunctionDescription, FunctionSettings } from "../../ports/function-catalog.ts";
import { runtimeVersionOf } from "../../protocol/runtime-version.ts";

type Configuration = Record<string, unknown>;

/**
 * A version's configuration as the API shows it in single answers.
 * @param qualifier that its ARN is shown with; undefined: none.
 */
export function configurationOf(description: FunctionDescription, region: string, qualifier?: string): Configuration {
  return {
    ...listedConfigurationOf(description, qualifier),
    ...statesOf(description),
    RuntimeVersionConfig: { RuntimeVersionArn: runtimeVersionOf(description.settings.runtime, region).arn },
  };
}

/** As lists show it: without states. */
export function listedConfigurationOf(description: FunctionDescription, qualifier?: string): Configuration {
  const { settings, code, arn } = description;
  return {
    FunctionName: description.name,
    FunctionArn: qualifier === undefined ? arn : `${arn}:${qualifier}`,
    Runtime: settings.runtime,
    Role: settings.role,
    Handler: settings.handler,
    CodeSize: code.codeSizeBytes,
    Description: settings.description,
    Timeout: settings.timeoutMs / 1000,
    MemorySize: settings.memoryMiB,
    LastModified: lambdaTimeOf(description.lastModifiedMs),
    CodeSha256: Buffer.from(code.sha256Hex, "hex").toString("base64"),
    Version: description.version,
    ...(settings.layers === undefined || settings.layers.length === 0
      ? {}
      : { Layers: settings.layers.map(({ arn, code: { codeSizeBytes } }) => ({ Arn: arn, CodeSize: codeSizeBytes })) }),
    ...(settings.environment === undefined ? {} : { Environment: { Variables: settings.environment } }),
    TracingConfig: { Mode: settings.tracingMode },
    RevisionId: description.revisionId,
    PackageType: "Zip",
    Architectures: [settings.architecture],
    EphemeralStorage: { Size: settings.ephemeralStorageMiB },
    SnapStart: { ApplyOn: settings.snapStart, OptimizationStatus: "Off" },
    LoggingConfig: loggingOf(settings),
    ...(settings.deadLetterArn === undefined ? {} : { DeadLetterConfig: { TargetArn: settings.deadLetterArn } }),
    ...(settings.kmsKeyArn === undefined ? {} : { KMSKeyArn: settings.kmsKeyArn }),
    ...(settings.isVpcEchoed === true ? { VpcConfig: NO_VPC } : {}),
  };
}

const NO_VPC = { SubnetIds: [], SecurityGroupIds: [], VpcId: "", Ipv6AllowedForDualStack: false };

/** Levels are shown with the format JSON only. */
function loggingOf({ logFormat, applicationLogLevel, systemLogLevel, logGroup }: FunctionSettings): Configuration {
  if (logFormat !== "JSON") return { LogFormat: "Text", LogGroup: logGroup };
  return {
    LogFormat: logFormat,
    ApplicationLogLevel: applicationLogLevel ?? "INFO",
    SystemLogLevel: systemLogLevel ?? "INFO",
    LogGroup: logGroup,
  };
}

/** As Lambda writes times. */
export function lambdaTimeOf(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "+0000");
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
