import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { findProgram } from "../../../src/host/command.ts";
import { HearthProcess } from "./hearth-process.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
/** Clients that not every machine has; what they would have done is left out then. */
const OPTIONAL_PROGRAMS = ["aws", "jq"];

/** What the examples of a guide printed, and which clients this machine does not have. */
export type GuideRun = { readonly scripts: number; readonly said: string; readonly missing: readonly string[] };

/** Runs every shell example of a page, one after the other on a fresh server. @throws Error of the first that fails. */
export async function runGuide(path: string): Promise<GuideRun> {
  const guide = readFileSync(join(root, path), "utf8");
  const scripts = [...guide.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, script = ""]) => script);
  await using hearth = await HearthProcess.start({ provider: "process" });
  const missing: string[] = [];
  for (const name of OPTIONAL_PROGRAMS) if ((await findProgram(name)) === undefined) missing.push(name);
  const env = {
    ...process.env,
    HEARTH_SERVER: hearth.url,
    HEARTH_DATA: hearth.dataDir,
    AWS_DEFAULT_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_EC2_METADATA_DISABLED: "true",
  };
  const preamble = [
    "set -euo pipefail",
    `hearth() { "${process.execPath}" "${join(root, "bin/hearth.mjs")}" "$@"; }`,
    // Older ones do not know AWS_ENDPOINT_URL.
    `aws() { command aws --endpoint-url "${hearth.url}" "$@"; }`,
  ].join("\n");
  const outputs: string[] = [];
  for (const script of scripts) {
    const lines = script.split("\n").filter((line) => !missing.some((name) => new RegExp(`\\b${name}\\b`).test(line)));
    const runnable = lines.some((line) => line.includes("REQUEST_ID="))
      ? lines
      : lines.filter((line) => !line.includes("$REQUEST_ID"));
    const { stdout } = await promisify(execFile)("bash", ["-c", `${preamble}\n${runnable.join("\n")}`], {
      cwd: root,
      env,
    });
    outputs.push(stdout);
  }
  return { scripts: scripts.length, said: outputs.join("\n"), missing };
}
