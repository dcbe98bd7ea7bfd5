import { defineConfig } from "vitest/config";

/**
 * One project per kind of test. Integration and conformance tests start servers and containers, so
 * their files run one after another and after the unit tests; each has a time limit that a slow
 * two-core machine keeps.
 */
export default defineConfig({
  test: {
    pool: "forks",
    globalSetup: ["./test/images-folder.ts"],
    reporters: [process.env["CI"] === "true" ? "default" : "dot", "./test/summary-reporter.ts"],
    projects: [
      project("unit", ["src/**/*.test.ts", "test/*.test.ts"], 10_000, 0),
      project("simulation", ["test/simulation/**/*.test.ts"], 120_000, 1),
      alone("integration", ["test/integration/**/*.test.ts"], 60_000, 2),
      alone("conformance", ["test/conformance/**/*.test.ts"], 120_000, 3),
    ],
  },
});

function project(name: string, include: string[], timeoutMs: number, groupOrder: number) {
  return {
    extends: true as const,
    test: {
      name,
      include,
      setupFiles: ["./test/property-seed.ts"],
      testTimeout: timeoutMs,
      hookTimeout: timeoutMs,
      sequence: { groupOrder },
    },
  };
}

function alone(name: string, include: string[], timeoutMs: number, groupOrder: number) {
  const base = project(name, include, timeoutMs, groupOrder);
  return { ...base, test: { ...base.test, fileParallelism: false, maxWorkers: 1 } };
}
