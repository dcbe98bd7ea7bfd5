import { join } from "node:path";
import { rounded } from "../../quantile.ts";
import type { Lab } from "../lab.ts";
import { hearthReservation } from "./memory-ours.ts";
import { readMemoryProfiles } from "./memory-profiles.ts";
import { HOST_MIB, PACKING_RULES, replayPacking } from "./packing.ts";

const FUNCTIONS_MAX = 1200;

/** Soft reservation: how many containers a host holds, and whether they ever use more than it has. */
export const packingLab: Lab = {
  name: "packing",
  run(dataDir) {
    const { profiles, skipped } = readMemoryProfiles(join(dataDir, "sizing"));
    if (profiles.length === 0) return { tables: [], charts: [], targets: [], figures: {}, skipped };
    const sample = profiles.slice(0, FUNCTIONS_MAX);
    const rows = PACKING_RULES.map((rule) => replayPacking(sample, rule));
    const ours = rows.find(({ name }) => name === hearthReservation.name)!;
    return {
      tables: [
        {
          title: `Packing hosts of ${HOST_MIB / 1024} GiB with ${sample.length} functions (Azure 2019), all containers at their peaks at once`,
          headings: [
            "packed by",
            "containers per host",
            "used %",
            "overflows per million",
            "… while 25 % need 40 % more",
          ],
          rows: rows.map((row) => [
            row.name,
            rounded(row.containersPerHost),
            (row.usedShare * 100).toFixed(1),
            (row.overflowShare * 1e6).toFixed(1),
            (row.overflowShareWhenRising * 1e6).toFixed(1),
          ]),
        },
      ],
      charts: [],
      targets: [
        {
          id: "lab.sizing.packing.containers",
          says: "soft reservation: containers on a host of 32 GiB",
          bound: "atLeast",
          target: 165,
          measured: ours.containersPerHost,
          unit: "containers",
        },
        {
          id: "lab.sizing.packing.overflow",
          says: "soft reservation: moments at which the containers of a host use more than it has",
          bound: "atMost",
          target: 1e-6,
          measured: ours.overflowShare,
          unit: "of moments",
        },
        {
          id: "lab.sizing.packing.rise",
          says: "the same, while a quarter of the functions need 40 % more at once",
          bound: "atMost",
          target: 0,
          measured: ours.overflowShareWhenRising,
          unit: "of moments",
        },
      ],
      figures: { functions: sample.length, rows },
      skipped,
    };
  },
};
