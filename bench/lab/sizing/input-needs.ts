import { join } from "node:path";
import { findTraces, readLines } from "../trace-file.ts";

/** The smallest memory at which a function survived each input. */
export type InputNeeds = {
  readonly name: string;
  readonly needs: readonly { readonly inputBytes: number; readonly needMiB: number }[];
};

/** Of the platform with the finest sizes; functions whose inputs all need the same tell nothing. */
export function readInputNeeds(sizingDir: string): { functions: readonly InputNeeds[]; skipped: readonly string[] } {
  const files = findTraces(join(sizingDir, "chunkfunc2025"), "*.csv*");
  if (files.length === 0) return { functions: [], skipped: ["no chunkfunc2025/*.csv: no inputs"] };
  const least = new Map<string, Map<number, number>>();
  for (const line of files.flatMap((path) => readLines(path).slice(1))) {
    const [platform, name = "", memoryMiB, , kind, inputBytes, , , status] = line.split(",");
    if (platform !== "aws" || kind !== "unfilteredResults" || status !== "200") continue;
    const ofFunction = least.get(name) ?? new Map<number, number>();
    least.set(name, ofFunction);
    const before = ofFunction.get(Number(inputBytes)) ?? Number.POSITIVE_INFINITY;
    ofFunction.set(Number(inputBytes), Math.min(before, Number(memoryMiB)));
  }
  const functions = [...least].map(([name, needs]) => ({
    name,
    needs: [...needs]
      .map(([inputBytes, needMiB]) => ({ inputBytes, needMiB }))
      .sort((a, b) => a.inputBytes - b.inputBytes),
  }));
  return {
    functions: functions.filter(({ needs }) => new Set(needs.map(({ needMiB }) => needMiB)).size > 1),
    skipped: [],
  };
}
