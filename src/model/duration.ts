const UNITS: readonly (readonly [name: string, ms: number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
];

/** A length of time as people write it, `500ms`, `30s`, `5m`, `1.5h` or `2d`, in ms. undefined: it is none. */
export function parseDurationMs(text: string): number | undefined {
  const found = /^(\d{1,12}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text.trim());
  const unitMs = UNITS.find(([name]) => name === found?.[2])?.[1];
  return unitMs === undefined ? undefined : Math.round(Number(found?.[1]) * unitMs);
}

/** What `parseDurationMs` reads back as the same number: in the largest unit that divides it. @param ms whole, from 0. */
export function durationText(ms: number): string {
  const [name, unitMs] = UNITS.find(([, each]) => ms >= each && ms % each === 0) ?? ["ms", 1];
  return `${ms / unitMs}${name}`;
}
