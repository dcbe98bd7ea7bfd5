import type { InvocationId } from "../model/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { InvocationEnd } from "../ports/invocation-tracer.ts";
import { archivesOf } from "./assignment.ts";
import { LogTail } from "./execution-log.ts";
import type { PendingInvocation } from "./pending-invocation.ts";

type Arrival = Pick<PendingInvocation, "request" | "retries" | "mode" | "answer" | "trace">;

/** The invocations that have arrived and are not answered yet. */
export class PendingInvocations {
  readonly #byId = new Map<InvocationId, PendingInvocation>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add({ request, retries, mode, answer, trace }: Arrival): void {
    this.#byId.set(request.id, {
      request,
      retries,
      mode,
      answer,
      trace,
      arrivedMs: this.#clock.monotonicMs(),
      tail: request.logTail ? new LogTail() : undefined,
      lease: undefined,
      waitedMs: undefined,
      isStartLogged: false,
      stream: undefined,
    });
  }

  get(id: InvocationId): PendingInvocation | undefined {
    return this.#byId.get(id);
  }

  /** Its answer has come; `endTrace` follows. */
  delete(id: InvocationId): void {
    this.#byId.delete(id);
  }

  /** Tells its trace, if there is one, what became of it. */
  endTrace({ trace, lease, waitedMs, arrivedMs }: PendingInvocation, answer: InvocationEnd["answer"]): void {
    trace?.end({ answer, lease, waitedMs, tookMs: this.#clock.monotonicMs() - arrivedMs });
  }

  /** Of those that have not ended: what a waiting one is to run stays, also when its function was changed since. */
  *usedCode(overlayName: (layerSha256Hexes: readonly string[]) => string): Iterable<string> {
    for (const { request } of this.#byId.values()) {
      const { version } = request;
      yield* archivesOf(version);
      if (version.layerSha256Hexes?.length) yield overlayName(version.layerSha256Hexes);
    }
  }

  get runningCount(): number {
    let count = 0;
    for (const { lease } of this.#byId.values()) if (lease !== undefined) count++;
    return count;
  }

  /** What was cancelled while it waited is never answered; what had begun meanwhile runs on. */
  forgetCancelled(id: InvocationId): void {
    const pending = this.#byId.get(id);
    if (pending === undefined || pending.lease !== undefined) return;
    this.#byId.delete(id);
    this.endTrace(pending, "cancelled");
  }

  /** Everybody is answered: callers that the server went away, the queue that its execution was cut off. */
  cutOff(): void {
    const pending = [...this.#byId.values()];
    this.#byId.clear();
    for (const one of pending) {
      const code = one.mode === "synchronous" ? "SHUTTING_DOWN" : "INSTANCE_LOST";
      one.answer({ kind: "rejected", code }, () => {});
      this.endTrace(one, { kind: "rejected", code });
    }
  }
}
