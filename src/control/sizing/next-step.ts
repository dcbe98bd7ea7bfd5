import type { ContainerSize, SizingMode } from "../../model/sizing.ts";

/** Where a function version's sizing stands. */
export type SizingState = {
  readonly mode: SizingMode;
  /** undefined: the requested size. */
  readonly learned: ContainerSize | undefined;
  readonly trial: { readonly size: ContainerSize; readonly executions: number } | undefined;
  /** It has had so many failures that it keeps what was requested. */
  readonly hasGivenUp: boolean;
  /** Executions until anything may be made smaller again after a failure; 0: now. */
  readonly heldFor: number;
  /** Executions with a measured peak until the threshold is reached; 0: it is. */
  readonly missing: number;
  /** Measured executions until the memory is looked at again. */
  readonly reviewIn: number;
};

/** What happens next, in one sentence. */
export function nextStepOf(state: SizingState): string {
  const { mode, learned, trial, hasGivenUp, heldFor, missing, reviewIn } = state;
  if (mode === "off") return "Nothing: sizing is off.";
  if (trial !== undefined) {
    const soFar = trial.executions === 0 ? "none has run yet" : `${trial.executions} executions so far`;
    return `One new container in ten gets ${sizeText(trial.size)}, one in two once it goes well, until some seven executions did; ${soFar}.`;
  }
  if (mode === "suggest" && learned !== undefined)
    return `Would give ${sizeText(learned)}; mode suggest applies nothing.`;
  if (hasGivenUp)
    return "It keeps what was requested: too many smaller sizes failed. A new requested size starts over.";
  if (heldFor > 0) return `After a failure nothing is made smaller for ${executionsText(heldFor)}.`;
  if (missing > 0) return `Looked at for the first time after ${executionsText(missing)}.`;
  return `Looked at again after ${executionsText(reviewIn)}; it grows at once when peaks come near the limit.`;
}

export function sizeText({ memoryMiB, cpuMilli }: ContainerSize): string {
  return `${memoryMiB} MiB and ${(cpuMilli / 1000).toFixed(2)} vCPU`;
}

function executionsText(count: number): string {
  return count <= 1 ? "the next execution" : `${Math.ceil(count).toLocaleString("en-US")} more executions`;
}
