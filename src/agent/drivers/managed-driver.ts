import { writeSync } from "node:fs";
import type { Duplex } from "node:stream";
import { CONTAINER_FRAME_BYTES_MAX, encodeFrame, FrameDecoder } from "../../protocol/frame.ts";
import { parseRuntimeMessage, type RuntimeOrder } from "../../protocol/runtime-protocol.ts";
import { reasonOf } from "../agent-log.ts";
import type { ContainerHandle } from "../container-backend.ts";
import type { InitOrder, InvokeOrder, RuntimeDriver, RuntimeEvents } from "./runtime-driver.ts";

const EMPTY = Buffer.alloc(0);

/** Speaks the frames of runtime-protocol.ts with a managed runtime, over file descriptor 3 of the container. */
export class ManagedDriver implements RuntimeDriver {
  readonly runtimeApi = undefined;
  /** The log travels before the answer on the same channel. */
  readonly hasOutputBehindAnswers = false;
  readonly #channel: Duplex;
  readonly #fd: number | undefined;
  readonly #events: RuntimeEvents;
  readonly #decoder = new FrameDecoder(CONTAINER_FRAME_BYTES_MAX);
  #isClosed = false;

  constructor({ channel, channelFd }: Pick<ContainerHandle, "channel" | "channelFd">, events: RuntimeEvents) {
    this.#channel = channel;
    this.#fd = channelFd;
    this.#events = events;
    channel.on("data", (bytes: Buffer) => this.#receive(bytes));
  }

  init(order: InitOrder): void {
    this.#send({ kind: "init", ...order }, EMPTY);
  }

  invoke(order: InvokeOrder, payload: Buffer): void {
    // What is undefined leaves no trace in the JSON.
    this.#send({ kind: "invoke", ...order } as RuntimeOrder, payload);
  }

  /** Its answer is how it asks; of one that is fatal it says so. */
  whenAsked(then: () => void): void {
    then();
  }

  credit(requestId: string, bytes: number): void {
    this.#send({ kind: "credit", requestId, bytes }, EMPTY);
  }

  close(): void {
    this.#isClosed = true;
  }

  #send(order: RuntimeOrder, payload: Buffer): void {
    const frame = encodeFrame(order, payload);
    const written = this.#writeNow(frame);
    if (written < frame.length) this.#channel.write(written === 0 ? frame : frame.subarray(written));
  }

  /** One system call instead of a stream's machinery, 4 µs less. @returns how much the kernel took; the stream does the rest. */
  #writeNow(frame: Buffer): number {
    if (this.#fd === undefined || this.#channel.writableLength > 0 || this.#channel.destroyed) return 0;
    try {
      return writeSync(this.#fd, frame);
    } catch {
      return 0; // Full, or broken: the stream waits, or says so.
    }
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
      case "chunk":
        this.#events.onChunk(message.requestId, payload, message.contentType);
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
      case "logMessage":
        this.#events.onLogMessage(payload);
        break;
      default:
        message satisfies never;
    }
  };
}
