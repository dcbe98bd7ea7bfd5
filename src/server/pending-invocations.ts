import type { InvocationId } from "../model/ids.ts";
import type { PendingInvocation } from "./pending-invocation.ts";

/** The invocations that have arrived and are not answered yet. */
export class PendingInvocations {
  readonly #byId = new Map<InvocationId, PendingInvocation>();

  add(pending: PendingInvocation): void {
    this.#byId.set(pending.request.id, pending);
  }

  get(id: InvocationId): PendingInvocation | undefined {
    return this.#byId.get(id);
  }

  /** Whose answer has come. */
  take(id: InvocationId): PendingInvocation | undefined {
    const pending = this.#byId.get(id);
    this.#byId.delete(id);
    return pending;
  }

  get runningCount(): number {
    let count = 0;
    for (const { lease } of this.#byId.values()) if (lease !== undefined) count++;
    return count;
  }

  /** What was cancelled while it waited is never answered; what had begun meanwhile runs on. */
  forgetCancelled(id: InvocationId): void {
    if (this.#byId.get(id)?.lease === undefined) this.#byId.delete(id);
  }

  /** Everybody is answered: callers that the server went away, the queue that its execution was cut off. */
  cutOff(): void {
    const pending = [...this.#byId.values()];
    this.#byId.clear();
    for (const { mode, answer } of pending) {
      answer({ kind: "rejected", code: mode === "synchronous" ? "SHUTTING_DOWN" : "INSTANCE_LOST" }, () => {});
    }
  }
}
