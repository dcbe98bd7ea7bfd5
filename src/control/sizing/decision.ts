/** What a container gets. */
export type ContainerSize = { readonly memoryMiB: number; readonly cpuMilli: number };

/** Why a size was changed, or was not. */
export type AdjustmentCondition =
  /** The stated amount is new: everything starts over. */
  | "requested"
  /** Too much: executions enough show that less is needed. */
  | "tooMuch"
  /** Too little: the largest peak has come near the limit. */
  | "tooLittle"
  /** An execution was killed at its limit. */
  | "outOfMemory"
  /** An execution waited for memory. */
  | "pressure"
  /** Executions at a size on trial went worse. */
  | "worse"
  /** Executions at a size on trial went well. */
  | "proven"
  /** The limits for a size were changed. */
  | "settings";

/** One step, as it is kept and read back: what was decided on which evidence. */
export type Decision = {
  /** Executions observed before it. */
  readonly atExecution: number;
  readonly condition: AdjustmentCondition;
  readonly from: ContainerSize;
  readonly to: ContainerSize;
  /** One sentence for people, with the figures. */
  readonly why: string;
};

/** So many decisions are kept per function version, the newest. */
export const DECISIONS_KEPT = 8;
