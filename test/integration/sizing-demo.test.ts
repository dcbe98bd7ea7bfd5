import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";

const DEMO = fileURLToPath(new URL("../../demo/sizing/demo.ts", import.meta.url));

test("the demo of automatic sizing keeps what it promises, on small numbers", {
  ...needsSandbox,
  timeout: 240_000,
}, async () => {
  const child = spawn(process.execPath, [DEMO, "--quick", "--json"], { stdio: ["ignore", "pipe", "pipe"] });
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  expect(err).toBe("");
  const { broken, totals } = JSON.parse(out) as { broken: string[]; totals: Record<string, number> };
  expect(broken, out).toEqual([]);
  expect(totals["requestedMiB"]).toBe(2752);
  expect(totals["killedPlain"]).toBeGreaterThan(0);
});
