import type { Outcome } from "../../model/invocation.ts";

/** What the agent tells the runtime in a container, whichever way it is spoken to. */
export type RuntimeDriver = {
  /** `127.0.0.1:PORT` of the Runtime API of this container; managed runtimes have none. Known once it is blank. */
  readonly runtimeApi: string | undefined;
  /** Whether what the function wrote may still be on its way when its answer is here. */
  readonly hasOutputBehindAnswers: boolean;
  init(order: InitOrder): void;
  invoke(order: InvokeOrder, payload: Buffer): void;
  /** Calls back when the runtime asks for its next invocation, at once if it does already; never if it ends before. */
  whenAsked(then: () => void): void;
  /** So many bytes of the response that the invocation streams were taken. */
  credit(requestId: string, bytes: number): void;
  /** Stops listening to the container; no event comes any more. */
  close(): void;
};

export type InitOrder = {
  readonly environment: Readonly<Record<string, string>>;
  readonly handler: string;
  readonly taskRoot: string;
  readonly memoryMiB: number;
};

export type InvokeOrder = {
  readonly requestId: string;
  readonly deadlineMs: number;
  readonly invokedArn: string;
  readonly traceId: string;
  readonly clientContext: string | undefined;
  readonly retries: number;
  /** Whether what the function streams is told by `onChunk`; else it is collected. */
  readonly stream: boolean | undefined;
};

/** How the runtime may end an invocation that it lives on to tell of. */
export type AnswerOutcome = Extract<Outcome, "ok" | "functionError" | "invalidPayload" | "responseTooLarge">;

/** What the runtime's own figures say of an execution; undefined where it gives none. */
export type OwnUsage = { readonly cpuUs: number; readonly memoryBytes: number } | undefined;

export type RuntimeEvents = {
  /** The runtime has started and waits for `init`. */
  onBlank(): void;
  /** @param initUs what the runtime says; undefined: it does not. */
  onInitDone(initUs: number | undefined): void;
  onInitError(payload: Buffer): void;
  /** A piece of a response that is streamed, in order, before its `onAnswer`; the first comes with its content type. */
  onChunk(requestId: string, bytes: Buffer, contentType: string | undefined): void;
  /** @param isFatal the runtime's process ends now. */
  onAnswer(requestId: string, outcome: AnswerOutcome, payload: Buffer, isFatal: boolean, own: OwnUsage): void;
  /** Lines for the log. */
  onLog(text: Buffer): void;
  /** A message for the log, whatever lines it has. */
  onLogMessage(text: Buffer): void;
  /** The container said something that it must not say, or cannot be spoken to: it is of no use any more. */
  onViolation(reason: string): void;
};
