/** Nearest rank; NaN for no values, so that a target on it is missed. @param share from 0 to 1. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** For results that people read. */
export function rounded(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}
