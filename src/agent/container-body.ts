import type { RuntimeName } from "../model/runtime.ts";
import type { ContainerExit, ContainerHandle, ContainerUsage } from "./container-backend.ts";
import type { ContainerEndpoint, RequestHandler } from "./container-endpoint.ts";
import { CustomDriver } from "./drivers/custom-driver.ts";
import { ManagedDriver } from "./drivers/managed-driver.ts";
import type { RuntimeDriver, RuntimeEvents } from "./drivers/runtime-driver.ts";
import type { ExtensionHost } from "./extensions/extension-host.ts";
import type { FunctionLog } from "./function-log.ts";
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

/** The container that a body belongs to, until that is over or takes another body. */
export type BodyOwner = Omit<RuntimeEvents, "onLog" | "onLogMessage"> & {
  /** Whether this is its body; what the body says is otherwise lost, but for its last output. */
  holds(body: ContainerBody): boolean;
  /** Whether only its log matters any more. */
  isOver(): boolean;
  /** The runtime's process ended, and what it said before was heard. */
  onExit(exit: ContainerExit): void;
  /** The runtime's process does not end, or how it ended cannot be told. */
  onExitUnknown(cause: unknown): void;
};

/** Listens to a container that was started. No event comes before this returns. */
export function openBody(
  handle: ContainerHandle,
  runtime: RuntimeName,
  log: FunctionLog,
  owner: BodyOwner,
): ContainerBody {
  const isCurrent = () => owner.holds(body) && !owner.isOver();
  const events: RuntimeEvents = {
    onBlank: () => {
      if (!isCurrent()) return;
      try {
        if (body.extensions === undefined) handle.started();
      } catch (cause) {
        return owner.onExitUnknown(cause); // A fault of the host costs this container, not the agent.
      }
      owner.onBlank();
    },
    onInitDone: (initUs) => isCurrent() && owner.onInitDone(initUs),
    onInitError: (payload) => isCurrent() && owner.onInitError(payload),
    onChunk: (requestId, bytes, contentType) => isCurrent() && owner.onChunk(requestId, bytes, contentType),
    onAnswer: (requestId, outcome, payload, isFatal, own) =>
      isCurrent() && owner.onAnswer(requestId, outcome, payload, isFatal, own),
    onLog: (text) => {
      if (!owner.holds(body)) return;
      log.write(text, handle.channel);
      body.extensions?.functionLines(text);
    },
    onLogMessage: (text) => {
      if (!owner.holds(body)) return;
      log.writeMessage(text, handle.channel);
      body.extensions?.functionMessage(text);
    },
    onViolation: (reason) => isCurrent() && owner.onViolation(reason),
  };
  handle.output.on("data", (text: Buffer) => {
    log.write(text, handle.output);
    body.extensions?.functionOutput(text);
  });
  // A broken pipe means that the container ends, which `exited` tells.
  handle.output.on("error", () => {});
  handle.channel.on("error", () => {});
  const channelEnded = ended(handle.channel);
  handle.exited.then(
    async (exit) => {
      await soon(channelEnded);
      if (isCurrent()) owner.onExit(exit);
    },
    (cause) => isCurrent() && owner.onExitUnknown(cause),
  );
  const body: ContainerBody = {
    handle,
    driver: driverOf(handle, runtime, events, (request, response) => {
      if (owner.holds(body) && body.extensions !== undefined) body.extensions.handle(request, response);
      else response.destroy();
    }),
    outputEnded: ended(handle.output),
    extensions: undefined,
    endpoint: undefined,
  };
  return body;
}

/** @param onRequest a request to the container's endpoint that is not for the runtime's interface. */
function driverOf(
  handle: ContainerHandle,
  runtime: RuntimeName,
  events: RuntimeEvents,
  onRequest: RequestHandler,
): RuntimeDriver {
  if (runtime.startsWith("provided")) return new CustomDriver(handle, events, onRequest);
  return new ManagedDriver(handle, events);
}

/** Takes all CPU from it until it is thawed. */
export function freezeBody({ handle, extensions }: ContainerBody): void {
  handle.freeze();
  extensions?.setFrozen(true);
}

/** Gives it CPU again; for one that is not frozen, nothing changes. */
export function thawBody({ handle, extensions }: ContainerBody): void {
  handle.thaw();
  extensions?.setFrozen(false);
}

/** Nothing of it is heard any more, and nobody can reach the platform from it. */
export function closeBody({ driver, extensions, endpoint }: ContainerBody): void {
  driver.close();
  extensions?.close();
  void endpoint?.close();
}

/** What the execution used. A measurement that fails must not cost the function its answer. */
export function usageOf(
  body: ContainerBody | undefined,
  onFailure: (cause: unknown) => void,
): ContainerUsage | undefined {
  try {
    return body?.handle.readUsage();
  } catch (cause) {
    onFailure(cause);
    return undefined;
  }
}
