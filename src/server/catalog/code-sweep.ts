import type { CodeStore } from "../../ports/code-store.ts";

/**
 * How long unused code stays: containers of a retired revision may still be reading it. Longer than
 * the longest execution (900 s) and the time an invocation may wait before it.
 */
const UNUSED_CODE_GRACE_MS = 30 * 60_000;
const SWEEP_INTERVAL_MS = 10 * 60_000;

/**
 * Removes code that no function has, some time after it lost its last one.
 * @param used hashes of the code that functions have, at the time of the call.
 */
export function createCodeSweep(
  codeStore: CodeStore,
  used: () => Set<string>,
  onFailure: (what: string, error: unknown) => void,
): { now(): void; close(): void } {
  const now = () => {
    codeStore.retain(used(), UNUSED_CODE_GRACE_MS).catch((error: unknown) => onFailure("unused code", error));
  };
  const timer = setInterval(now, SWEEP_INTERVAL_MS).unref();
  return { now, close: () => clearInterval(timer) };
}
