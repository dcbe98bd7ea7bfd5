import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Files } from "../server-fixture/lambda-caller.ts";

/**
 * A function of the provider `process` that writes down each execution as it begins and ends, where the test's own files are.
 * It takes `ms`; with `once` only at its first execution, so that one that was cut off is done soon when it runs again.
 */
export const WITNESS: Files = {
  "index.mjs": `import { appendFileSync, readFileSync } from "node:fs";
const file = process.env.WITNESS_FILE;
export const handler = async ({ ms = 0, once = false, deaf = false }, { awsRequestId: id }) => {
  const before = readFileSync(file, "utf8").split("BEGAN " + id).length - 1;
  appendFileSync(file, "BEGAN " + id + "\\n");
  const pauseMs = once && before > 0 ? 0 : ms;
  if (deaf && pauseMs > 0) {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => {});
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs);
  } else await new Promise((resolve) => setTimeout(resolve, pauseMs));
  appendFileSync(file, "ENDED " + id + "\\n");
  return { id, pid: process.pid };
};`,
};

/** What the witnesses of one test wrote. */
export class WitnessFile {
  readonly path: string;

  /** @param dataDir of the server; the file goes with it. */
  constructor(dataDir: string) {
    this.path = join(dataDir, "witness");
  }

  begun(id: string): number {
    return this.#count(`BEGAN ${id}`);
  }

  ended(id: string): number {
    return this.#count(`ENDED ${id}`);
  }

  #count(line: string): number {
    return readFileSync(this.path, "utf8")
      .split("\n")
      .filter((each) => each === line).length;
  }
}
