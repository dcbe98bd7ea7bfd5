import { execFile, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { HearthProcess } from "../integration/server-fixture/hearth-process.ts";
import { skipUnless } from "../skip.ts";
import { provider } from "./provider.ts";

const CANDIDATES = [process.env["HEARTH_BOTOCORE_PYTHON"] ?? "", "python3", "/usr/bin/python3"];
const python = CANDIDATES.filter((name) => name !== "").find(
  (name) => spawnSync(name, ["-c", "import boto3"]).status === 0,
);
const tour = fileURLToPath(new URL("./boto3-tour.py", import.meta.url));

describe("boto3", skipUnless(python !== undefined, "needs boto3: python3 -m pip install boto3"), () => {
  test("versions, aliases and concurrency are as on Lambda", { timeout: 120_000 }, async () => {
    await using hearth = await HearthProcess.start({ provider });
    const { stdout, stderr } = await promisify(execFile)(python ?? "", [tour, hearth.url]);
    expect({ stdout, stderr }).toEqual({ stdout: "", stderr: "" });
  });
});
