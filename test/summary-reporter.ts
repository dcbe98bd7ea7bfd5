import type { Reporter, TestModule } from "vitest/node";

/** Prints which tests were skipped and why, then `N passed, N failed, N skipped` as the last line. */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    let passed = 0;
    let failed = unhandledErrors.length;
    const skipped: string[] = [];
    let isIncomplete = false;
    for (const module of modules) {
      // A file that could not be loaded has no tests, and is a failure all the same.
      failed += module.errors().length;
      for (const test of module.children.allTests()) {
        const state = test.result().state;
        if (state === "passed") passed++;
        else if (state === "failed") failed++;
        else {
          skipped.push(`  ${module.relativeModuleId} > ${test.fullName}: ${metaOf(test).skipReason ?? NO_REASON}`);
          isIncomplete ||= metaOf(test).isLeftOut !== true;
        }
      }
    }
    if (isIncomplete && process.env["HEARTH_NO_SKIP"] === "1") process.exitCode = 1;
    // Other reporters print at the same event; theirs comes first.
    setImmediate(() => {
      if (skipped.length > 0) console.log(`skipped:\n${skipped.join("\n")}`);
      console.log(`${passed} passed, ${failed} failed, ${skipped.length} skipped`);
    });
  }
}

const NO_REASON = "no reason given: use skipUnless of test/skip.ts";

type SkipMeta = { readonly skipReason?: string; readonly isLeftOut?: boolean };

type Skippable = {
  meta(): SkipMeta;
  result(): { state: string; note?: string | undefined };
  parent: unknown;
};

/** Its own, or that of the group that was skipped as a whole. */
function metaOf(test: Skippable): SkipMeta {
  const { note } = test.result();
  if (note !== undefined) return { skipReason: note };
  for (let at: unknown = test; isSkippable(at); at = at.parent) {
    const meta = at.meta();
    if (meta.skipReason !== undefined) return meta;
  }
  return {};
}

function isSkippable(task: unknown): task is Skippable {
  return typeof task === "object" && task !== null && "meta" in task && typeof task.meta === "function";
}
