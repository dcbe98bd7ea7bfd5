import { ERROR_CODES, type ErrorCode } from "../model/error-code.ts";
import type { AttemptEnd, AttemptExplanation, Explanation } from "../model/explanation.ts";
import type { AccountId, InvocationId } from "../model/ids.ts";
import type { InvocationMode, Lease } from "../model/invocation.ts";
import type { InvokeRequest } from "../ports/invoker.ts";

/** The latest invocations that are remembered; the one that was heard of longest ago is forgotten first. */
const REMEMBERED_MAX = 20_000;
/** Of one invocation; between the first and the latest ones nothing is kept. */
const ATTEMPTS_MAX = 10;

type Told = {
  readonly accountId: AccountId;
  readonly functionName: string;
  readonly version: string;
  readonly mode: InvocationMode;
  readonly attempts: AttemptExplanation[];
};

/** What became of the latest invocations, for `hearth explain`. In memory: a restart forgets it. */
export class Explanations {
  readonly #told = new Map<InvocationId, Told>();
  readonly #rememberedMax: number;

  constructor(rememberedMax = REMEMBERED_MAX) {
    this.#rememberedMax = rememberedMax;
  }

  /** An execution begins. @param atMs the host's clock, as in the others. */
  begun(request: Pick<InvokeRequest, "version">, { invocation, ...lease }: Lease, atMs: number): void {
    const { start, instanceId, containerId, placement } = lease;
    const told = this.#toldOf(invocation.id, request, invocation.mode);
    keep(told.attempts, { kind: "executed", begunMs: atMs, start, instanceId, containerId, placement });
  }

  finished(id: InvocationId, end: Omit<Extract<AttemptEnd, { kind: "finished" }>, "kind">): void {
    this.#end(id, { kind: "finished", ...end });
  }

  /** An execution was cut off, or the invocation was refused before it began. */
  refused(
    id: InvocationId,
    request: Pick<InvokeRequest, "version">,
    mode: InvocationMode,
    code: ErrorCode,
    atMs: number,
  ): void {
    const { says } = ERROR_CODES[code];
    if (this.#end(id, { kind: "cutOff", atMs, code, says })) return;
    keep(this.#toldOf(id, request, mode).attempts, { kind: "refused", atMs, code, says });
  }

  find(id: InvocationId): Explanation | undefined {
    const told = this.#told.get(id);
    return told === undefined ? undefined : { invocationId: id, ...told, attempts: [...told.attempts] };
  }

  /** @returns false: no execution of it runs, as far as is known. */
  #end(id: InvocationId, end: AttemptEnd): boolean {
    const attempts = this.#told.get(id)?.attempts;
    const latest = attempts?.at(-1);
    if (attempts === undefined || latest?.kind !== "executed" || latest.end !== undefined) return false;
    attempts[attempts.length - 1] = { ...latest, end };
    return true;
  }

  #toldOf(id: InvocationId, { version }: Pick<InvokeRequest, "version">, mode: InvocationMode): Told {
    const found = this.#told.get(id);
    if (found !== undefined) return found;
    const { accountId, name: functionName } = version;
    const told: Told = { accountId, functionName, version: version.version, mode, attempts: [] };
    this.#told.set(id, told);
    if (this.#told.size > this.#rememberedMax) {
      for (const oldest of this.#told.keys()) {
        this.#told.delete(oldest);
        break;
      }
    }
    return told;
  }
}

function keep(attempts: AttemptExplanation[], attempt: AttemptExplanation): void {
  attempts.push(attempt);
  if (attempts.length > ATTEMPTS_MAX) attempts.splice(1, 1);
}
