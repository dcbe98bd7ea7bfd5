/** What a margin is reckoned from. Peaks in MiB. */
export type PeakSummary = {
  /** Executions, none of them censored, since the last that failed for want of memory. */
  readonly executions: number;
  /** Executions ever, none of them censored. */
  readonly seen: number;
  readonly maxMiB: number;
  readonly medianMiB: number;
  /** Largest first, at most a handful. */
  readonly largestMiB: readonly number[];
  /** By how much the maximum rises with each execution; 0: no more than chance lets it. */
  readonly trendMiB: number;
};

/**
 * MiB to keep above the largest peak ever seen.
 *
 *     margin = s · ln(K / (n' · s)) · max  +  2 · e^(−N/90) · spread/(spread + 0.05) · median  +  50 · trend  +  1 MiB
 *
 * First term: the margin at which a little more memory costs as much as the kills it prevents. A next execution is above all
 * n before it with probability 1/(n+1) (exchangeable), then by an exponential excess of scale s (relative), and a kill is
 * worth K executions' memory. s comes from how far the largest is above the mean of the next seven (`tailScale`).
 * Second, over all N executions: what one in a hundred does may not have been seen yet; a function whose peaks are spread out is likelier to
 * have such a mode. Third: growth until new containers replace the old; with a trend only as many executions are
 * comparable as it takes to rise by s. See docs/design/0013-sizing.md.
 */
export function memoryMarginMiB(summary: PeakSummary): number {
  const { seen, maxMiB, medianMiB, trendMiB } = summary;
  const { scale, comparable } = tailOf(summary);
  const tail = Math.max(TAIL_MIN, scale * Math.log(KILL_COST_EXECUTIONS / (comparable * scale)));
  const spread = Math.max(0, 1 - medianMiB / maxMiB);
  const unseen = UNSEEN * Math.exp(-seen / UNSEEN_EXECUTIONS) * (spread / (spread + UNSEEN_SPREAD));
  return tail * maxMiB + unseen * medianMiB + TREND_EXECUTIONS * trendMiB + MARGIN_MIN_MIB;
}

/**
 * How likely the next execution needs more than `limitMiB`, which is not below the maximum: that it is above all
 * comparable ones before it, and by more than the limit is.
 */
export function excessChance(summary: PeakSummary, limitMiB: number): number {
  const { scale, comparable } = tailOf(summary);
  return Math.exp(-Math.max(0, limitMiB / summary.maxMiB - 1) / scale) / (comparable + 1);
}

/** How likely the next execution needs more than all comparable ones before it, of exchangeable ones. */
export function recordChance(summary: PeakSummary): number {
  return 1 / (tailOf(summary).comparable + 1);
}

/** The scale of the excess, and as how many exchangeable executions those before the next one count. */
function tailOf(summary: PeakSummary): { readonly scale: number; readonly comparable: number } {
  const { executions, maxMiB, trendMiB } = summary;
  const scale = tailScale(summary);
  return { scale, comparable: Math.max(1, executions / (1 + (executions * (trendMiB / maxMiB)) / scale)) };
}

/**
 * Of the excess over the maximum, relative to it. The spacings tᵢ − tᵢ₊₁ of exponential excesses are s/i on average (Rényi 1953), so t₁ is
 * above the mean of t₂ … t_k by k/(k−1) · (1 + 1/2 + … + 1/(k−1)) − 1 times s, 1.96 where k = 8. Spacings near the top
 * count most: a largest peak that stands alone tells of a tail that was hardly seen yet.
 */
function tailScale({ largestMiB, maxMiB, executions }: PeakSummary): number {
  const count = largestMiB.length;
  const first = largestMiB[0] ?? maxMiB;
  let [above, expected] = [0, 0];
  for (let i = 1; i < count; i++) {
    above += first - (largestMiB[i] as number);
    expected += (count - i) / i;
  }
  const measured = count < 3 ? 0 : above / (expected * maxMiB);
  const spacings = Math.max(0, count - 1);
  const prior = SCALE_PRIOR * Math.sqrt(PRIOR_EXECUTIONS / Math.max(PRIOR_EXECUTIONS, executions));
  return Math.max(SCALE_MIN, (spacings * measured + PRIOR_WEIGHT * prior) / (spacings + PRIOR_WEIGHT));
}

/** So many executions' worth of memory to avoid one kill. */
const KILL_COST_EXECUTIONS = 230;
const TAIL_MIN = 0.002;
const UNSEEN = 2;
/** What happens once in a hundred has been seen after 270 executions in 93 cases of a hundred; the term is 1/20 of itself then. */
const UNSEEN_EXECUTIONS = 90;
const UNSEEN_SPREAD = 0.05;
/** A container of ten executions, and those that started just before. */
const TREND_EXECUTIONS = 50;
const MARGIN_MIN_MIB = 0.25;
const SCALE_PRIOR = 0.005;
const PRIOR_WEIGHT = 0.5;
const PRIOR_EXECUTIONS = 50;
const SCALE_MIN = 1e-4;
