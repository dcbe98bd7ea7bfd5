import { HearthError } from "../../model/error-code.ts";
import type { CodeStore } from "../../ports/code-store.ts";

/** Archives that are read and hashed at a time; each may hold its 50 MB in memory meanwhile. */
const VERIFIED_AT_ONCE_MAX = 4;

/** Where the code is, and who is told of what is wrong with it. */
export type StoredCodeParts = {
  readonly codeStore: CodeStore;
  readonly onDamage: (what: string, error: unknown) => void;
};

/**
 * Only what is known to be spoiled is damaged: code that a failing disk kept from being checked is
 * taken to be sound, since it most often is, and events wait for functions that are.
 */
export async function findDamaged(
  { codeStore, onDamage }: StoredCodeParts,
  hashes: ReadonlySet<string>,
): Promise<Set<string>> {
  const damaged = new Set<string>();
  const unchecked = hashes.values();
  const verifyRest = async () => {
    for (const sha256Hex of unchecked) {
      try {
        await codeStore.verify(sha256Hex);
      } catch (error) {
        if (error instanceof HearthError && error.code === "CODE_CORRUPT") damaged.add(sha256Hex);
        onDamage(`code ${sha256Hex}`, error);
      }
    }
  };
  await Promise.all(Array.from({ length: VERIFIED_AT_ONCE_MAX }, verifyRest));
  return damaged;
}

/** Those that are missing: a data directory may have been restored without them. */
export async function makeOverlays(
  { codeStore, onDamage }: StoredCodeParts,
  lists: readonly (readonly string[])[],
): Promise<void> {
  for (const hashes of lists) {
    if (hashes.length === 0) continue;
    await codeStore.overlay(hashes).catch((error: unknown) => onDamage(`layers ${hashes.join(", ")}`, error));
  }
}
