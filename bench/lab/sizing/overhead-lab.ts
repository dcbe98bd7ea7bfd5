import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Sizing } from "../../../src/control/sizing/sizing.ts";
import type { SizedVersion } from "../../../src/model/grant.ts";
import type { AccountId } from "../../../src/model/ids.ts";
import { Random } from "../../../src/simulator/random.ts";
import { median, rounded } from "../../quantile.ts";
import type { Lab } from "../lab.ts";
import { executionOf, versionOf } from "./memory-ours.ts";

const VERSIONS = 100_000;
const EXECUTIONS_EACH = 30;
const ROUNDS = 7;
const CALLS_PER_ROUND = 100_000;

/** What learning costs: time of one execution, memory of one function version, size of what is stored of it. */
export const overheadLab: Lab = {
  name: "overhead",
  run() {
    const sizing = new Sizing();
    const account = "000000000000" as AccountId;
    sizing.configure({ kind: "account", accountId: account }, { cpu: "apart" });
    const random = new Random(1);
    const versions = Array.from({ length: VERSIONS }, (_, i) => versionOf(`function-${i}`, 512));
    collectGarbage();
    const beforeBytes = heldBytes();
    for (let i = 0; i < EXECUTIONS_EACH; i++) for (const version of versions) observe(sizing, version, random);
    collectGarbage();
    const bytesEach = (heldBytes() - beforeBytes) / VERSIONS;
    const microseconds = Array.from({ length: ROUNDS }, () => {
      const beganMs = performance.now();
      for (let i = 0; i < CALLS_PER_ROUND; i++) observe(sizing, versions[i % VERSIONS] as SizedVersion, random);
      return ((performance.now() - beganMs) * 1000) / CALLS_PER_ROUND;
    });
    const stored = versions.slice(0, 100).map(({ key }) => Buffer.byteLength(JSON.stringify(sizing.recordOf(key))));
    const [us, storedBytes] = [median(microseconds), Math.max(...stored)];
    const limit = (id: string, says: string, target: number, measured: number, unit: string) => {
      return { id: `lab.sizing.overhead.${id}`, says, bound: "atMost" as const, target, measured, unit };
    };
    return {
      tables: [
        {
          title: `Learning, ${VERSIONS.toLocaleString("en-US")} function versions in one process`,
          headings: ["", "µs per execution", "bytes held per version", "bytes stored per version"],
          rows: [["Hearth", us.toFixed(2), rounded(bytesEach, 0), storedBytes]],
        },
      ],
      charts: [],
      targets: [
        limit("time", "the core's share of learning from an execution, a different function each time", 50, us, "µs"),
        limit("held", `memory per function version, ${VERSIONS} of them`, 4096, bytesEach, "bytes"),
        limit("stored", "what is stored of a function version", 4096, storedBytes, "bytes"),
      ],
      figures: { versions: sizing.versions, us, bytesEach, storedBytes },
      skipped: [],
    };
  },
};

/** Without it the figure would count what is garbage already. */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

function heldBytes(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function observe(sizing: Sizing, version: SizedVersion, random: Random): void {
  const execution = executionOf(100 + 40 * random.next(), 512, false);
  sizing.observe(version, { ...execution, cpuUs: 400 + 100 * random.next(), inputBytes: 1000 + 1000 * random.next() });
}
