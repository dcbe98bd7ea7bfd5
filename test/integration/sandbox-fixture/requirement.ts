import { findProgram } from "../../../src/host/command.ts";
import { skipUnless } from "../../skip.ts";

const OCI_RUNTIMES = ["runc", "crun"];

export const ociRuntimes = (
  await Promise.all(OCI_RUNTIMES.map(async (name) => ((await findProgram(name)) === undefined ? [] : [name])))
).flat();

const isRoot = process.platform === "linux" && process.getuid?.() === 0;

/** Sandboxes are only made by root, on Linux, with an OCI runtime. */
export const needsSandbox = skipUnless(isRoot && ociRuntimes.length > 0, "needs Linux, root, and runc or crun");
