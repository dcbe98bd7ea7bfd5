import { randomBytes } from "node:crypto";
import { CliError } from "./cli-error.ts";
import { invokeFunction } from "./invocation.ts";
import { at, type FunctionSettings, LambdaClient } from "./lambda-client.ts";
import type { SizeRun } from "./power-tuning.ts";
import { readAll, type ServerClient } from "./server-client.ts";

const NAME_LENGTH_MAX = 64;

type GetFunctionAnswer = {
  readonly Configuration: FunctionSettings & {
    readonly Description?: string;
    readonly Architectures?: readonly string[];
    readonly Layers?: readonly { readonly Arn: string }[];
  };
  readonly Code: { readonly Location: string };
};

/**
 * A copy of a function that nobody else calls: same code and settings, no sizing. Its sizes can be tried without touching the
 * function, its warm containers or what was learned of it.
 */
export class TuningCopy {
  readonly name: string;
  readonly #server: ServerClient;
  readonly #lambda: LambdaClient;

  private constructor(name: string, server: ServerClient) {
    this.name = name;
    this.#server = server;
    this.#lambda = new LambdaClient(server);
  }

  /** @param onName told before anything is made, so that it can be removed whatever happens. @throws CliError. */
  static async of(functionName: string, server: ServerClient, onName: (name: string) => void): Promise<TuningCopy> {
    const { Configuration: settings, Code } = await server.json<GetFunctionAnswer>({
      method: "GET",
      path: at(functionName),
    });
    const { pathname, search } = new URL(Code.Location);
    const zip = await readAll(await server.open({ method: "GET", path: `${pathname}${search}` }));
    const suffix = `-tune-${randomBytes(3).toString("hex")}`;
    const plain = functionName.split(":").at(-1) ?? functionName;
    const copy = new TuningCopy(`${plain.slice(0, NAME_LENGTH_MAX - suffix.length)}${suffix}`, server);
    onName(copy.name);
    await copy.#lambda.create(copy.name, zip, copiedFrom(settings));
    await copy.#lambda.settled(copy.name);
    await server.json({
      method: "PUT",
      path: `/_hearth/sizing/functions/${encodeURIComponent(copy.name)}`,
      body: { mode: "off" },
    });
    return copy;
  }

  /** Calls it `invocations` times at a size, one after the other; ends with the first that fails. @param signal ends it between two calls. */
  async run(memoryMiB: number, invocations: number, payload: Buffer, signal: AbortSignal): Promise<SizeRun> {
    await this.#lambda.updateSettings(this.name, { MemorySize: memoryMiB });
    await this.#lambda.settled(this.name);
    const durationsMs: number[] = [];
    let memoryUsedMiB = 0;
    for (let i = 0; i < invocations; i++) {
      signal.throwIfAborted();
      const answer = await this.#call(payload);
      if (answer.kind === "failed") return { kind: "failed", memoryMiB, after: i, reason: answer.reason };
      durationsMs.push(answer.durationMs);
      memoryUsedMiB = Math.max(memoryUsedMiB, answer.memoryUsedMiB);
    }
    return { kind: "ran", memoryMiB, durationsMs, memoryUsedMiB };
  }

  async #call(
    payload: Buffer,
  ): Promise<
    | { readonly kind: "ran"; readonly durationMs: number; readonly memoryUsedMiB: number }
    | { readonly kind: "failed"; readonly reason: string }
  > {
    try {
      const answer = await invokeFunction(this.#server, this.name, payload, { isAsync: false, withLog: true });
      if (answer.functionError !== undefined) return { kind: "failed", reason: reasonIn(answer.payload) };
      return { kind: "ran", ...reportIn(answer.log ?? "") };
    } catch (error) {
      // No room for so large a container, too many calls: what is wrong with this size need not be wrong with the next.
      if (error instanceof CliError && error.code.endsWith("Exception")) {
        return { kind: "failed", reason: `${error.code}: ${error.message}` };
      }
      throw error;
    }
  }
}

/** Idempotent. @throws CliError when it could not be removed. */
export async function removeCopy(name: string, server: ServerClient): Promise<void> {
  const lambda = new LambdaClient(server);
  try {
    await lambda.remove(name);
  } catch (error) {
    if (error instanceof CliError && error.code === "ResourceNotFoundException") return;
    throw new CliError(`the temporary function ${name} could not be removed: ${(error as Error).message}`, {
      remedy: `remove it with \`hearth rm ${name}\``,
      cause: error,
    });
  }
}

/** What of a function's configuration may be told when one is made. */
function copiedFrom(settings: GetFunctionAnswer["Configuration"]): FunctionSettings {
  const { Runtime, Handler, Role, Timeout, MemorySize, Environment, EphemeralStorage, Architectures, Layers } =
    settings;
  const members = {
    Runtime,
    Handler,
    Role,
    Timeout,
    MemorySize,
    Environment,
    EphemeralStorage,
    Architectures,
    Layers: Layers?.map(({ Arn }) => Arn),
    Description: "temporary copy, made by hearth tune",
  };
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as FunctionSettings;
}

/** The platform's own figures; the caller's clock would count the network. @throws CliError when there is no report. */
function reportIn(log: string): { readonly durationMs: number; readonly memoryUsedMiB: number } {
  const report = /^REPORT RequestId: .*$/m.exec(log)?.[0] ?? "";
  const durationMs = Number(/\bDuration: ([\d.]+) ms/.exec(report)?.[1] ?? Number.NaN);
  const memoryUsedMiB = Number(/Max Memory Used: ([\d.]+) MB/.exec(report)?.[1] ?? 0);
  if (Number.isNaN(durationMs))
    throw new CliError("the server's answer has no REPORT line", { remedy: "see the server's log" });
  return { durationMs, memoryUsedMiB };
}

function reasonIn(payload: Buffer): string {
  try {
    const { errorType, errorMessage } = JSON.parse(payload.toString()) as { errorType?: string; errorMessage?: string };
    return [errorType, errorMessage?.split("\n")[0]].filter((part) => part !== undefined).join(": ");
  } catch {
    return payload.toString().slice(0, 100);
  }
}
