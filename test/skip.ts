import type { TestOptions } from "vitest";

declare module "vitest" {
  interface TaskMeta {
    skipReason?: string;
    /** That it is skipped is no failure anywhere. */
    isLeftOut?: boolean;
  }
}

/**
 * Options for a `test` or `describe` that needs something of the machine:
 *
 *     describe("sandbox", skipUnless(process.getuid?.() === 0, "needs root"), () => { … });
 *
 * The test command prints the reasons at its end. With `HEARTH_NO_SKIP=1` (continuous integration)
 * a missing thing is a failure: the file that needs it does not load.
 */
export function skipUnless(condition: boolean, reason: string): TestOptions {
  if (condition) return {};
  if (process.env["HEARTH_NO_SKIP"] === "1") throw new Error(`nothing may be skipped here, but: ${reason}`);
  return { skip: true, meta: { skipReason: reason } };
}

/**
 * The same for what a machine has or has not: no registry of packages has it, so that no script can install it. The test
 * command says that it was left out and why, and it is a failure nowhere.
 */
export function leftOutUnless(condition: boolean, reason: string): TestOptions {
  return condition ? {} : { skip: true, meta: { skipReason: reason, isLeftOut: true } };
}
