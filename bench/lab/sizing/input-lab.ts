import { join } from "node:path";
import { Sizing } from "../../../src/control/sizing/sizing.ts";
import { Random } from "../../../src/simulator/random.ts";
import { rounded } from "../../quantile.ts";
import type { Lab } from "../lab.ts";
import { type InputNeeds, readInputNeeds } from "./input-needs.ts";
import { executionOf, versionOf } from "./memory-ours.ts";

const TRAINING_EXECUTIONS = 200;
const EXECUTIONS_PER_CONTAINER = 10;

/** Needs that depend on the event: each input in turn comes for the first time after the others were learned from. */
export const inputLab: Lab = {
  name: "input",
  run(dataDir) {
    const { functions, skipped } = readInputNeeds(join(dataDir, "sizing"));
    const rows = functions.map(replayFunction);
    return {
      tables: [
        {
          title: "An input that was never seen, after 200 executions with the others (ChunkFunc 2025)",
          headings: [
            "function",
            "inputs",
            "killed, size from the past",
            "killed, size from the input too",
            "MiB",
            "MiB with the input",
          ],
          rows: rows.map(({ name, inputs, killedByTail, killedByInput, tailMiB, inputMiB }) => [
            name,
            inputs,
            killedByTail,
            killedByInput,
            rounded(tailMiB, 0),
            rounded(inputMiB, 0),
          ]),
        },
      ],
      charts: [],
      targets: [],
      figures: { rows },
      skipped,
    };
  },
};

function replayFunction({ name, needs }: InputNeeds) {
  let [killedByTail, killedByInput, tailMiB, inputMiB] = [0, 0, 0, 0];
  const requestedMiB = 2 * Math.max(...needs.map(({ needMiB }) => needMiB));
  for (const left of needs) {
    const others = needs.filter((need) => need !== left);
    const sizing = new Sizing();
    const version = versionOf(name, requestedMiB);
    sizing.configure({ kind: "account", accountId: version.accountId }, { cpu: "apart", limits: "hard" });
    const random = new Random(5).fork(`${name} ${left.inputBytes}`);
    let size = sizing.effectiveOf(version);
    for (let i = 0; i < TRAINING_EXECUTIONS; i++) {
      const { inputBytes, needMiB } = random.pick(others);
      if (i % EXECUTIONS_PER_CONTAINER === 0) {
        size = sizing.effectiveOf(version);
        sizing.containerStarted(version.key, size);
      }
      const peakMiB = needMiB * (0.97 + 0.03 * random.next());
      const isKilled = peakMiB > size.memoryMiB;
      sizing.observe(version, {
        ...executionOf(Math.min(peakMiB, size.memoryMiB), size.memoryMiB, isKilled),
        inputBytes,
      });
    }
    const [tail, input] = [
      sizing.effectiveOf(version).memoryMiB,
      sizing.effectiveOf(version, left.inputBytes).memoryMiB,
    ];
    if (tail < left.needMiB) killedByTail++;
    if (input < left.needMiB) killedByInput++;
    tailMiB += tail / needs.length;
    inputMiB += input / needs.length;
  }
  return { name, inputs: needs.length, killedByTail, killedByInput, tailMiB, inputMiB };
}
