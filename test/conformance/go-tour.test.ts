import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { HearthProcess } from "../integration/server-fixture/hearth-process.ts";
import { skipUnless } from "../skip.ts";
import { findCompiler } from "./bootstrap-fixture/compiler.ts";
import { provider } from "./provider.ts";

/** Where Debian puts sources of Go's packages. */
const GOPATH = "/usr/share/gocode";
const go = findCompiler("go");
const hasSdk = existsSync(join(GOPATH, "src/github.com/aws/aws-sdk-go-v2/service/lambda"));
const tour = fileURLToPath(new URL("./go-tour", import.meta.url));
const run = promisify(execFile);

const needsGo = skipUnless(
  go !== undefined && hasSdk,
  "needs Go and its AWS SDK (Debian: golang-go, golang-github-aws-aws-sdk-go-v2-dev)",
);

describe("AWS SDK for Go v2", needsGo, () => {
  test("does the whole tour", { timeout: 180_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "hearth-go-tour-"));
    try {
      const program = join(folder, "go-tour");
      const env = { ...process.env, GOPATH, GO111MODULE: "off", GOFLAGS: "", GOCACHE: join(folder, "cache") };
      const building = run(go ?? "", ["build", "-o", program], { cwd: tour, env });
      building.catch(() => {}); // It is awaited when the server is there.
      await using hearth = await HearthProcess.start({ provider });
      await building;
      const { stdout, stderr } = await run(program, [hearth.url]);
      expect({ stdout, stderr }).toEqual({ stdout: "", stderr: "" });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
