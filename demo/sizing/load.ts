import { buffer } from "node:stream/consumers";
import { CreateFunctionCommand, InvokeCommand, LambdaClient, waitUntilFunctionActiveV2 } from "@aws-sdk/client-lambda";
import { ZipFile } from "yazl";
import type { DemoFunction } from "./functions.ts";

const READY_SECONDS_MAX = 60;
const PAD_BYTES_MAX = 400_000;

/** One call as its caller saw it. */
export type Call = {
  readonly tookMs: number /** undefined: it was answered as it should be. */;
  readonly error: string | undefined;
};

/** Calls functions with the unmodified AWS SDK, in the same order with the same events every time. */
export class Load {
  /** By function. */
  readonly calls = new Map<string, Call[]>();
  readonly #client: LambdaClient;

  constructor(endpoint: string, credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }) {
    // A retry of the SDK's own would be another call than the one that is counted.
    this.#client = new LambdaClient({ endpoint, region: "us-east-1", credentials, maxAttempts: 1 });
  }

  async deploy({ name, memoryMiB }: DemoFunction, code: Buffer): Promise<void> {
    const zip = new ZipFile();
    zip.addBuffer(code, "index.mjs");
    zip.end();
    await this.#client.send(
      new CreateFunctionCommand({
        FunctionName: name,
        Runtime: "nodejs24.x",
        Handler: "index.handler",
        Role: "arn:aws:iam::000000000000:role/demo",
        MemorySize: memoryMiB,
        Timeout: 30,
        Environment: { Variables: { KIND: name } },
        Code: { ZipFile: await buffer(zip.outputStream) },
      }),
    );
    await waitUntilFunctionActiveV2({ client: this.#client, maxWaitTime: READY_SECONDS_MAX }, { FunctionName: name });
  }

  /** Every function once, all at the same time; resolves when all have answered. */
  async round(round: number, functions: readonly DemoFunction[], signal: AbortSignal): Promise<void> {
    await Promise.all(functions.map(({ name }) => this.#call(name, round, signal)));
  }

  close(): void {
    this.#client.destroy();
  }

  async #call(name: string, round: number, abortSignal: AbortSignal): Promise<void> {
    // Small ones most of the time, and a large one now and then.
    const pad =
      name === "input" ? { pad: "x".repeat(Math.round(((round * 7) % 13) ** 2 * (PAD_BYTES_MAX / 144))) } : {};
    const beganMs = performance.now();
    let error: string | undefined;
    try {
      const Payload = JSON.stringify({ round, ...pad });
      const answer = await this.#client.send(new InvokeCommand({ FunctionName: name, Payload }), { abortSignal });
      error = answer.FunctionError;
    } catch (cause) {
      error = (cause as Error).name;
    }
    const calls = this.calls.get(name) ?? [];
    this.calls.set(name, calls);
    calls.push({ tookMs: performance.now() - beganMs, error });
  }
}
