import { expect, test } from "vitest";
import { runGuide } from "./server-fixture/guide.ts";

test("every example of the guide works, one after the other on a fresh server", { timeout: 180_000 }, async () => {
  const { scripts, said, missing } = await runGuide("docs/capacity.md");
  expect(scripts).toBeGreaterThan(8);
  expect(said).toContain("created account 100000000001");
  expect(said).toMatch(/on shortage +fails after 30s/);
  expect(said).toContain("(instances)");
  if (missing.length === 0) expect(said).toMatch(/attempt 1 .* start, ok after/);
});
