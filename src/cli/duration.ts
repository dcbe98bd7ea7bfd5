const UNITS = [
  { name: "d", ms: 86_400_000 },
  { name: "h", ms: 3_600_000 },
  { name: "min", ms: 60_000 },
  { name: "s", ms: 1000 },
] as const;

/** A length of time for people: `3 min`, `12 s`, `250 ms`; the largest whole unit only. */
export function duration(ms: number): string {
  const unit = UNITS.find((each) => ms >= each.ms);
  return unit === undefined ? `${Math.max(0, Math.round(ms))} ms` : `${Math.floor(ms / unit.ms)} ${unit.name}`;
}
