import type { Room } from "../../model/grant.ts";
import type { SizeStory } from "../../model/size-story.ts";
import type { ContainerSize, SizingDecision, SizingSettings } from "../../model/sizing.ts";
import type { CpuDemand } from "./cpu-demand.ts";
import type { Failures } from "./failures.ts";
import { nextStepOf } from "./next-step.ts";
import type { PeakMemory } from "./peak-memory.ts";
import { chooseByRatio, type SizeQuestion } from "./size-choice.ts";
import { isSameSize, type Trial } from "./trial.ts";

/** What a function version's size is told from. */
export type StoryParts = {
  readonly requested: ContainerSize;
  readonly effective: ContainerSize;
  readonly learned: ContainerSize;
  readonly room: Room;
  readonly trial: Trial | undefined;
  readonly question: SizeQuestion | undefined;
  readonly peaks: PeakMemory;
  readonly demand: CpuDemand | undefined;
  readonly failures: Failures;
  /** All that said something. */
  readonly executions: number;
  readonly settings: SizingSettings;
  /** Measured executions at which memory is looked at again. */
  readonly reviewAt: number;
  readonly decisions: readonly SizingDecision[];
};

/** All that is shown of it. */
export function storyOf(parts: StoryParts): SizeStory {
  const { requested, effective, learned, room, trial, question, peaks, demand, executions, settings } = parts;
  const { failures, decisions } = parts;
  const figures = peaks.figures(learned.memoryMiB);
  return {
    requested,
    effective,
    learned,
    ...(trial === undefined ? {} : { onTrial: trial.size }),
    ...(question === undefined ? {} : { byRatioMiB: chooseByRatio(question, learned.memoryMiB).size.memoryMiB }),
    reservationMiB: room.reservedMiB,
    evidence: {
      executions,
      peaksMeasured: peaks.executions,
      executionsMin: settings.executionsMin,
      failures: failures.count,
      failedMiB: failures.memoryMiB,
      ...(figures === undefined ? {} : { peaks: figures }),
      ...(demand === undefined
        ? {}
        : { cpu: { cpuMs: demand.cpuMs, waitMs: demand.waitMs, parallelism: demand.parallelism } }),
    },
    nextStep: nextStepOf({
      mode: settings.mode,
      learned: isSameSize(learned, requested) ? undefined : learned,
      trial: trial === undefined ? undefined : { size: trial.size, executions: trial.executions },
      hasGivenUp: failures.isFinal,
      heldFor: failures.heldFor(executions),
      missing: Math.max(0, settings.executionsMin - peaks.executions),
      reviewIn: parts.reviewAt - peaks.executions,
    }),
    decisions,
  };
}
