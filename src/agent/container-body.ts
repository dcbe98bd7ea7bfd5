import { randomBytes } from "node:crypto";
import type { RuntimeName } from "../model/runtime.ts";
import type { Assignment } from "../protocol/agent-protocol.ts";
import type { ContainerExit, ContainerHandle } from "./container-backend.ts";
import type { ContainerEndpoint, RequestHandler } from "./container-endpoint.ts";
import { CustomDriver } from "./drivers/custom-driver.ts";
import { ManagedDriver } from "./drivers/managed-driver.ts";
import type { RuntimeDriver, RuntimeEvents } from "./drivers/runtime-driver.ts";
import type { ExtensionHost } from "./extensions/extension-host.ts";
import { functionEnvironment, type InitializationType } from "./function-environment.ts";
import { ended, soon } from "./stream-end.ts";

/** What the backend started under a container's id. An init that overran its time is given a second one. */
export type ContainerBody = {
  readonly handle: ContainerHandle;
  readonly driver: RuntimeDriver;
  readonly outputEnded: Promise<void>;
  /** From its assignment on. */
  extensions: ExtensionHost | undefined;
  /** Where a managed runtime's extensions reach the platform, from its assignment on; a custom runtime's driver has it. */
  endpoint: ContainerEndpoint | undefined;
};

export type BodyEvents = RuntimeEvents & {
  /** What the container wrote to its standard output or error. */
  onOutput(text: Buffer): void;
  /** A request to the container's endpoint that is not for the runtime's interface. */
  readonly onRequest: RequestHandler;
  /** The runtime's process ended, and what it said before was heard. */
  onExit(exit: ContainerExit): void;
  /** The runtime's process does not end, or how it ended cannot be told. */
  onExitUnknown(cause: unknown): void;
};

/** Listens to a container that was started. No event comes before this returns. */
export function openBody(handle: ContainerHandle, runtime: RuntimeName, events: BodyEvents): ContainerBody {
  handle.output.on("data", (text: Buffer) => events.onOutput(text));
  // A broken pipe means that the container ends, which `exited` tells.
  handle.output.on("error", () => {});
  handle.channel.on("error", () => {});
  const channelEnded = ended(handle.channel);
  handle.exited.then(async (exit) => {
    await soon(channelEnded);
    events.onExit(exit);
  }, events.onExitUnknown);
  const isCustom = runtime.startsWith("provided");
  const driver = isCustom ? new CustomDriver(handle, events, events.onRequest) : new ManagedDriver(handle, events);
  return { handle, driver, outputEnded: ended(handle.output), extensions: undefined, endpoint: undefined };
}

/** Nothing of it is heard any more, and nobody can reach the platform from it. */
export function closeBody({ driver, extensions, endpoint }: ContainerBody): void {
  driver.close();
  extensions?.close();
  void endpoint?.close();
}

/** @param runtimeApi where the container reaches the platform. undefined: nowhere. */
export function environmentOf(
  { handle }: ContainerBody,
  runtime: RuntimeName,
  assignment: Assignment,
  initializationType: InitializationType,
  runtimeApi: string | undefined,
): Record<string, string> {
  return functionEnvironment(assignment, {
    runtime,
    taskRoot: handle.taskRoot,
    optRoot: handle.optRoot,
    tmpDir: handle.tmpDir,
    runtimeApi,
    logStreamHex: randomBytes(16).toString("hex"),
    nowMs: Date.now(),
    initializationType,
  });
}
