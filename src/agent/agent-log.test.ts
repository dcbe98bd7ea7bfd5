import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createAgentLog, LOG_FILE_BYTES_MAX } from "./agent-log.ts";

test("a log file begins anew at its largest size, and ends with the newest line", () => {
  const directory = mkdtempSync(join(tmpdir(), "hearth-log-"));
  const path = join(directory, "agent.log");
  const fd = openSync(path, "a");
  const log = createAgentLog("i-1", fd);
  const reason = "x".repeat(100_000);
  let largestBytes = 0;
  for (let n = 0; n < 100; n += 1) {
    log("info", `line ${n}`, { reason });
    largestBytes = Math.max(largestBytes, statSync(path).size);
  }
  closeSync(fd);
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  rmSync(directory, { recursive: true });
  expect(largestBytes).toBeGreaterThan(LOG_FILE_BYTES_MAX);
  expect(largestBytes).toBeLessThan(LOG_FILE_BYTES_MAX + 110_000);
  expect(JSON.parse(lines.at(-1) as string)).toMatchObject({ level: "info", instanceId: "i-1", msg: "line 99" });
});
