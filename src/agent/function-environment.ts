import { isPythonRuntime, type RuntimeName } from "../model/runtime.ts";
import type { Assignment } from "../protocol/agent-protocol.ts";
import type { InitializationType } from "../protocol/runtime-version.ts";

export type FunctionPlace = {
  readonly runtime: RuntimeName;
  /** As the container sees them. */
  readonly taskRoot: string;
  readonly optRoot: string;
  readonly tmpDir: string;
  /** `127.0.0.1:PORT`. undefined: there is none, as no port could be opened. */
  readonly runtimeApi: string | undefined;
  /** Of a server that says none: the container's own. */
  readonly logStream: string;
  readonly initializationType: InitializationType;
};

const RUNTIME_DIR = "/var/runtime";
const XRAY_HOST = "127.0.0.1";
const XRAY_PORT = "2000";

const NODE_LAYER: Readonly<Partial<Record<RuntimeName, string>>> = { "nodejs22.x": "node22", "nodejs24.x": "node24" };

/**
 * The whole environment of a function, as Lambda sets it (recorded from real functions; the order
 * of precedence is in AWS's documentation, "Defined runtime environment variables"): the function's
 * own variables replace the unreserved ones and cannot replace the reserved ones. No credentials
 * are given; a function has those that its own variables carry.
 */
export function functionEnvironment(assignment: Assignment, place: FunctionPlace): Record<string, string> {
  return { ...unreserved(place), ...assignment.environment, ...reserved(assignment, place) };
}

/** Where shared libraries are looked for. The loader reads it once, when a process starts. */
export function libraryPath(taskRoot: string, optRoot: string): string {
  return `/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:${taskRoot}:${taskRoot}/lib:${optRoot}/lib`;
}

function unreserved({ runtime, taskRoot, optRoot, tmpDir }: FunctionPlace): Record<string, string> {
  const layer = NODE_LAYER[runtime];
  const nodePath = `${optRoot}/nodejs/${layer}/node_modules:${optRoot}/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:${taskRoot}`;
  return {
    LANG: "en_US.UTF-8",
    TZ: ":UTC",
    PATH: `/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:${optRoot}/bin`,
    LD_LIBRARY_PATH: libraryPath(taskRoot, optRoot),
    PWD: taskRoot,
    SHLVL: "0",
    AWS_XRAY_CONTEXT_MISSING: "LOG_ERROR",
    // Nobody listens there unless the function brings somebody: what is sent is lost, and harms nobody.
    AWS_XRAY_DAEMON_ADDRESS: `${XRAY_HOST}:${XRAY_PORT}`,
    _AWS_XRAY_DAEMON_ADDRESS: XRAY_HOST,
    _AWS_XRAY_DAEMON_PORT: XRAY_PORT,
    ...(layer === undefined ? {} : { NODE_PATH: nodePath }),
    ...(isPythonRuntime(runtime) ? { PYTHONPATH: RUNTIME_DIR } : {}),
    // Where a container has no /tmp of its own, programs that ask for a temporary folder get its private one.
    ...(tmpDir === "/tmp" ? {} : { TMPDIR: tmpDir }),
  };
}

function reserved(assignment: Assignment, place: FunctionPlace): Record<string, string> {
  return {
    _HANDLER: assignment.handler,
    AWS_REGION: assignment.region,
    AWS_DEFAULT_REGION: assignment.region,
    // AWS leaves it out for OS-only runtimes.
    ...(place.runtime.startsWith("provided") ? {} : { AWS_EXECUTION_ENV: `AWS_Lambda_${place.runtime}` }),
    AWS_LAMBDA_FUNCTION_NAME: assignment.functionName,
    AWS_LAMBDA_FUNCTION_VERSION: assignment.version,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(assignment.requestedMemoryMiB ?? assignment.memoryMiB),
    AWS_LAMBDA_INITIALIZATION_TYPE: place.initializationType,
    AWS_LAMBDA_LOG_GROUP_NAME: assignment.logGroup ?? `/aws/lambda/${assignment.functionName}`,
    AWS_LAMBDA_LOG_STREAM_NAME: assignment.logStream ?? place.logStream,
    ...logSettings(assignment),
    LAMBDA_TASK_ROOT: place.taskRoot,
    LAMBDA_RUNTIME_DIR: RUNTIME_DIR,
    ...(place.runtimeApi === undefined ? {} : { AWS_LAMBDA_RUNTIME_API: place.runtimeApi }),
  };
}

/** Runtimes and libraries (Powertools) read them; Lambda sets none for text. */
function logSettings({ logFormat, applicationLogLevel = "INFO" }: Assignment): Record<string, string> {
  return logFormat === "JSON" ? { AWS_LAMBDA_LOG_FORMAT: "JSON", AWS_LAMBDA_LOG_LEVEL: applicationLogLevel } : {};
}
