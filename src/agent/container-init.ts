import { randomBytes } from "node:crypto";
import { logStreamName } from "../protocol/log-stream.ts";
import type { ContainerBody } from "./container-body.ts";
import { type ExtensionFailure, ExtensionHost } from "./extensions/extension-host.ts";
import { functionEnvironment } from "./function-environment.ts";
import type { FunctionLog } from "./function-log.ts";
import type { SpareEndpoint } from "./spare-endpoint.ts";
import type { LifecycleFacts } from "./telemetry/lifecycle-records.ts";

/** What comes of an init, besides what the runtime says of it; nothing is told of a body that is not current. */
export type InitEvents = {
  /** Whether the container still lives in this body. */
  isCurrent(): boolean;
  /** The container's memory limit was raised. */
  onResized(memoryMiB: number): void;
  /** Every extension that is waited for is ready. */
  onReady(): void;
  onFailed(failure: ExtensionFailure): void;
  /** The runtime could not be told to begin. */
  onFault(cause: unknown): void;
};

/**
 * Makes a blank body the function's: its code and limits, then its extensions, then its runtime.
 *
 * @throws Error when the backend or the driver cannot; one that shows later is told as `onFault`.
 */
export function beginInit(
  body: ContainerBody,
  facts: LifecycleFacts,
  log: FunctionLog,
  spareEndpoint: Pick<SpareEndpoint, "take">,
  events: InitEvents,
): void {
  const { handle, driver } = body;
  const { assignment } = facts;
  handle.assign(assignment, (memoryMiB) => events.isCurrent() && events.onResized(memoryMiB));
  let environment: Readonly<Record<string, string>>;
  const extensions = new ExtensionHost(handle, facts, log, {
    onRegistered: () => {
      if (!events.isCurrent()) return;
      const { handler, memoryMiB } = assignment;
      try {
        driver.init({ environment, handler, taskRoot: handle.taskRoot, memoryMiB });
      } catch (cause) {
        events.onFault(cause);
      }
    },
    onReady: () => events.isCurrent() && events.onReady(),
    onFailed: (failure) => events.isCurrent() && events.onFailed(failure),
  });
  body.extensions = extensions;
  withRuntimeApi(body, spareEndpoint, events, (runtimeApi) => {
    if (!events.isCurrent()) return;
    environment = environmentOf(body, facts, runtimeApi);
    extensions.begin(environment);
  });
}

/** Where extensions reach the platform: a custom runtime's driver has it, others take a spare one. */
function withRuntimeApi(
  body: ContainerBody,
  spareEndpoint: Pick<SpareEndpoint, "take">,
  { isCurrent }: InitEvents,
  use: (runtimeApi: string | undefined) => void,
): void {
  const { handle, driver } = body;
  if (driver.runtimeApi !== undefined) return use(driver.runtimeApi);
  spareEndpoint.take((endpoint) => {
    if (!isCurrent()) return void endpoint?.close();
    body.endpoint = endpoint;
    endpoint?.serve(handle.hostUid, (request, response) => body.extensions?.handle(request, response));
    use(endpoint === undefined ? undefined : `127.0.0.1:${endpoint.port}`);
  });
}

/** @param runtimeApi where the container reaches the platform. undefined: nowhere. */
function environmentOf(
  { handle }: ContainerBody,
  { runtime, assignment, initializationType }: LifecycleFacts,
  runtimeApi: string | undefined,
): Record<string, string> {
  return functionEnvironment(assignment, {
    runtime,
    taskRoot: handle.taskRoot,
    optRoot: handle.optRoot,
    tmpDir: handle.tmpDir,
    runtimeApi,
    logStream: logStreamName(assignment.version, randomBytes(16).toString("hex"), Date.now()),
    initializationType,
  });
}
