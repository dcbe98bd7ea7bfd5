import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { renderChart } from "../../src/chart/chart.ts";
import { describeTarget, RESULTS_DIR, type Target, writeResult } from "../report.ts";
import { printTable } from "../table.ts";
import type { Lab, LabSection } from "./lab.ts";
import { cpuLab } from "./sizing/cpu-lab.ts";
import { inputLab } from "./sizing/input-lab.ts";
import { memoryLab } from "./sizing/memory-lab.ts";
import { overheadLab } from "./sizing/overhead-lab.ts";
import { packingLab } from "./sizing/packing-lab.ts";

/**
 * `npm run lab:sizing [-- --data DIR] [--section memory|packing|cpu|input|overhead]`: replays what functions were measured to
 * need against the sizes that the core would give them, and against the rules of others. The result names
 * the sections that were run: a part replaces the whole.
 */
const LABS: readonly Lab[] = [memoryLab, packingLab, cpuLab, inputLab, overheadLab];
const DATA_DIR = resolve(import.meta.dirname, "../../../shared/data");

const { values } = parseArgs({ options: { data: { type: "string" }, section: { type: "string" } } });
const dataDir = resolve(values.data ?? DATA_DIR);
const chosen = LABS.filter(({ name }) => values.section === undefined || values.section === name);
if (chosen.length === 0) {
  console.error(`error: no section ${values.section}; there are ${LABS.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}
if (!existsSync(join(dataDir, "sizing"))) {
  console.log(`skipped: there is no folder sizing in ${dataDir}; give one with --data DIR`);
  process.exit(0);
}

const figures: Record<string, unknown> = { sections: chosen.map(({ name }) => name) };
const targets: Target[] = [];
for (const lab of chosen) {
  console.log(`\n── ${lab.name} ${"─".repeat(100 - lab.name.length)}`);
  const beganMs = performance.now();
  const section = await lab.run(dataDir);
  show(section);
  console.log(`${((performance.now() - beganMs) / 1000).toFixed(1)} s`);
  figures[lab.name] = { ...section.figures, tables: section.tables, skipped: section.skipped };
  targets.push(...section.targets);
}
const result = writeResult("lab-sizing", { figures, targets });
for (const target of result.targets) console.log(describeTarget(target));

function show({ tables, charts, skipped }: LabSection): void {
  for (const { title, headings, rows } of tables) {
    console.log(`\n${title}`);
    printTable(headings, rows);
  }
  mkdirSync(RESULTS_DIR, { recursive: true });
  for (const chart of charts) writeFileSync(join(RESULTS_DIR, `lab-${chart.name}.svg`), renderChart(chart));
  for (const sentence of skipped) console.log(`skipped: ${sentence}`);
}
