import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { encodeFrame, FrameDecoder } from "../../src/protocol/frame.ts";
import { parseRuntimeMessage, type RuntimeMessage } from "../../src/protocol/runtime-protocol.ts";
import { bundleNodeRuntime } from "../../src/runtimes/node/bundle.ts";

export const NODE_RUNTIMES = ["nodejs22.x", "nodejs24.x"] as const;
export type NodeRuntime = (typeof NODE_RUNTIMES)[number];

const MEMORY_MIB = 256;

/** Path of the real Node binary of a runtime, undefined where npm has none for this host. */
export function nodeBinaryPath(runtime: NodeRuntime): string | undefined {
  const folder = `../../node_modules/${runtime}-${process.platform}-${process.arch}/bin/node`;
  const path = fileURLToPath(new URL(folder, import.meta.url));
  return existsSync(path) ? path : undefined;
}

/** A folder for one test file: the bundled runtime, and the functions' code. */
export class RuntimeWorkshop {
  readonly #folder = mkdtempSync(join(tmpdir(), "hearth-runtime-test-"));
  #functions = 0;

  get bundlePath(): string {
    return join(this.#folder, "node-runtime.cjs");
  }

  async open(): Promise<void> {
    await bundleNodeRuntime(this.bundlePath);
  }

  close(): void {
    rmSync(this.#folder, { recursive: true });
  }

  /** @returns the folder that holds these files. */
  writeFunction(files: Readonly<Record<string, string>>): string {
    const folder = join(this.#folder, `function-${this.#functions++}`);
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
    return folder;
  }
}

export type Received = RuntimeMessage & { readonly text: string };
export type Exit = { readonly status: number | null; readonly signal: string | null; readonly stderr: string };

/** One process of the runtime, driven as the agent drives it. Logs are collected, all other messages queued. */
export class NodeRuntimeProcess {
  readonly child: ChildProcess;
  readonly channel: Duplex;
  readonly exited: Promise<Exit>;
  log = "";
  /** What of it was told as messages, in order. */
  readonly messages: string[] = [];
  readonly chunksBytes: number[] = [];
  readonly #received: Received[] = [];
  readonly #waiting: ((message: Received) => void)[] = [];

  constructor(binary: string, program: string | readonly string[], environment: Readonly<Record<string, string>> = {}) {
    const args = typeof program === "string" ? [program] : program;
    this.child = spawn(binary, args, { stdio: ["ignore", "ignore", "pipe", "pipe"], env: { ...environment } });
    this.channel = this.child.stdio[3] as Duplex;
    // An exiting runtime may leave unread bytes behind, which the socket reports as an error.
    this.channel.on("error", () => {});
    const decoder = new FrameDecoder();
    this.channel.on("data", (chunk: Buffer) => {
      this.chunksBytes.push(chunk.length);
      decoder.push(chunk, (header, payload) => this.#receive(parseRuntimeMessage(header), payload.toString()));
    });
    let stderr = "";
    this.child.stderr?.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    this.exited = new Promise((resolve) => {
      this.child.on("close", (status, signal) => resolve({ status, signal, stderr }));
    });
  }

  send(order: object, payload?: string | Buffer): void {
    this.channel.write(encodeFrame(order, payload === undefined ? undefined : Buffer.from(payload)));
  }

  /** The next message that is no log line. @throws Error when the process exits instead. */
  next(): Promise<Received> {
    const message = this.#received.shift();
    if (message !== undefined) return Promise.resolve(message);
    const arrived = new Promise<Received>((resolve) => this.#waiting.push(resolve));
    const ended = this.exited.then((exit) => {
      throw new Error(`the runtime exited: ${JSON.stringify(exit)} ${this.log}`);
    });
    return Promise.race([arrived, ended]);
  }

  async init(taskRoot: string, handler: string, environment: Readonly<Record<string, string>> = {}): Promise<Received> {
    const blank = await this.next();
    if (blank.kind !== "blank") throw new Error(`not blank: ${blank.kind}`);
    this.send({ kind: "init", environment, handler, taskRoot, memoryMiB: MEMORY_MIB });
    return this.next();
  }

  invoke(payload: unknown, members: object = {}): Promise<Received> {
    this.send(
      {
        kind: "invoke",
        requestId: "request-1",
        deadlineMs: Date.now() + 3000,
        invokedArn: "arn:aws:lambda:us-east-1:000000000000:function:f",
        traceId: "Root=1-1-1",
        retries: 0,
        ...members,
      },
      JSON.stringify(payload),
    );
    return this.next();
  }

  async stop(): Promise<void> {
    this.channel.destroy();
    this.child.kill("SIGKILL");
    await this.exited;
  }

  #receive(message: RuntimeMessage, text: string): void {
    if (message.kind === "log" || message.kind === "logMessage") {
      this.log += text;
      if (message.kind === "logMessage") this.messages.push(text);
      return;
    }
    const received = { ...message, text };
    const resolve = this.#waiting.shift();
    if (resolve === undefined) this.#received.push(received);
    else resolve(received);
  }
}
