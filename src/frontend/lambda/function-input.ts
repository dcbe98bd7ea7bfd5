import { z } from "zod";
import { isRuntime, RUNTIMES } from "../../model/runtime.ts";
import type { FunctionSettings } from "../../ports/function-catalog.ts";
import { invalidParameter, serialization } from "./lambda-error.ts";
import type { Violations } from "./violation.ts";

/** Members with null count as absent, as in AWS's own parser. */
const optional = <T extends z.ZodType>(schema: T) =>
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
  LoggingConfig: optional(z.object({ LogFormat: optional(z.string()), LogGroup: optional(z.string()) })),
  VpcConfig: optional(
    z.object({ SubnetIds: optional(z.array(z.string())), SecurityGroupIds: optional(z.array(z.string())) }),
  ),
  DeadLetterConfig: optional(z.object({ TargetArn: optional(z.string()) })),
  KMSKeyArn: optional(z.string()),
  Layers: optional(z.array(z.string())),
  FileSystemConfigs: optional(z.array(z.unknown())),
  ImageConfig: optional(z.looseObject({})),
};

const codeMembers = {
  ZipFile: optional(z.string()),
  S3Bucket: optional(z.string()),
  S3Key: optional(z.string()),
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

export const ARCHITECTURES = ["x86_64", "arm64"] as const;
const ROLE_PATTERN = "arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+";
const ENVIRONMENT_NAME_PATTERN = "[a-zA-Z]([a-zA-Z0-9_])+";
const LOG_GROUP_PATTERN = "[\\.\\-_/#A-Za-z0-9]+";
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

/** Creation of these is refused by AWS as deprecated; others that Hearth lacks get the list of those it has. */
const DEPRECATED_RUNTIME =
  /^(nodejs(4\.3|6\.10|8\.10|1[0-8]\.x)?|python(2\.7|3\.[6-8])|ruby2\.[57]|java8|go1\.x|dotnetcore\d\.\d|dotnet6|provided)$/;

/** Adds what a front door refuses by itself. */
export function validateSettings(input: SettingsInput, violations: Violations): void {
  violations.matches(input.Role, "role", ROLE_PATTERN);
  violations.length(input.Handler, "handler", 0, 128);
  violations.matches(input.Handler, "handler", "[^\\s]+");
  violations.length(input.Description, "description", 0, 256);
  violations.range(input.Timeout, "timeout", 1, 900);
  violations.range(input.MemorySize, "memorySize", 128, 10_240);
  violations.range(input.EphemeralStorage?.Size, "ephemeralStorage.size", 512, 10_240);
  violations.oneOf(input.TracingConfig?.Mode, "tracingConfig.mode", ["Active", "PassThrough"]);
  violations.oneOf(input.SnapStart?.ApplyOn, "snapStart.applyOn", ["PublishedVersions", "None"]);
  violations.oneOf(input.LoggingConfig?.LogFormat, "loggingConfig.logFormat", ["JSON", "Text"]);
  violations.length(input.LoggingConfig?.LogGroup, "loggingConfig.logGroup", 1, 512);
  violations.matches(input.LoggingConfig?.LogGroup, "loggingConfig.logGroup", LOG_GROUP_PATTERN);
  const variables = input.Environment?.Variables ?? {};
  if (Object.keys(variables).some((name) => !new RegExp(`^${ENVIRONMENT_NAME_PATTERN}$`).test(name))) {
    const constraint = `Map keys must satisfy constraint: [Member must satisfy regular expression pattern: ${ENVIRONMENT_NAME_PATTERN}]`;
    violations.add(variables, "environment.variables", constraint);
  }
}

export function validateArchitectures(architectures: readonly string[] | undefined, violations: Violations): void {
  violations.length(architectures, "architectures", 1, 1);
  if (architectures?.some((name) => !(ARCHITECTURES as readonly string[]).includes(name)) !== true) return;
  const constraint = `Member must satisfy constraint: [Member must satisfy enum value set: [${ARCHITECTURES.join(", ")}], Member must not be null]`;
  violations.add(architectures, "architectures", constraint);
}

/** The settings that a valid input states; absent ones are left out. @throws LambdaError. */
export function settingsOf(input: SettingsInput): Partial<FunctionSettings> {
  refuseUnsupported(input);
  const { Variables: variables } = input.Environment ?? {};
  if (input.Handler?.includes("\0")) throw invalidParameter("The handler contains a NUL character.");
  if (variables !== undefined) checkEnvironment(variables);
  return defined({
    runtime: input.Runtime === undefined ? undefined : runtimeOf(input.Runtime),
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
  });
}

type Definable<T> = { readonly [K in keyof T]: T[K] | undefined };

function defined(settings: Definable<Partial<FunctionSettings>>): Partial<FunctionSettings> {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

function runtimeOf(name: string): FunctionSettings["runtime"] {
  if (isRuntime(name)) return name;
  if (DEPRECATED_RUNTIME.test(name)) {
    throw invalidParameter(
      `The runtime parameter of ${name} is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.`,
    );
  }
  throw invalidParameter(
    `Value ${name} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [${RUNTIMES.join(", ")}] or be a valid ARN`,
  );
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
  if ((input.Layers?.length ?? 0) > 0) throw invalidParameter("Layer version ARN does not exist.");
  const unsupported = {
    VpcConfig: input.VpcConfig?.SubnetIds?.length,
    DeadLetterConfig: input.DeadLetterConfig?.TargetArn,
    KMSKeyArn: input.KMSKeyArn,
    FileSystemConfigs: input.FileSystemConfigs?.length,
    ImageConfig: Object.keys(input.ImageConfig ?? {}).length,
    "LoggingConfig.LogFormat JSON": input.LoggingConfig?.LogFormat === "JSON",
  };
  for (const [name, value] of Object.entries(unsupported)) {
    if (value) throw invalidParameter(`${name} is not supported by this server.`);
  }
}

/** The archive of a request. @throws LambdaError when the code is said to be elsewhere, or nowhere. */
export function zipOf(input: CodeInput | undefined): Buffer {
  if (input?.ImageUri !== undefined) {
    throw invalidParameter("Please don't provide ImageUri when updating a function with packageType Zip.");
  }
  if (input?.S3Bucket !== undefined || input?.S3Key !== undefined) {
    throw invalidParameter(
      "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist",
    );
  }
  if (input?.ZipFile === undefined) throw invalidParameter("Please provide a source for function code.");
  return Buffer.from(input.ZipFile, "base64");
}
