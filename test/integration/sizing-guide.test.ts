import { expect, test } from "vitest";
import { runGuide } from "./server-fixture/guide.ts";

test("every example of the guide works, one after the other on a fresh server", { timeout: 180_000 }, async () => {
  const { scripts, said } = await runGuide("docs/sizing.md");
  expect(scripts).toBeGreaterThan(5);
  expect(said).toMatch(/^hello-esm +1024 +1024 +1024 +\? +0 +0 of 20 executions/m);
  expect(said).toMatch(/^ +10 .* too much +reserved +1024 +\d+ +The mean of 10 peaks is/m);
  expect(said).toContain("stopped: new containers get what was requested");
  expect(said).toContain('resource "aws_lambda_function" "hello-esm" {');
  expect(said).toMatch(/^learned: \d+ MiB, .* live executions and none besides/m);
});
