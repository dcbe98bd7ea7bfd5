import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Files } from "../../integration/server-fixture/lambda-caller.ts";

/** The two packages as npm packs them; .ci/run fetches them. Their install scripts would build a curl of their own, for minutes. */
const PACKAGES = process.env["HEARTH_LAMBDA_RIC"];
/** The binary of nodejs24.x, and beside it the headers of its version. */
const NODE = fileURLToPath(new URL(`../../../node_modules/nodejs24.x-linux-${process.arch}/bin/node`, import.meta.url));

/** Whether this machine can build it. */
export const hasLambdaRic = PACKAGES !== undefined;

/**
 * Builds AWS's runtime interface client for Node.js (npm: aws-lambda-ric) of the package's own sources, with the curl that
 * sandboxes have.
 *
 * @param folder an empty one, to build in.
 * @returns what belongs into a function's archive.
 */
export function buildLambdaRic(folder: string): Files {
  for (const file of readdirSync(PACKAGES ?? ""))
    unpack(join(PACKAGES ?? "", file), folder, file.replace(/-\d.*$/, ""));
  const ric = join(folder, "aws-lambda-ric");
  for (const name of ["curl", "aws-lambda-cpp"]) unpack(join(ric, `deps/${name}.tar.xz`), ric, name);
  const cpp = join(ric, "aws-lambda-cpp");
  const version = readFileSync(join(cpp, "src/version.cpp.in"), "utf8").replaceAll(/@\w+@/g, "0");
  writeFileSync(join(ric, "version.cpp"), version);
  const addon = join(ric, "rapid-client.node");
  const includes = [
    join(cpp, "include"),
    join(ric, "curl/include"),
    join(folder, "node-addon-api"),
    join(dirname(dirname(NODE)), "include/node"),
  ];
  const sources = [
    join(ric, "src/native/rapid-client.cc"),
    join(cpp, "src/runtime.cpp"),
    join(cpp, "src/logging.cpp"),
    join(ric, "version.cpp"),
  ];
  const options = [
    "-shared",
    "-fPIC",
    "-std=c++20",
    "-w",
    "-DNAPI_CPP_EXCEPTIONS",
    ...includes.map((path) => `-I${path}`),
  ];
  execFileSync("g++", [...options, ...sources, "-l:libcurl.so.4", "-o", addon]);
  return {
    "aws-lambda-ric/index.mjs": readFileSync(join(ric, "index.mjs")),
    "aws-lambda-ric/rapid-client.node": readFileSync(addon),
    bootstrap: "#!/bin/sh\nexec /opt/bin/node /var/task/aws-lambda-ric/index.mjs\n",
  };
}

/** What belongs into the layer that the bootstrap looks into. */
export function nodeLayer(): Files {
  return { "bin/node": readFileSync(NODE) };
}

function unpack(archive: string, folder: string, name: string): void {
  mkdirSync(join(folder, name));
  // npm's archives have one folder at the top; those in this package have "." there.
  execFileSync("tar", ["-xf", archive, "-C", join(folder, name), "--strip-components=1"], { stdio: "ignore" });
}
