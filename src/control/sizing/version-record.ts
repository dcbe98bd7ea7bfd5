import type { ContainerSize, SizingDecision, SizingSettings } from "../../model/sizing.ts";
import type { CpuSizingRecord } from "./cpu-sizing.ts";
import type { FailuresRecord } from "./failures.ts";
import type { InputNeedRecord } from "./input-need.ts";
import type { PeakMemoryRecord } from "./peak-memory.ts";
import type { ReservationRecord } from "./reservation.ts";
import type { SlownessRecord } from "./slowness.ts";
import type { TrialRecord } from "./trial.ts";

/** What the version before it needed: it lets a new one shrink sooner, once its own executions agree. */
export type SizingHint = { readonly memoryMiB: number; readonly maxMiB: number };

/** All that is known of a function version, as plain JSON of at most 4 KiB. */
export type VersionRecord = {
  readonly requested: ContainerSize;
  /** Under which the sizes were decided. Absent in those of earlier versions. */
  readonly settings?: SizingSettings;
  readonly proven: ContainerSize;
  readonly hint: SizingHint | undefined;
  readonly peaks: PeakMemoryRecord;
  readonly cpu: CpuSizingRecord;
  readonly inputs: InputNeedRecord;
  readonly usual: SlownessRecord;
  readonly failures: FailuresRecord;
  readonly trial: TrialRecord | undefined;
  readonly reservation: ReservationRecord;
  readonly decisions: readonly SizingDecision[];
  /** executions, memoryReviewAt, cpuReviewAt, smallestMiB, startsToTrial, watch. */
  readonly counts: readonly number[];
};
