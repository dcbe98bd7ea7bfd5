import type { Duplex } from "node:stream";
import { encodeFrame, FrameDecoder } from "../../protocol/frame.ts";
import { parseRuntimeMessage, type RuntimeOrder } from "../../protocol/runtime-protocol.ts";
import { reasonOf } from "../agent-log.ts";
import type { InitOrder, InvokeOrder, RuntimeDriver, RuntimeEvents } from "./runtime-driver.ts";

const EMPTY = Buffer.alloc(0);

/** Speaks the frames of runtime-protocol.ts with a managed runtime, over file descriptor 3 of the container. */
export class ManagedDriver implements RuntimeDriver {
  readonly runtimeApi = undefined;
  /** The log travels before the answer on the same channel. */
  readonly hasOutputBehindAnswers = false;
  readonly #channel: Duplex;
  readonly #events: RuntimeEvents;
  readonly #decoder = new FrameDecoder();
  #isClosed = false;

  constructor(channel: Duplex, events: RuntimeEvents) {
    this.#channel = channel;
    this.#events = events;
    channel.on("data", (bytes: Buffer) => this.#receive(bytes));
  }

  init(order: InitOrder): void {
    this.#send({ kind: "init", ...order }, EMPTY);
  }

  invoke(order: InvokeOrder, payload: Buffer): void {
    // An undefined client context leaves no trace in the JSON.
    this.#send({ kind: "invoke", ...order } as RuntimeOrder, payload);
  }

  close(): void {
    this.#isClosed = true;
  }

  #send(order: RuntimeOrder, payload: Buffer): void {
    this.#channel.write(encodeFrame(order, payload));
  }

  #receive(bytes: Buffer): void {
    if (this.#isClosed) return;
    try {
      this.#decoder.push(bytes, this.#onFrame);
    } catch (cause) {
      this.#events.onViolation(reasonOf(cause));
    }
  }

  readonly #onFrame = (header: unknown, payload: Buffer): void => {
    if (this.#isClosed) return;
    const message = parseRuntimeMessage(header);
    switch (message.kind) {
      case "blank":
        this.#events.onBlank();
        break;
      case "initDone":
        this.#events.onInitDone(message.initUs);
        break;
      case "initError":
        this.#events.onInitError(payload);
        break;
      case "result":
        this.#events.onAnswer(message.requestId, "ok", payload, false, message);
        break;
      case "error":
        this.#events.onAnswer(message.requestId, "functionError", payload, message.fatal, message);
        break;
      case "responseTooLarge":
        this.#events.onAnswer(message.requestId, "responseTooLarge", EMPTY, false, message);
        break;
      case "invalidPayload":
        this.#events.onAnswer(message.requestId, "invalidPayload", EMPTY, false, undefined);
        break;
      case "log":
        this.#events.onLog(payload);
        break;
      default:
        message satisfies never;
    }
  };
}
