/** `T(c) = waitMs + cpuMs / min(c, parallelism)`. */
export type FittedCurve = {
  readonly waitMs: number;
  readonly cpuMs: number;
  readonly parallelism: number;
};

type Point = { readonly cpuMilli: number; readonly durationMs: number };

const PARALLELISM_STEP = 0.1;
const PARALLELISM_MAX = 6;

/** Least squares of the relative error, with the parallelism that errs least. */
export function fitCurve(points: readonly Point[]): FittedCurve {
  let best: FittedCurve = { waitMs: 0, cpuMs: 0, parallelism: 1 };
  let least = Number.POSITIVE_INFINITY;
  for (let parallelism = 1; parallelism <= PARALLELISM_MAX + 1e-9; parallelism += PARALLELISM_STEP) {
    const { waitMs, cpuMs } = fitLine(points, (milli) => 1 / Math.min(milli / 1000, parallelism));
    const error = meanError(points, (milli) => waitMs + cpuMs / Math.min(milli / 1000, parallelism));
    if (error < least - 1e-9) [best, least] = [{ waitMs, cpuMs, parallelism }, error];
  }
  return best;
}

export function fittedMs({ waitMs, cpuMs, parallelism }: FittedCurve, cpuMilli: number): number {
  return waitMs + cpuMs / Math.min(cpuMilli / 1000, parallelism);
}

/** a + b/c, the usual simple curve. */
export function fitHyperbola(points: readonly Point[]): (cpuMilli: number) => number {
  const { waitMs, cpuMs } = fitLine(points, (milli) => 1000 / milli);
  return (milli) => waitMs + (cpuMs * 1000) / milli;
}

/** Parrotfish: a0 + a1 · e^(−m / a2). */
export function fitExponential(points: readonly Point[]): (cpuMilli: number) => number {
  let best = (_: number): number => Number.NaN;
  let least = Number.POSITIVE_INFINITY;
  for (let decay = 50; decay < 5000; decay *= 1.05) {
    const { waitMs, cpuMs } = fitLine(points, (milli) => Math.exp(-milli / decay));
    const at = (milli: number) => waitMs + cpuMs * Math.exp(-milli / decay);
    const error = meanError(points, at);
    if (error < least) [best, least] = [at, error];
  }
  return best;
}

export function meanError(points: readonly Point[], at: (cpuMilli: number) => number): number {
  return points.reduce((sum, point) => sum + Math.abs(at(point.cpuMilli) / point.durationMs - 1), 0) / points.length;
}

/** T = W + C · x(c), neither below zero. */
function fitLine(points: readonly Point[], x: (cpuMilli: number) => number): { waitMs: number; cpuMs: number } {
  let [aa, ab, bb, ay, by] = [0, 0, 0, 0, 0];
  for (const { cpuMilli, durationMs } of points) {
    const [a, b] = [1 / durationMs, x(cpuMilli) / durationMs];
    [aa, ab, bb, ay, by] = [aa + a * a, ab + a * b, bb + b * b, ay + a, by + b];
  }
  const determinant = aa * bb - ab * ab;
  const waitMs = determinant > aa * bb * 1e-12 ? (ay * bb - by * ab) / determinant : ay / aa;
  const cpuMs = determinant > aa * bb * 1e-12 ? (aa * by - ab * ay) / determinant : 0;
  if (waitMs < 0) return { waitMs: 0, cpuMs: by / bb };
  return cpuMs < 0 ? { waitMs: ay / aa, cpuMs: 0 } : { waitMs, cpuMs };
}
