import { cpuMilliOf } from "../../model/function-version.ts";
import type { ContainerSize, SizingSettings } from "../../model/sizing.ts";

/** Between which sizes a function version may be moved. */
export type SizeBounds = {
  readonly memoryMiBMin: number;
  readonly memoryMiBMax: number;
  readonly memoryMiBIncrement: number;
};

/** Above what was requested a size may grow to this many times it, and only where the settings allow more at all. */
const GROWTH_MAX = 2;

/** The requested amount is always within: settings never make less of a request than the request says. */
export function sizeBoundsOf(settings: SizingSettings, { memoryMiB }: ContainerSize): SizeBounds {
  return {
    memoryMiBMin: Math.min(settings.memoryMiBMin, memoryMiB),
    memoryMiBMax: Math.max(
      memoryMiB,
      Math.min(settings.memoryMiBMax ?? Number.POSITIVE_INFINITY, memoryMiB * GROWTH_MAX),
    ),
    memoryMiBIncrement: Math.max(1, settings.memoryMiBIncrement),
  };
}

/** Up to the next increment, within the bounds. */
export function withinBounds(bounds: SizeBounds, memoryMiB: number): number {
  const { memoryMiBMin, memoryMiBMax, memoryMiBIncrement } = bounds;
  const rounded = Math.ceil(memoryMiB / memoryMiBIncrement) * memoryMiBIncrement;
  return Math.min(memoryMiBMax, Math.max(memoryMiBMin, rounded));
}

/** A size with other memory; by the ratio it has at least the CPU that goes with it. */
export function withMemory({ cpuMilli }: ContainerSize, memoryMiB: number, { cpu }: SizingSettings): ContainerSize {
  return { memoryMiB, cpuMilli: cpu === "ratio" ? Math.max(cpuMilli, cpuMilliOf(memoryMiB)) : cpuMilli };
}

/** What becomes of a size where other settings hold from now on. Softly limited containers have at least what was requested. */
export function settledSize(
  { memoryMiB, cpuMilli }: ContainerSize,
  requested: ContainerSize,
  { limits, cpu }: SizingSettings,
  bounds: SizeBounds,
): ContainerSize {
  const settledMiB = withinBounds(bounds, limits === "soft" ? Math.max(requested.memoryMiB, memoryMiB) : memoryMiB);
  if (cpu === "apart") return { memoryMiB: settledMiB, cpuMilli };
  return settledMiB === requested.memoryMiB ? requested : requestedSize(settledMiB);
}

/** What a function version asks for. @param cpuMilli undefined: CPU by the ratio, as Lambda gives it. */
export function requestedSize(memoryMiB: number, cpuMilli?: number): ContainerSize {
  return { memoryMiB, cpuMilli: cpuMilli ?? cpuMilliOf(memoryMiB) };
}
