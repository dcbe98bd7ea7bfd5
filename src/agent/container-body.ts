import { randomBytes } from "node:crypto";
import type { RuntimeName } from "../model/runtime.ts";
import type { Assignment } from "../protocol/agent-protocol.ts";
import type { ContainerExit, ContainerHandle } from "./container-backend.ts";
import { CustomDriver } from "./drivers/custom-driver.ts";
import { ManagedDriver } from "./drivers/managed-driver.ts";
import type { RuntimeDriver, RuntimeEvents } from "./drivers/runtime-driver.ts";
import { functionEnvironment, type InitializationType } from "./function-environment.ts";
import { ended, soon } from "./stream-end.ts";

/** What the backend started under a container's id. An init that overran its time is given a second one. */
export type ContainerBody = {
  readonly handle: ContainerHandle;
  readonly driver: RuntimeDriver;
  readonly outputEnded: Promise<void>;
};

export type BodyEvents = RuntimeEvents & {
  /** What the container wrote to its standard output or error. */
  onOutput(text: Buffer): void;
  /** The first process ended, and what it said before was heard. */
  onExit(exit: ContainerExit): void;
  /** The first process does not end, or how it ended cannot be told. */
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
  const driver = isCustom ? new CustomDriver(handle, events) : new ManagedDriver(handle, events);
  return { handle, driver, outputEnded: ended(handle.output) };
}

/** Makes a blank container a function's, with its code and limits, and lets the runtime load it. @throws Error naming what failed. */
export function beginInit(
  { handle, driver }: ContainerBody,
  runtime: RuntimeName,
  assignment: Assignment,
  initializationType: InitializationType,
): void {
  handle.assign(assignment);
  const environment = functionEnvironment(assignment, {
    runtime,
    taskRoot: handle.taskRoot,
    tmpDir: handle.tmpDir,
    runtimeApi: driver.runtimeApi,
    logStreamHex: randomBytes(16).toString("hex"),
    nowMs: Date.now(),
    initializationType,
  });
  driver.init({ environment, handler: assignment.handler, taskRoot: handle.taskRoot, memoryMiB: assignment.memoryMiB });
}
