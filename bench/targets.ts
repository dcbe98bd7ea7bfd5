import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type BenchmarkResult, describeTarget, RESULTS_DIR } from "./report.ts";

/**
 * Prints the targets of all results in `bench/results`, the missed ones first. Exits with 0 also
 * when some are missed: it reports, and the benchmark that wrote a result has judged it.
 */
const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });

const targets = readResults()
  .flatMap(({ name, measuredAt, targets: ofResult }) =>
    ofResult.map((target) => ({ benchmark: name, measuredAt, ...target })),
  )
  .sort((a, b) => Number(a.met) - Number(b.met) || (a.id < b.id ? -1 : 1));

if (values.json) {
  console.log(JSON.stringify(targets, undefined, 2));
} else if (targets.length === 0) {
  console.log("no results yet: npm run bench");
} else {
  for (const target of targets) console.log(describeTarget(target));
  console.log(`${targets.filter(({ met }) => met).length} of ${targets.length} targets met`);
}

function readResults(): BenchmarkResult[] {
  if (!existsSync(RESULTS_DIR)) return [];
  return readdirSync(RESULTS_DIR)
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file) => JSON.parse(readFileSync(join(RESULTS_DIR, file), "utf8")) as BenchmarkResult);
}
