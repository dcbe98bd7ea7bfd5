import { buffer } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { CreateFunctionCommand, InvokeCommand, LambdaClient, waitUntilFunctionActiveV2 } from "@aws-sdk/client-lambda";
import { ZipFile } from "yazl";

export type Key = { readonly accessKeyId: string; readonly secretAccessKey: string };

/** One call as its caller saw it. */
export type Call = {
  readonly kind: "synchronous" | "asynchronous";
  readonly requestId: string | undefined;
  readonly tookMs: number;
  /** undefined: it was answered, or accepted, as it should be. */
  readonly error: string | undefined;
};

const ROLE = "arn:aws:iam::000000000000:role/demo";
const FUNCTION_NAME = "work";
const READY_SECONDS_MAX = 60;
/** Those who wait hold their connection. */
const CALLS_AT_ONCE_MAX = 2000;

/** An account that calls its function, with the unmodified AWS SDK. */
export class Caller {
  readonly name: string;
  readonly accountId: string;
  readonly calls: Call[] = [];
  readonly #client: LambdaClient;
  #open = 0;

  constructor(name: string, accountId: string, url: string, credentials: Key) {
    this.name = name;
    this.accountId = accountId;
    // A retry of the SDK's own would be another call than the one that is counted.
    this.#client = new LambdaClient({
      endpoint: url,
      region: "us-east-1",
      credentials,
      maxAttempts: 1,
      requestHandler: { httpAgent: { maxSockets: CALLS_AT_ONCE_MAX } },
    });
  }

  /** Calls without an answer so far. */
  get open(): number {
    return this.#open;
  }

  async deploy(code: string): Promise<void> {
    const zip = new ZipFile();
    zip.addBuffer(Buffer.from(code), "index.mjs");
    zip.end();
    const definition = {
      FunctionName: FUNCTION_NAME,
      Runtime: "nodejs24.x",
      Handler: "index.handler",
      Role: ROLE,
    } as const;
    const ZipFileBytes = await buffer(zip.outputStream);
    const limits = { MemorySize: 256, Timeout: 60 };
    await this.#client.send(new CreateFunctionCommand({ ...definition, ...limits, Code: { ZipFile: ZipFileBytes } }));
    await waitUntilFunctionActiveV2(
      { client: this.#client, maxWaitTime: READY_SECONDS_MAX },
      { FunctionName: FUNCTION_NAME },
    );
  }

  /** One call; its outcome is in `calls`, whatever it is. */
  async call(kind: Call["kind"], ms: number): Promise<void> {
    const beganMs = performance.now();
    const InvocationType = kind === "synchronous" ? "RequestResponse" : "Event";
    this.#open++;
    let requestId: string | undefined;
    let error: string | undefined;
    try {
      const Payload = JSON.stringify({ ms });
      const answer = await this.#client.send(
        new InvokeCommand({ FunctionName: FUNCTION_NAME, InvocationType, Payload }),
      );
      requestId = answer.$metadata.requestId;
      if (answer.FunctionError !== undefined) error = answer.FunctionError;
    } catch (cause) {
      const { name, $metadata } = cause as Error & { $metadata?: { requestId?: string } };
      requestId = $metadata?.requestId;
      error = name;
    }
    this.#open--;
    this.calls.push({ kind, requestId, tookMs: performance.now() - beganMs, error });
  }

  /** Calls at this pace until the signal; resolves when the last one was sent, not answered. */
  async keepCalling(kind: Call["kind"], everyMs: number, ms: number, until: AbortSignal): Promise<void> {
    while (!until.aborted) {
      void this.call(kind, ms);
      await delay(everyMs, undefined, { signal: until }).catch(() => {});
    }
  }
}
