import type { InvocationId, LeaseId } from "../model/ids.ts";

/** Beyond this the oldest results go; their invocations are then run again, marked as retries. */
const KEPT_BYTES_MAX = 64 * 1024 * 1024;

type KeptResult = { readonly invocationId: InvocationId; readonly frame: Buffer };

/**
 * Results of executions whose server wants to have them even if it is restarted meanwhile: encoded
 * frames, kept until acknowledged.
 */
export class KeptResults {
  readonly #results = new Map<LeaseId, KeptResult>();
  #bytes = 0;

  keep(leaseId: LeaseId, invocationId: InvocationId, frame: Buffer): void {
    this.#results.set(leaseId, { invocationId, frame });
    this.#bytes += frame.length;
    for (const oldest of this.#results.keys()) {
      if (this.#bytes <= KEPT_BYTES_MAX) break;
      this.acknowledge(oldest);
    }
  }

  acknowledge(leaseId: LeaseId): void {
    this.#bytes -= this.#results.get(leaseId)?.frame.length ?? 0;
    this.#results.delete(leaseId);
  }

  /** Oldest first. */
  invocationIds(): InvocationId[] {
    return [...this.#results.values()].map(({ invocationId }) => invocationId);
  }

  /** In the order of `invocationIds`. */
  frames(): Buffer[] {
    return [...this.#results.values()].map(({ frame }) => frame);
  }
}
