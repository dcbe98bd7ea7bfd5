import type { Grant, Room } from "../../model/grant.ts";
import type { SizeStory } from "../../model/size-story.ts";
import type { AdjustmentCondition, ContainerSize, SizingDecision, SizingSettings } from "../../model/sizing.ts";
import { isSameSizing } from "../../model/sizing.ts";
import { CPU_EXECUTIONS_MIN, CpuSizing, cpuText } from "./cpu-sizing.ts";
import { DecisionLog } from "./decision-log.ts";
import { type Execution, isStalled, peakMiBOf } from "./execution.ts";
import { Failures } from "./failures.ts";
import { InputNeed } from "./input-need.ts";
import { fiveSketches } from "./log-sketch.ts";
import { isEnough, type MemoryEvidence, neededMiB } from "./memory-need.ts";
import { nextReview } from "./next-review.ts";
import { PeakMemory } from "./peak-memory.ts";
import { GOT_WORSE, meanText, peaksText, SETTINGS_CHANGED, shortageText, trialFailedText } from "./reason-text.ts";
import { Reservation, type ReservationChange } from "./reservation.ts";
import { type SizeBounds, settledSize, sizeBoundsOf, withinBounds, withMemory } from "./size-bounds.ts";
import { chooseByRatio, chooseCpuApart, type SizeChoice, type SizeQuestion } from "./size-choice.ts";
import { Slowness } from "./slowness.ts";
import { isSameSize, Trial } from "./trial.ts";
import type { SizingHint, VersionRecord } from "./version-record.ts";
import { storyOf } from "./version-story.ts";
import { Watch } from "./watch.ts";

/** Smaller savings than this are not worth a change. */
const SAVING_MIN = 0.01;
/** Less than this share of the wanted margin left above the largest peak, and new containers get more. */
const MARGIN_LEFT_MIN = 0.6;
const GROWTH_AFTER_KILL = 1.5;

/**
 * The size of one function version, learned from its executions. What new containers get is the **proven** size, and a part
 * of them the size on **trial** while there is one.
 *
 *     requested ──enough executions need less──▶ trial ──seven without fault─▶ proven ──2.5 times as many──▶ trial …
 *         ▲                                        │                            │  ▲
 *         │                                        └─three bad ones: dropped    │  └─ largest peak near the limit: grows at once
 *         └────────── killed, stalled, slower, failing: a lower bound, and a hold that doubles ──┘
 *
 * Of N executions at most 8 fail for a size of our making (plus those in containers that were already running), and at most
 * 9 · (1 + log₂ N) + N/2048 sizes are made smaller. See docs/design/0013-sizing.md.
 */
export class VersionSizing {
  readonly requested: ContainerSize;
  #settings: SizingSettings;
  #bounds: SizeBounds;
  readonly #hint: SizingHint | undefined;
  #proven: ContainerSize;
  #trial: Trial | undefined;
  readonly #peaks: PeakMemory;
  readonly #cpu: CpuSizing;
  #inputs = new InputNeed();
  readonly #usual: Slowness;
  #failures = new Failures();
  #watch = new Watch();
  #reservation = new Reservation();
  #room: Room;
  #decisions = new DecisionLog();
  #executions = 0;
  #memoryReviewAt = 0;
  #smallestMiB: number;

  constructor(requested: ContainerSize, settings: SizingSettings, hint?: SizingHint) {
    this.requested = requested;
    this.#proven = requested;
    this.#smallestMiB = requested.memoryMiB;
    this.#settings = settings;
    this.#bounds = sizeBoundsOf(settings, requested);
    this.#hint = hint;
    const [peaks, cpu, unthrottled, throttled, wall] = fiveSketches();
    this.#peaks = new PeakMemory(peaks);
    this.#cpu = new CpuSizing(cpu, unthrottled, throttled);
    this.#usual = new Slowness(wall);
    this.#room = this.#roomOf(this.#applied);
  }

  /** Executions that are evidence. */
  get executions(): number {
    return this.#executions;
  }

  /** Of the next container. */
  get effective(): ContainerSize {
    if (this.#settings.mode !== "auto") return this.requested;
    return this.#trial?.startsLeft === 0 ? this.#trial.size : this.#proven;
  }

  /** What was learned, whether it is applied or not. */
  get proven(): ContainerSize {
    return this.#proven;
  }

  get trial(): ContainerSize | undefined {
    return this.#trial?.size;
  }

  get failures(): number {
    return this.#failures.count;
  }

  /** The newest last, at most `DECISIONS_KEPT`. */
  get decisions(): readonly SizingDecision[] {
    return this.#decisions.all;
  }

  get hint(): SizingHint | undefined {
    return this.#peaks.maxMiB === 0 ? this.#hint : { memoryMiB: this.#proven.memoryMiB, maxMiB: this.#peaks.maxMiB };
  }

  /** What new containers take of an instance: the same object until that changes. A size on trial is within it. */
  get room(): Room {
    return this.#room;
  }

  /**
   * What a new container gets.
   * @param inputBytes of the event that it is made for, where that is known: it may take more room than `room`.
   */
  grant(inputBytes?: number): Omit<Grant, "why"> {
    const size = inputBytes === undefined ? this.effective : this.effectiveFor(inputBytes);
    const isAuto = this.#settings.mode === "auto";
    const rescueMemoryMiB = isAuto ? Math.max(size.memoryMiB, this.#bounds.memoryMiBMax) : size.memoryMiB;
    const room = isSameSize(size, this.#applied) ? this.#room : this.#roomOf(size);
    return { ...room, cpuMilli: size.cpuMilli, rescueMemoryMiB };
  }

  /** For an event of that size, where the need depends on it; never less than `effective`. */
  effectiveFor(inputBytes: number): ContainerSize {
    const { effective } = this;
    if (this.#settings.mode !== "auto") return effective;
    const predicted = this.#inputs.predict(inputBytes);
    if (predicted === undefined || predicted + this.#peaks.marginMiB() <= effective.memoryMiB) return effective;
    const memoryMiB = withinBounds(this.#bounds, predicted + this.#peaks.marginMiB());
    return memoryMiB <= effective.memoryMiB ? effective : withMemory(effective, memoryMiB, this.#settings);
  }

  /** All that is shown of it. */
  story(): SizeStory {
    return storyOf({
      requested: this.requested,
      effective: this.effective,
      learned: this.#learned(),
      room: this.#room,
      trial: this.#trial,
      question: this.#question(),
      peaks: this.#peaks,
      demand: this.#cpu.demand(),
      failures: this.#failures,
      executions: this.#executions,
      settings: this.#settings,
      reviewAt: this.#isSoft ? this.#reservation.reviewAt : this.#memoryReviewAt,
      decisions: this.#decisions.all,
    });
  }

  /** In soft mode the limit that would be enough; the proven size has at least what was requested there. */
  #learned(): ContainerSize {
    const needMiB = this.#peaks.needMiB();
    if (!this.#isSoft || needMiB === undefined || !isEnough(this.#memoryEvidence)) return this.#proven;
    return { ...this.#proven, memoryMiB: withinBounds(this.#bounds, needMiB) };
  }

  /** A container was made with this size: says whose turn the next one is. */
  containerStarted(size: ContainerSize): void {
    this.#trial?.started(size);
  }

  /** What was decided for others is looked at again at the next execution. */
  applySettings(settings: SizingSettings): void {
    if (isSameSizing(settings, this.#settings)) return;
    const before = this.#applied;
    // What was only suggested has never run: to be applied it goes on trial first.
    const isUntried = this.#settings.mode === "suggest" && settings.mode !== "suggest";
    const start = isUntried ? this.requested : this.#proven;
    this.#settings = settings;
    this.#bounds = sizeBoundsOf(settings, this.requested);
    this.#trial = undefined;
    const to = settledSize(start, this.requested, settings, this.#bounds);
    this.#move(to, "settings", () => SETTINGS_CHANGED, before);
    this.#memoryReviewAt = 0;
    this.#cpu.lookAgain(this.#executions);
    this.#reservation.lookAgain();
    this.#updateRoom();
  }

  observe(execution: Execution): void {
    if (execution.outcome === "reclaimed") return;
    this.#executions++;
    const isMeasured = execution.outcome !== "outOfMemory" && !isStalled(execution);
    const isShortOfMemory = !isMeasured || execution.outcome === "rescued";
    const peakMiB = peakMiBOf(execution);
    let isRecord = false;
    if (isMeasured && peakMiB !== undefined && peakMiB > 0) {
      isRecord = this.#peaks.observe(peakMiB);
      if (execution.inputBytes !== undefined) this.#inputs.observe(execution.inputBytes, peakMiB);
    }
    if (!isShortOfMemory) this.#cpu.observe(execution, this.#applied.cpuMilli);
    if (this.#settings.mode === "off") return;
    if (isShortOfMemory) this.#shortOfMemory(execution);
    else this.#judge(execution);
    if (isRecord) this.#growIfNear();
    if (this.#isSoft) this.#reviewReservation();
    else this.#reviewMemory();
    if (this.#settings.cpu === "apart") this.#reviewCpu();
    this.#updateRoom();
  }

  record(): VersionRecord {
    return {
      requested: this.requested,
      settings: this.#settings,
      proven: this.#proven,
      hint: this.#hint,
      peaks: this.#peaks.record(),
      cpu: this.#cpu.record(),
      inputs: this.#inputs.record(),
      usual: this.#usual.record(),
      failures: this.#failures.record(),
      trial: this.#trial?.record(),
      reservation: this.#reservation.record(),
      decisions: this.#decisions.all,
      counts: [
        this.#executions,
        this.#memoryReviewAt,
        this.#cpu.reviewAt,
        this.#smallestMiB,
        this.#trial?.startsLeft ?? 0,
        this.#watch.level,
      ],
    };
  }

  static from(record: VersionRecord, settings: SizingSettings): VersionSizing {
    const version = new VersionSizing(record.requested, { ...settings, ...record.settings }, record.hint);
    version.#proven = record.proven;
    version.#peaks.restore(record.peaks);
    version.#inputs = InputNeed.from(record.inputs);
    version.#usual.restore(record.usual);
    version.#failures = Failures.from(record.failures);
    version.#reservation = Reservation.from(record.reservation);
    version.#decisions = new DecisionLog(record.decisions);
    const [executions = 0, memoryReviewAt = 0, cpuReviewAt = CPU_EXECUTIONS_MIN, ...more] = record.counts;
    const [smallestMiB = record.requested.memoryMiB, startsLeft = 0, watchLevel = 0] = more;
    version.#trial = record.trial === undefined ? undefined : Trial.from(record.trial, startsLeft);
    version.#executions = executions;
    version.#memoryReviewAt = memoryReviewAt;
    version.#cpu.restore(record.cpu, cpuReviewAt);
    version.#smallestMiB = smallestMiB;
    version.#watch = new Watch(watchLevel);
    version.#updateRoom();
    // They may have been changed after the record was written.
    version.applySettings(settings);
    return version;
  }

  get #isSoft(): boolean {
    return this.#settings.limits === "soft";
  }

  #updateRoom(): void {
    const { memoryMiB, reservedMiB, needMiB } = this.#roomOf(this.#applied);
    const now = this.#room;
    if (now.memoryMiB === memoryMiB && now.reservedMiB === reservedMiB && now.needMiB === needMiB) return;
    this.#room = { memoryMiB, reservedMiB, needMiB };
  }

  /** What is applied of what was learned. */
  #roomOf({ memoryMiB }: ContainerSize): Room {
    const isPacked = this.#isSoft && this.#settings.mode === "auto";
    return isPacked ? this.#reservation.roomOf(memoryMiB) : { memoryMiB, reservedMiB: memoryMiB, needMiB: memoryMiB };
  }

  #reviewReservation(): void {
    if (!isEnough(this.#memoryEvidence)) return;
    const change = this.#reservation.review(this.#peaks, this.#applied.memoryMiB, this.#settings.memoryMiBMin);
    const condition = change !== undefined && change.toMiB < change.fromMiB ? "tooMuch" : "tooLittle";
    if (change !== undefined) this.#noteReservation(change, condition, meanText(this.#peaks));
  }

  /** The limit is reserved again for a while: what was learned was too little at least once. */
  #forgetReservation(condition: AdjustmentCondition, why: string): void {
    const change = this.#reservation.reset(this.#applied.memoryMiB, this.#settings.executionsMin);
    if (change !== undefined) this.#noteReservation(change, condition, why);
  }

  #noteReservation({ fromMiB, toMiB }: ReservationChange, condition: AdjustmentCondition, why: string): void {
    const of = (memoryMiB: number) => ({ ...this.#applied, memoryMiB });
    this.#note(of(fromMiB), of(toMiB), condition, why, "reservation");
  }

  get #memoryEvidence(): MemoryEvidence {
    return { peaks: this.#peaks, hint: this.#hint, executionsMin: this.#settings.executionsMin };
  }

  /** What most containers have. */
  get #applied(): ContainerSize {
    return this.#settings.mode === "auto" ? this.#proven : this.requested;
  }

  /** Killed or stalled. At what was requested, or above, that is the function's own affair, unless it may grow. */
  #shortOfMemory({ memoryLimitMiB, cpuLimitMilli, outcome }: Execution): void {
    const condition = outcome === "outOfMemory" || outcome === "rescued" ? outcome : "pressure";
    this.#peaks.failed();
    this.#memoryReviewAt = 0;
    this.#forgetReservation(condition, shortageText(condition, memoryLimitMiB));
    if (memoryLimitMiB >= this.requested.memoryMiB) {
      const wantedMiB = outcome === "rescued" ? this.#peaks.maxMiB + this.#peaks.marginMiB() : 0;
      return this.#growAfterFailure(memoryLimitMiB, wantedMiB, condition);
    }
    this.#failures.bound({ memoryMiB: memoryLimitMiB });
    const isOnTrial = this.#trial !== undefined && this.#trial.size.memoryMiB <= memoryLimitMiB;
    const isProven = this.#proven.memoryMiB <= memoryLimitMiB;
    // It ran in a container from before a change that has been made since.
    if (!isOnTrial && !isProven) return;
    this.#trial = undefined;
    this.#failures.add(this.#executions);
    const failed = { memoryMiB: memoryLimitMiB, cpuMilli: cpuLimitMilli };
    const why = () => `${shortageText(condition, memoryLimitMiB)} No size up to that is tried again.`;
    if (isProven) this.#move(this.requested, condition, why);
    else this.#note(failed, this.#proven, condition, why());
  }

  /** @param wantedMiB what is known to be enough; 0: nothing is. */
  #growAfterFailure(memoryLimitMiB: number, wantedMiB: number, condition: AdjustmentCondition): void {
    if (this.#proven.memoryMiB > memoryLimitMiB || this.#bounds.memoryMiBMax <= memoryLimitMiB) return;
    this.#trial = undefined;
    const isKnown = wantedMiB > memoryLimitMiB;
    const memoryMiB = withinBounds(this.#bounds, isKnown ? wantedMiB : memoryLimitMiB * GROWTH_AFTER_KILL);
    this.#failures.bound({ memoryMiB: memoryLimitMiB });
    this.#move(
      withMemory(this.#proven, memoryMiB, this.#settings),
      condition,
      () => `${memoryLimitMiB} MiB were too little.`,
    );
  }

  /** Executions on trial decide about the trial; those at the proven size are watched once it is not the requested one. */
  #judge(execution: Execution): void {
    const size = { memoryMiB: execution.memoryLimitMiB, cpuMilli: execution.cpuLimitMilli };
    const isError = execution.outcome !== "ok";
    const isTold = isError || !execution.isCold;
    if (this.#trial !== undefined && isSameSize(size, this.#trial.size)) {
      const isBad = isTold && this.#usual.isBad(execution.wallUs, isError, this.#trial.slowFactor);
      this.#judgeTrial(this.#trial, isBad, isTold && !isError ? execution.wallUs : undefined);
    } else if (isSameSize(size, this.#applied)) {
      const isBad = isTold && this.#usual.isBad(execution.wallUs, isError, 1);
      const isAlarm = !isSameSize(this.#applied, this.requested) && this.#watch.add(isBad);
      if (isTold) this.#usual.observe(execution.wallUs, isError);
      if (isAlarm) this.#rollBack();
    }
  }

  #judgeTrial(trial: Trial, isBad: boolean, wallUs: number | undefined): void {
    const verdict = trial.judge(isBad, wallUs);
    if (verdict === "undecided") return;
    this.#trial = undefined;
    if (verdict === "good") {
      const why = `${trial.executions} executions at the size on trial went as well as before.`;
      return this.#isBestAfter(trial)
        ? this.#moveToTried(trial, why)
        : this.#note(trial.size, this.#proven, "proven", `${why} There is a better one.`);
    }
    this.#failures.add(this.#executions);
    this.#failures.boundBelow(this.requested, trial.size);
    this.#note(trial.size, this.#proven, "worse", trialFailedText(trial.executions));
  }

  /**
   * A trial that went well. One of another CPU has told what executions take there, too: is it the best of those that need
   * no trial any more?
   */
  #isBestAfter(trial: Trial): boolean {
    const { size } = trial;
    const usual = trial.usual();
    if (this.#settings.cpu === "ratio" || size.cpuMilli === this.#proven.cpuMilli || usual === undefined) return true;
    this.#cpu.measured({ cpuMilli: size.cpuMilli, ...usual }, this.#executions);
    const question = this.#question();
    if (question === undefined) return true;
    const leastMilli = Math.min(size.cpuMilli, this.#proven.cpuMilli);
    return chooseCpuApart({ ...question, now: size }, leastMilli).size.cpuMilli === size.cpuMilli;
  }

  #moveToTried({ size, durationsUs }: Trial, why: string): void {
    const isOtherCpu = size.cpuMilli !== this.#proven.cpuMilli;
    this.#move(size, "proven", () => why);
    if (isOtherCpu) for (const wallUs of durationsUs) this.#usual.observe(wallUs, false);
  }

  #rollBack(): void {
    this.#failures.add(this.#executions);
    this.#failures.boundBelow(this.requested, this.#proven);
    this.#trial = undefined;
    this.#move(this.requested, "worse", () => GOT_WORSE);
  }

  #growIfNear(): void {
    const { maxMiB } = this.#peaks;
    if (this.#executions < this.#settings.executionsMin || this.#proven.memoryMiB >= this.#bounds.memoryMiBMax) return;
    const marginMiB = this.#peaks.marginMiB();
    const leastMiB = maxMiB + marginMiB * MARGIN_LEFT_MIN;
    if (this.#trial !== undefined && this.#trial.size.memoryMiB < leastMiB) this.#trial = undefined;
    if (this.#proven.memoryMiB >= leastMiB) return;
    // Growth above what was requested waits for a failure: the request says how much is wanted.
    const most = Math.max(this.requested.memoryMiB, this.#proven.memoryMiB);
    const memoryMiB = Math.min(most, withinBounds(this.#bounds, maxMiB + marginMiB));
    if (memoryMiB <= this.#proven.memoryMiB) return;
    this.#memoryReviewAt = nextReview(this.#peaks.executions);
    const why = () => `The largest peak is ${maxMiB.toFixed(1)} MiB now.`;
    this.#move(withMemory(this.#proven, memoryMiB, this.#settings), "tooLittle", why);
  }

  #reviewMemory(): void {
    const { executions } = this.#peaks;
    if (this.#trial !== undefined || executions < this.#memoryReviewAt) return;
    if (!this.#failures.allowsLess(this.#executions)) return;
    const needMiB = neededMiB(this.#memoryEvidence);
    if (needMiB === undefined) return;
    this.#memoryReviewAt = nextReview(executions);
    const choice = this.#memoryChoice(Math.max(needMiB, this.#failures.memoryMiB + 1));
    if (choice === undefined || choice.size.memoryMiB > this.#proven.memoryMiB * (1 - SAVING_MIN)) return;
    this.#propose(choice, "tooMuch", () => peaksText(this.#peaks));
  }

  /** undefined: by the ratio CPU would follow, and nothing is known of the CPU that is needed. */
  #memoryChoice(needMiB: number): SizeChoice | undefined {
    if (this.#settings.cpu === "apart") {
      const memoryMiB = withinBounds(this.#bounds, needMiB);
      return { size: { memoryMiB, cpuMilli: this.#proven.cpuMilli }, slowFactor: 1 };
    }
    const question = this.#question();
    return question === undefined ? undefined : chooseByRatio(question, needMiB);
  }

  #reviewCpu(): void {
    if (this.#trial !== undefined || !this.#cpu.isReviewDue(this.#executions, this.#usual.isUsualKnown)) return;
    if (!this.#failures.allowsLess(this.#executions)) return;
    const question = this.#question();
    if (question === undefined) return;
    const mayExplore = this.#settings.mode === "auto" && this.#failures.count === 0;
    const step = this.#cpu.review(question, this.#executions, mayExplore);
    if (step === undefined) return;
    const why = () => cpuText(question.demand, this.#settings);
    const condition = step.size.cpuMilli > this.#proven.cpuMilli ? "tooLittle" : "tooMuch";
    if (step.needsTrial && this.#settings.mode === "auto") this.#tryOut(step, condition, why);
    else this.#move(step.size, condition, why);
  }

  #question(): SizeQuestion | undefined {
    return this.#cpu.question({
      settings: this.#settings,
      bounds: this.#bounds,
      requested: this.requested,
      now: this.#proven,
      failedCpuMilli: this.#failures.cpuMilli,
      usual: this.#usual.usual(),
      usualAtMilli: this.#applied.cpuMilli,
    });
  }

  #propose({ size, slowFactor }: SizeChoice, condition: AdjustmentCondition, why: () => string): void {
    // As much CPU as was requested is what it was used to.
    const usedMilli = Math.min(this.requested.cpuMilli, this.#proven.cpuMilli);
    const wasTried = size.memoryMiB >= this.#smallestMiB && size.cpuMilli >= usedMilli;
    if (wasTried || this.#settings.mode === "suggest") return this.#move(size, condition, why);
    this.#tryOut({ size, slowFactor }, condition, why);
  }

  #tryOut({ size, slowFactor }: SizeChoice, condition: AdjustmentCondition, why: () => string): void {
    this.#trial = new Trial(size, slowFactor, condition);
    this.#note(this.#proven, size, condition, `${why()} On trial.`);
  }

  /** While sizes are only suggested nothing changes for the containers, nor for what is known of them. */
  #move(to: ContainerSize, condition: AdjustmentCondition, why: () => string, before = this.#applied): void {
    const from = this.#proven;
    if (!isSameSize(from, to)) {
      this.#proven = to;
      this.#note(from, to, condition, why());
    }
    const now = this.#applied;
    if (isSameSize(before, now)) return;
    this.#smallestMiB = Math.min(this.#smallestMiB, now.memoryMiB);
    this.#watch = new Watch();
    if (before.cpuMilli === now.cpuMilli) return;
    // Another CPU makes for other durations: what is usual there is learned anew.
    this.#cpu.moved(before.cpuMilli, now.cpuMilli, this.#usual.usual());
    this.#usual.clear();
  }

  #note(
    from: ContainerSize,
    to: ContainerSize,
    condition: AdjustmentCondition,
    why: string,
    appliesTo: SizingDecision["appliesTo"] = "size",
  ): void {
    this.#decisions.note(this.#executions, from, to, condition, why, appliesTo);
  }
}
