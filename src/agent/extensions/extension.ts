/** What an extension can ask to be told of. */
export type LifecycleEvent = "INVOKE" | "SHUTDOWN";

/**
 * Names as AWS's logs and error texts show them.
 *
 * - Started: an external extension's process runs and has not registered.
 * - Registered: it has, and did not ask for its first event yet. An internal extension begins here.
 * - Ready: it asked for its next event.
 * - Running: it was given one.
 * - InitError, ExitError: it said that it failed; its process is expected to end.
 * - LaunchError: its program could not be started.
 * - Exited: its process ended.
 */
export type ExtensionState =
  | "Started"
  | "Registered"
  | "Ready"
  | "Running"
  | "InitError"
  | "ExitError"
  | "LaunchError"
  | "Exited";

/** What `event/next` answers with. */
export type ExtensionEvent =
  | {
      readonly eventType: "INVOKE";
      readonly deadlineMs: number;
      readonly requestId: string;
      readonly invokedFunctionArn: string;
      readonly tracing: { readonly type: "X-Amzn-Trace-Id"; readonly value: string };
    }
  | { readonly eventType: "SHUTDOWN"; readonly shutdownReason: ShutdownReason; readonly deadlineMs: number };

/** Why an execution environment ends: idle or no longer wanted, out of time, or something in it failed. */
export type ShutdownReason = "spindown" | "timeout" | "failure";

/** An open `event/next`. */
export type EventRequest = {
  /** False: whoever asked has hung up. */
  isOpen(): boolean;
  answer(event: ExtensionEvent): void;
};

/** One extension of one container, as its requests and its process tell. */
export type Extension = {
  readonly name: string;
  readonly isExternal: boolean;
  /** What it shows with its requests; known to it once it is registered. */
  readonly id: string;
  state: ExtensionState;
  events: readonly LifecycleEvent[];
  /** The type of the error that it told of, or that its launch had. */
  errorType: string | undefined;
  request: EventRequest | undefined;
  /** It was not at the door when this came. */
  missed: ExtensionEvent | undefined;
};
