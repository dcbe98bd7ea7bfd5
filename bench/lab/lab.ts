import type { Chart } from "../../src/chart/chart.ts";
import type { Target } from "../report.ts";

/**
 * A replay of recorded facts: policies of ours and of others on the same events, in one process. It reads a folder laid
 * out like the project's data, takes every file that it understands, and says which ones it missed.
 */
export type Lab = {
  /** The section's name on the command line and in the result. */
  readonly name: string;
  /** @param dataDir the folder that holds `pool/`. The same folder gives the same section, to the last digit. */
  run(dataDir: string): LabSection | Promise<LabSection>;
};

/** What a lab found. */
export type LabSection = {
  readonly tables: readonly LabTable[];
  readonly charts: readonly LabChart[];
  /** Ids begin with `lab.`; the ids of `facts/pools.md` stand in `says`, such as `P4 (R1)`. */
  readonly targets: readonly Target[];
  /** Raw figures for the result file; plain JSON. */
  readonly figures: Readonly<Record<string, unknown>>;
  /** One sentence for each file or part of it that was wanted and not there, or not understood. */
  readonly skipped: readonly string[];
};

export type LabTable = {
  readonly title: string;
  /** Units stand in the heading. The first column names the policy. */
  readonly headings: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
};

/** Written to `bench/results/lab-NAME.svg`. `points` with labels for one result per policy, `line` for a sweep or for time. */
export type LabChart = Chart & { readonly name: string };
