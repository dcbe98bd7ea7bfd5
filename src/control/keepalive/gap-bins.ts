/**
 * Gaps between calls, up to a little over a day, in bins: one second wide at first, then each 1.5 % wider than the last, so that a gap
 * is known about as well in proportion, and two minutes at most, so that a container can be there just for a daily timer's
 * call. Longer gaps fall into the last bin.
 */
const LINEAR_BINS = 66;
const RATIO = 1.015;
const WIDTH_MAX_S = 120;
const LONGEST_GAP_S = 25 * 3600;

/** From here on bins do not grow any more. */
const WIDE_FROM = LINEAR_BINS + Math.ceil(Math.log(WIDTH_MAX_S / (RATIO - 1) / LINEAR_BINS) / Math.log(RATIO));
const WIDE_FROM_S = LINEAR_BINS * RATIO ** (WIDE_FROM - LINEAR_BINS);

export const BIN_COUNT = WIDE_FROM + Math.ceil((LONGEST_GAP_S - WIDE_FROM_S) / WIDTH_MAX_S);

const startS = Float64Array.from({ length: BIN_COUNT + 1 }, (_, bin) => {
  if (bin < LINEAR_BINS) return bin;
  if (bin < WIDE_FROM) return LINEAR_BINS * RATIO ** (bin - LINEAR_BINS);
  return WIDE_FROM_S + (bin - WIDE_FROM) * WIDTH_MAX_S;
});

/** Where a gap lies on the scale of bins: 3.5 is about the middle of bin 3. @returns from 0 to below `BIN_COUNT`. */
function positionOf(gapMs: number): number {
  const seconds = Math.max(0, gapMs / 1000);
  return Math.min(positionOfSeconds(seconds), BIN_COUNT - 1e-6);
}

function positionOfSeconds(seconds: number): number {
  if (seconds < LINEAR_BINS) return seconds;
  if (seconds >= WIDE_FROM_S) return WIDE_FROM + (seconds - WIDE_FROM_S) / WIDTH_MAX_S;
  return Math.min(WIDE_FROM - 1e-9, LINEAR_BINS + Math.log(seconds / LINEAR_BINS) / Math.log(RATIO));
}

export function binOf(gapMs: number): number {
  return Math.floor(positionOf(gapMs));
}

export function binStartMs(bin: number): number {
  return (startS[bin] as number) * 1000;
}

export function binWidthS(bin: number): number {
  return (startS[bin + 1] as number) - (startS[bin] as number);
}

/** Adds a weight at a gap, shared between its bin and the nearer neighbour: a gap at a bin's edge belongs to both. */
export function addAt(weights: Float64Array, gapMs: number, weight: number): void {
  const [bin, neighbour, share] = sharedBins(gapMs);
  weights[bin] = (weights[bin] as number) + weight * (1 - share);
  weights[neighbour] = (weights[neighbour] as number) + weight * share;
}

/** The gap's bin, its nearer neighbour, and the neighbour's share: 0 in the middle of the bin, 1/2 at its edge. */
export function sharedBins(gapMs: number): readonly [bin: number, neighbour: number, share: number] {
  const position = positionOf(gapMs);
  const bin = Math.floor(position);
  const offset = position - bin - 0.5;
  const neighbour = Math.max(0, Math.min(BIN_COUNT - 1, bin + Math.sign(offset)));
  return [bin, neighbour, Math.abs(offset)];
}

/** Coarse classes of gaps, each 1.3 times the last: what one function's gaps say about another's. */
const CLASS_RATIO = 1.3;

export function classOf(gapMs: number): number {
  return gapMs < 1000 ? 0 : Math.min(CLASS_COUNT - 1, 1 + Math.floor(Math.log(gapMs / 1000) / Math.log(CLASS_RATIO)));
}

export const CLASS_COUNT = 2 + Math.floor(Math.log(LONGEST_GAP_S) / Math.log(CLASS_RATIO));

/** The class that each bin counts for, and the bin's share of the class's seconds. */
export const classOfBin = Int32Array.from({ length: BIN_COUNT }, (_, bin) => classOf(binStartMs(bin)));
const classWidthS = new Float64Array(CLASS_COUNT);
for (let bin = 0; bin < BIN_COUNT; bin++) {
  const cls = classOfBin[bin] as number;
  classWidthS[cls] = (classWidthS[cls] as number) + binWidthS(bin);
}
export const shareOfClass = Float64Array.from(
  { length: BIN_COUNT },
  (_, bin) => binWidthS(bin) / (classWidthS[classOfBin[bin] as number] as number),
);
