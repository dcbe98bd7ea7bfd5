import type { ContainerSize, SizingDecision } from "./sizing.ts";

/** All that is shown of one function version's size. */
export type SizeStory = {
  /** What the function's settings state. */
  readonly requested: ContainerSize;
  /** What the next container gets. */
  readonly effective: ContainerSize;
  /** What was learned and has proven itself, whether it is applied or not. */
  readonly learned: ContainerSize;
  /** Absent: no size is on trial. */
  readonly onTrial?: ContainerSize;
  /**
   * What would have to be requested where CPU follows memory, as on AWS Lambda: enough memory, and the CPU that the policy
   * chooses. Absent: the CPU that it needs is not known.
   */
  readonly byRatioMiB?: number;
  /** What instances are packed by. */
  readonly reservationMiB: number;
  readonly evidence: SizeEvidence;
  /** One sentence for people: what happens next, and when. */
  readonly nextStep: string;
  /** The newest last. */
  readonly decisions: readonly SizingDecision[];
};

/** What a size rests on. */
export type SizeEvidence = {
  /** All that said something. */
  readonly executions: number;
  /** Peaks of memory that were measured since the last execution that failed for want of it. */
  readonly peaksMeasured: number;
  /** Nothing is made smaller before so many. */
  readonly executionsMin: number;
  /** Sizes of our making that failed. */
  readonly failures: number;
  /** No size at or below it is tried again; 0: none failed. */
  readonly failedMiB: number;
  /** Absent: no peak was measured. */
  readonly peaks?: PeakFigures;
  /** Absent: no warm execution was measured at the present size. */
  readonly cpu?: { readonly cpuMs: number; readonly waitMs: number; readonly parallelism: number };
};

/** Of peaks of memory; older ones weigh less. */
export type PeakFigures = {
  readonly p50MiB: number;
  readonly p90MiB: number;
  readonly p99MiB: number;
  readonly maxMiB: number;
  /** Kept above the largest. */
  readonly marginMiB: number;
  /** How likely the next execution takes more than all before it: 1 / (n + 1), n less where the need is rising. A bound of `excessChance` whatever the peaks look like. */
  readonly recordChance: number;
  /**
   * How likely the next execution needs more than the learned size: 1 / (n + 1) that it is above all n before it
   * (exchangeable executions), times the chance that its excess is larger than the margin (exponential tail).
   */
  readonly excessChance: number;
  /** How many lie in (`fromMiB`, `toMiB`], ascending, the empty ones left out. */
  readonly histogram: readonly { readonly fromMiB: number; readonly toMiB: number; readonly count: number }[];
};
