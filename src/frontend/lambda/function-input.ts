import { z } from "zod";
import type { LogLevel, SystemLogLevel } from "../../model/function-version.ts";
import type { FunctionSettings } from "../../ports/function-catalog.ts";
import type { ObjectPlace } from "../../ports/object-source.ts";
import { invalidParameter, serialization } from "./lambda-error.ts";
import { type RuntimePolicy, runtimeOf } from "./runtimes.ts";

/** Members with null count as absent, as in AWS's own parser. */
export const optional = <T extends z.ZodType>(schema: T) =>
  z
    .nullable(schema)
    .optional()
    .transform((value) => value ?? undefined);

const stringMap = z.record(z.string(), z.string());

const settingsMembers = {
  Runtime: optional(z.string()),
  Role: optional(z.string()),
  Handler: optional(z.string()),
  Description: optional(z.string()),
  Timeout: optional(z.int()),
  MemorySize: optional(z.int()),
  Environment: optional(z.object({ Variables: optional(stringMap) })),
  EphemeralStorage: optional(z.object({ Size: z.int() })),
  TracingConfig: optional(z.object({ Mode: optional(z.string()) })),
  SnapStart: optional(z.object({ ApplyOn: optional(z.string()) })),
  LoggingConfig: optional(
    z.object({
      LogFormat: optional(z.string()),
      ApplicationLogLevel: optional(z.string()),
      SystemLogLevel: optional(z.string()),
      LogGroup: optional(z.string()),
    }),
  ),
  VpcConfig: optional(
    z.object({ SubnetIds: optional(z.array(z.string())), SecurityGroupIds: optional(z.array(z.string())) }),
  ),
  DeadLetterConfig: optional(z.object({ TargetArn: optional(z.string()) })),
  KMSKeyArn: optional(z.string()),
  Layers: optional(z.array(z.string())),
  FileSystemConfigs: optional(z.array(z.unknown())),
  ImageConfig: optional(z.looseObject({})),
  TenancyConfig: optional(z.looseObject({})),
  DurableConfig: optional(z.looseObject({})),
  CapacityProviderConfig: optional(z.looseObject({})),
};

const codeMembers = {
  ZipFile: optional(z.string()),
  S3Bucket: optional(z.string()),
  S3Key: optional(z.string()),
  S3ObjectVersion: optional(z.string()),
  ImageUri: optional(z.string()),
};

export const createInput = z.object({
  ...settingsMembers,
  FunctionName: optional(z.string()),
  Code: optional(z.object(codeMembers)),
  PackageType: optional(z.string()),
  Architectures: optional(z.array(z.string())),
  Publish: optional(z.boolean()),
  Tags: optional(stringMap),
  CodeSigningConfigArn: optional(z.string()),
});
export const updateCodeInput = z.object({
  ...codeMembers,
  Architectures: optional(z.array(z.string())),
  Publish: optional(z.boolean()),
  DryRun: optional(z.boolean()),
  RevisionId: optional(z.string()),
});
export const updateSettingsInput = z.object({ ...settingsMembers, RevisionId: optional(z.string()) });
export const tagInput = z.object({ Tags: optional(stringMap) });

type SettingsInput = Omit<z.output<typeof updateSettingsInput>, "RevisionId">;
type CodeInput = z.output<z.ZodObject<typeof codeMembers>>;

/** Parses a request's JSON. @throws LambdaError SerializationException. */
export function parseInput<T extends z.ZodType>(schema: T, body: Buffer): z.output<T> {
  let json: unknown;
  try {
    json = body.length === 0 ? {} : JSON.parse(body.toString());
  } catch {
    throw serialization("The request's body is not JSON.");
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw serialization(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? "invalid"}`);
}

const ENVIRONMENT_BYTES_MAX = 4096;

/**
 * Lambda sets these itself and lets nobody else ("Defined runtime environment variables", AWS
 * documentation). AWS_LAMBDA_EXEC_WRAPPER and the like are the owner's.
 */
const RESERVED_ENVIRONMENT = new Set([
  "_HANDLER",
  "_X_AMZN_TRACE_ID",
  "AWS_DEFAULT_REGION",
  "AWS_REGION",
  "AWS_EXECUTION_ENV",
  "AWS_LAMBDA_FUNCTION_NAME",
  "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
  "AWS_LAMBDA_FUNCTION_VERSION",
  "AWS_LAMBDA_INITIALIZATION_TYPE",
  "AWS_LAMBDA_LOG_GROUP_NAME",
  "AWS_LAMBDA_LOG_STREAM_NAME",
  "AWS_ACCESS_KEY",
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AWS_LAMBDA_RUNTIME_API",
  "LAMBDA_TASK_ROOT",
  "LAMBDA_RUNTIME_DIR",
]);

/**
 * The settings that a valid input states; absent ones are left out.
 * @param before what the function has, if it is there. @throws LambdaError.
 */
export function settingsOf(
  input: SettingsInput,
  policy: RuntimePolicy,
  before?: FunctionSettings,
): Partial<FunctionSettings> {
  refuseUnsupported(input);
  checkVpc(input);
  const { Variables: variables } = input.Environment ?? {};
  if (input.Handler?.includes("\0")) throw invalidParameter("The handler contains a NUL character.");
  if (variables !== undefined) checkEnvironment(variables);
  const settings = defined({
    runtime: input.Runtime === undefined ? undefined : runtimeOf(input.Runtime, policy),
    handler: input.Handler,
    role: input.Role,
    description: input.Description,
    timeoutMs: input.Timeout === undefined ? undefined : input.Timeout * 1000,
    memoryMiB: input.MemorySize,
    ephemeralStorageMiB: input.EphemeralStorage?.Size,
    environment: variables ?? (input.Environment === undefined ? undefined : {}),
    tracingMode: input.TracingConfig?.Mode as FunctionSettings["tracingMode"] | undefined,
    snapStart: input.SnapStart?.ApplyOn as FunctionSettings["snapStart"] | undefined,
    logGroup: input.LoggingConfig?.LogGroup,
    isVpcEchoed: input.VpcConfig === undefined ? undefined : true,
  });
  return {
    ...settings,
    ...logSettingsOf(input.LoggingConfig, before),
    // An empty ARN takes it away.
    ...(input.DeadLetterConfig === undefined ? {} : { deadLetterArn: deadLetterOf(input.DeadLetterConfig.TargetArn) }),
    ...(input.KMSKeyArn === undefined ? {} : { kmsKeyArn: input.KMSKeyArn || undefined }),
  };
}

/** Levels go with the format JSON, and away with it. @throws LambdaError. */
function logSettingsOf(input: SettingsInput["LoggingConfig"], before: FunctionSettings | undefined): LogSettings {
  if (input === undefined) return {};
  const { LogFormat: logFormat = before?.logFormat ?? "Text", ApplicationLogLevel, SystemLogLevel } = input;
  if (logFormat === "Text") {
    if (ApplicationLogLevel === undefined && SystemLogLevel === undefined) {
      return { logFormat, applicationLogLevel: undefined, systemLogLevel: undefined };
    }
    throw invalidParameter("ApplicationLogLevel and SystemLogLevel are supported with LogFormat JSON only.");
  }
  return {
    logFormat: "JSON",
    applicationLogLevel: (ApplicationLogLevel as LogLevel | undefined) ?? before?.applicationLogLevel ?? "INFO",
    systemLogLevel: (SystemLogLevel as SystemLogLevel | undefined) ?? before?.systemLogLevel ?? "INFO",
  };
}

type LogSettings = Pick<FunctionSettings, "logFormat" | "applicationLogLevel" | "systemLogLevel">;

/** @throws LambdaError for what is no queue and no topic. */
function deadLetterOf(arn: string | undefined): string | undefined {
  if (arn === undefined || arn === "") return undefined;
  if (/^arn:aws[a-zA-Z-]*:(sqs|sns):[a-z0-9-]+:\d{12}:[^:\s]+$/.test(arn)) return arn;
  throw invalidParameter(`The provided dead letter target ${arn} is neither an SQS queue nor an SNS topic.`);
}

/** There are no networks of AWS's here, so none that is named exists. An empty list names none. @throws LambdaError. */
function checkVpc({ VpcConfig: vpc }: SettingsInput): void {
  const subnet = vpc?.SubnetIds?.[0];
  const group = vpc?.SecurityGroupIds?.[0];
  if (subnet !== undefined) {
    throw invalidParameter(
      `Error occurred while DescribeSubnets. EC2 Error Code: InvalidSubnetID.NotFound. EC2 Error Message: The subnet ID '${subnet}' does not exist`,
    );
  }
  if (group !== undefined) {
    throw invalidParameter(
      `Error occurred while DescribeSecurityGroups. EC2 Error Code: InvalidGroup.NotFound. EC2 Error Message: The security group '${group}' does not exist`,
    );
  }
}

type Definable<T> = { readonly [K in keyof T]: T[K] | undefined };

function defined(settings: Definable<Partial<FunctionSettings>>): Partial<FunctionSettings> {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

function checkEnvironment(variables: Readonly<Record<string, string>>): void {
  const reserved = Object.keys(variables).filter((name) => RESERVED_ENVIRONMENT.has(name));
  if (reserved.length > 0) {
    throw invalidParameter(
      `Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: ${reserved.join(", ")}`,
    );
  }
  // The handler and the variables become a process's environment, which knows no NUL.
  const withNul = Object.keys(variables).filter((name) => variables[name]?.includes("\0"));
  if (withNul.length > 0) {
    throw invalidParameter(
      `Lambda was unable to configure your environment variables because these contain a NUL character: ${withNul.join(", ")}`,
    );
  }
  const measured = JSON.stringify(variables);
  if (Buffer.byteLength(measured) > ENVIRONMENT_BYTES_MAX) {
    throw invalidParameter(
      `Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: ${measured}`,
    );
  }
}

/** What would be silently without effect is refused instead: a promise that is not kept is worse than none. */
function refuseUnsupported(input: SettingsInput): void {
  const unsupported = {
    FileSystemConfigs: input.FileSystemConfigs?.length,
    ImageConfig: Object.keys(input.ImageConfig ?? {}).length,
    TenancyConfig: Object.keys(input.TenancyConfig ?? {}).length,
    DurableConfig: Object.keys(input.DurableConfig ?? {}).length,
    CapacityProviderConfig: Object.keys(input.CapacityProviderConfig ?? {}).length,
  };
  for (const [name, value] of Object.entries(unsupported)) {
    if (value) throw invalidParameter(`${name} is not supported by this server.`);
  }
}

/** Where the archive of a function is. */
export type CodePlace =
  | { readonly kind: "inline"; readonly zip: Buffer }
  | { readonly kind: "object"; readonly place: ObjectPlace };

/** Where the archive of a request is. @throws LambdaError when it is nowhere. */
export function codePlaceOf(input: Partial<CodeInput> | undefined): CodePlace {
  const { ZipFile: zip, S3Bucket: bucket, S3Key: key, S3ObjectVersion: version } = input ?? {};
  if (zip !== undefined) return { kind: "inline", zip: Buffer.from(zip, "base64") };
  if (bucket !== undefined && key !== undefined) return { kind: "object", place: { bucket, key, version } };
  throw invalidParameter("Please provide a source for function code.");
}
