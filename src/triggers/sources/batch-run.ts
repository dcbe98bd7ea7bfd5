import { randomUUID } from "node:crypto";
import { ERROR_CODES, type ErrorCode } from "../../model/error-code.ts";
import type { FunctionVersion } from "../../model/function-version.ts";
import type { AccountId, InvocationId } from "../../model/ids.ts";
import type { EventSourceRecord } from "../../ports/event-source.ts";
import type { InvokeAnswer, InvokeRequest } from "../../ports/invoker.ts";

export type BatchRunOptions = {
  /** undefined: no such function, or it cannot run now. */
  resolve(accountId: AccountId, name: string, qualifier: string | undefined): FunctionVersion | undefined;
  invoke(request: InvokeRequest, answer: (answer: InvokeAnswer) => void): void;
};

/** Whom batches are for. */
export type BatchTarget = Pick<EventSourceRecord, "accountId" | "functionName" | "qualifier" | "reportsItemFailures">;

/** What became of a batch. */
export type BatchResult =
  /** `failedIds`: what of it the function did not do. */
  | { readonly kind: "ran"; readonly failedIds: ReadonlySet<string> }
  /** The function failed: nothing of it counts as done. `error`: what it said of it, if it did. */
  | { readonly kind: "failed"; readonly why: string; readonly error?: string }
  /** It did not run and may later. */
  | { readonly kind: "refused"; readonly why: string };

/** Invokes functions with batches of records, and waits for what they say of them. */
export class BatchRun {
  readonly #options: BatchRunOptions;

  constructor(options: BatchRunOptions) {
    this.#options = options;
  }

  /** @param ids of the batch's records, as its function names those that failed. */
  async run(record: BatchTarget, payload: Buffer, ids: readonly string[]): Promise<BatchResult> {
    const { accountId, functionName, qualifier, reportsItemFailures } = record;
    const version = this.#options.resolve(accountId, functionName, qualifier);
    if (version === undefined) return { kind: "refused", why: "Function not found or damaged" };
    const request: InvokeRequest = {
      id: randomUUID() as InvocationId,
      version,
      payload,
      invokedArn: qualifier === undefined ? version.arn : `${version.arn}:${qualifier}`,
      clientContext: undefined,
      traceId: undefined,
      logTail: false,
      trigger: "pubsub",
    };
    const answer = await new Promise<InvokeAnswer>((resolve) => this.#options.invoke(request, resolve));
    if (answer.kind === "rejected") return refusalOf(answer.code);
    if (answer.outcome === "agentFault") return { kind: "refused", why: "Function could not be started" };
    if (answer.outcome !== "ok") {
      return { kind: "failed", why: "Function call failed", error: answer.payload.toString() || answer.outcome };
    }
    return reportsItemFailures ? reportedIn(answer.payload, ids) : { kind: "ran", failedIds: new Set() };
  }
}

function refusalOf(code: ErrorCode): BatchResult {
  // What was cut off may have had effects: the source hands it out again in its own time.
  const isCutOff = code === "INSTANCE_LOST" || code === "RECLAIMED" || !ERROR_CODES[code].retryable;
  return {
    kind: isCutOff ? "failed" : "refused",
    why: code === "CONCURRENCY_LIMIT" ? "Function call throttled" : code,
  };
}

/** Lambda's rules: nothing or an empty list is a success of all; what cannot be read, or names no record, a failure of all. */
function reportedIn(payload: Buffer, ids: readonly string[]): BatchResult {
  const invalid: BatchResult = { kind: "failed", why: "Function reported failures that could not be read" };
  let answer: unknown;
  try {
    answer = payload.length === 0 ? null : JSON.parse(payload.toString());
  } catch {
    return invalid;
  }
  if (typeof answer !== "object" || answer === null) return { kind: "ran", failedIds: new Set() };
  const { batchItemFailures: failures } = answer as { batchItemFailures?: unknown };
  if (failures === undefined || failures === null) return { kind: "ran", failedIds: new Set() };
  if (!Array.isArray(failures)) return invalid;
  const failedIds = new Set<string>();
  for (const failure of failures as readonly unknown[]) {
    const { itemIdentifier: id } = (failure ?? {}) as { itemIdentifier?: unknown };
    if (typeof id !== "string" || !ids.includes(id)) return invalid;
    failedIds.add(id);
  }
  return { kind: "ran", failedIds };
}
