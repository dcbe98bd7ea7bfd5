import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { learnedFrom } from "./lab.ts";
import { joinOverlapping, readTraces } from "./trace.ts";

/**
 * `node bench/lab/keepalive/learn-usual-gaps.ts [--data DIR]`: writes `src/control/keepalive/usual-gaps.ts`, what a new server knows of functions
 * in general, learned from the traces of the folder one after the other, the shortest first.
 */
const { values } = parseArgs({ options: { data: { type: "string" } } });
const root = resolve(import.meta.dirname, "../../..");
const traces = readTraces(resolve(values.data ?? join(root, "../shared/data")), "even", []);
traces.sort((a, b) => a.horizonMs - b.horizonMs || (a.name < b.name ? -1 : 1));
let usual: ReturnType<typeof learnedFrom> | undefined;
for (const trace of traces) usual = learnedFrom(joinOverlapping(trace), usual);
if (usual === undefined) throw new Error("there is nothing to learn from");

const sources = traces.map(({ name }) => name).join(", ");
const text = (rows: readonly (readonly number[])[]) =>
  rows
    .map((row) => `    ${JSON.stringify(row.join(" ").replaceAll(" 0 ", " . ").replaceAll(" 0 ", " . "))},`)
    .join("\n");
writeFileSync(
  join(root, "src/control/keepalive/usual-gaps.ts"),
  `import type { UsualGaps } from "./gap-prior.ts";

const rowsOf = (lines: readonly string[]) => lines.map((line) => line.split(" ").map((cell) => Number(cell) || 0));

/**
 * What a new server knows of the gaps between calls. Learned by \`bench/lab/keepalive/learn-usual-gaps.ts\` from the Azure
 * Functions trace 2019 (Shahrad et al., ATC'20; CC-BY 4.0): ${sources}. Weights; a dot is zero.
 */
export const USUAL_GAPS: UsualGaps = {
  following: rowsOf([
${text(usual.following)}
  ]),
  met: rowsOf([
${text(usual.met)}
  ]),
  expected: rowsOf([
${text(usual.expected)}
  ]),
};
`,
);
