import { ERROR_CODES, type ErrorCode } from "../model/error-code.ts";
import type { AttemptEnd, AttemptExplanation, Explanation } from "../model/explanation.ts";
import type { FunctionKey, InvocationId } from "../model/ids.ts";
import type { Invocation, Lease } from "../model/invocation.ts";

/** The latest invocations that are remembered; the one that was heard of longest ago is forgotten first. */
const REMEMBERED_MAX = 20_000;
/** Of one invocation; between the first and the latest ones nothing is kept. */
const ATTEMPTS_MAX = 10;

/** One attempt as it is kept: flat, because there is one on the path of every invocation. */
type Kept = {
  /** undefined: refused before it began. */
  readonly lease: Lease | undefined;
  readonly atMs: number;
  /** Why it was refused or cut off, and when. */
  code: ErrorCode | undefined;
  cutOffMs: number;
  end: FinishedEnd | undefined;
};

type FinishedEnd = Omit<Extract<AttemptEnd, { kind: "finished" }>, "kind">;

type Told = { readonly invocation: Invocation; latest: Kept; earlier: Kept[] | undefined };

/** What became of the latest invocations, for `hearth explain`. In memory: a restart forgets it. */
export class Explanations {
  readonly #told = new Map<InvocationId, Told>();
  readonly #rememberedMax: number;
  /** Their ids in the order in which they were heard of; looking for a map's first key takes ever longer as it is emptied. */
  readonly #ring: InvocationId[] = [];
  /** Where the oldest is, which the next one replaces. */
  #next = 0;

  constructor(rememberedMax = REMEMBERED_MAX) {
    this.#rememberedMax = rememberedMax;
  }

  /** An execution begins. @param atMs the host's clock, as in the others. */
  begun(lease: Lease, atMs: number): void {
    this.#keep(lease.invocation, { lease, atMs, code: undefined, cutOffMs: 0, end: undefined });
  }

  finished(id: InvocationId, end: FinishedEnd): void {
    const running = this.#runningOf(id);
    if (running !== undefined) running.end = end;
  }

  /** An execution was cut off, or the invocation was refused before it began. */
  refused(invocation: Invocation, code: ErrorCode, atMs: number): void {
    const running = this.#runningOf(invocation.id);
    if (running === undefined) {
      return this.#keep(invocation, { lease: undefined, atMs, code, cutOffMs: atMs, end: undefined });
    }
    running.code = code;
    running.cutOffMs = atMs;
  }

  find(id: InvocationId): Explanation | undefined {
    const told = this.#told.get(id);
    if (told === undefined) return undefined;
    const { accountId, functionKey, mode } = told.invocation;
    const attempts = [...(told.earlier ?? []), told.latest].map(explained);
    return { invocationId: id, accountId, ...partsOf(functionKey), mode, attempts };
  }

  /** undefined: no execution of it runs, as far as is known. */
  #runningOf(id: InvocationId): Kept | undefined {
    const latest = this.#told.get(id)?.latest;
    return latest?.lease !== undefined && latest.end === undefined && latest.code === undefined ? latest : undefined;
  }

  #keep(invocation: Invocation, attempt: Kept): void {
    const told = this.#told.get(invocation.id);
    if (told === undefined) return this.#remember({ invocation, latest: attempt, earlier: undefined });
    told.earlier ??= [];
    told.earlier.push(told.latest);
    told.latest = attempt;
    if (told.earlier.length >= ATTEMPTS_MAX) told.earlier.splice(1, 1);
  }

  #remember(told: Told): void {
    const { id } = told.invocation;
    this.#told.set(id, told);
    const oldest = this.#ring[this.#next];
    if (oldest !== undefined) this.#told.delete(oldest);
    this.#ring[this.#next] = id;
    this.#next = (this.#next + 1) % this.#rememberedMax;
  }
}

function explained({ lease, atMs, code, cutOffMs, end }: Kept): AttemptExplanation {
  const refusal = code === undefined ? undefined : { code, says: ERROR_CODES[code].says };
  if (lease === undefined) return { kind: "refused", atMs, ...(refusal as NonNullable<typeof refusal>) };
  const { start, instanceId, containerId, placement, grant } = lease;
  const granted = grant === undefined ? {} : { grant };
  const attempt = { kind: "executed", begunMs: atMs, start, instanceId, containerId, placement, ...granted } as const;
  if (refusal !== undefined) return { ...attempt, end: { kind: "cutOff", atMs: cutOffMs, ...refusal } };
  return end === undefined ? attempt : { ...attempt, end: { kind: "finished", ...end } };
}

/** A function key is account/name/version/revision. */
export function partsOf(functionKey: FunctionKey): { readonly functionName: string; readonly version: string } {
  const name = functionKey.indexOf("/") + 1;
  const version = functionKey.indexOf("/", name) + 1;
  const revision = functionKey.indexOf("/", version);
  return { functionName: functionKey.slice(name, version - 1), version: functionKey.slice(version, revision) };
}
