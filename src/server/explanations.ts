import { ERROR_CODES, type ErrorCode } from "../model/error-code.ts";
import type { AttemptEnd, AttemptExplanation, Explanation } from "../model/explanation.ts";
import type { AccountId, FunctionKey, InvocationId } from "../model/ids.ts";
import type { Invocation, InvocationMode, Lease } from "../model/invocation.ts";

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
  begun({ invocation, start, instanceId, containerId, placement }: Lease, atMs: number): void {
    keep(this.#toldOf(invocation).attempts, {
      kind: "executed",
      begunMs: atMs,
      start,
      instanceId,
      containerId,
      placement,
    });
  }

  finished(id: InvocationId, end: Omit<Extract<AttemptEnd, { kind: "finished" }>, "kind">): void {
    this.#end(id, { kind: "finished", ...end });
  }

  /** An execution was cut off, or the invocation was refused before it began. */
  refused(invocation: Invocation, code: ErrorCode, atMs: number): void {
    const { says } = ERROR_CODES[code];
    if (this.#end(invocation.id, { kind: "cutOff", atMs, code, says })) return;
    keep(this.#toldOf(invocation).attempts, { kind: "refused", atMs, code, says });
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

  #toldOf({ id, accountId, functionKey, mode }: Invocation): Told {
    const found = this.#told.get(id);
    if (found !== undefined) return found;
    const { functionName, version } = partsOf(functionKey);
    const told: Told = { accountId, functionName, version, mode, attempts: [] };
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

/** A function key is account/name/version/revision. */
export function partsOf(functionKey: FunctionKey): { readonly functionName: string; readonly version: string } {
  const [, functionName = "", version = ""] = functionKey.split("/");
  return { functionName, version };
}

function keep(attempts: AttemptExplanation[], attempt: AttemptExplanation): void {
  attempts.push(attempt);
  if (attempts.length > ATTEMPTS_MAX) attempts.splice(1, 1);
}
