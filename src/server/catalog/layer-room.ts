import type { CatalogAnswer } from "../../ports/catalog-answer.ts";
import { type CodeStore, UNZIPPED_BYTES_MAX } from "../../ports/code-store.ts";
import type { VersionRecord } from "../../ports/function-catalog.ts";
import { refused } from "./refused.ts";

/** Hashes of the archives of a version's layers, the lowest first. */
export function layerHashes({ settings }: Pick<VersionRecord, "settings">): string[] {
  return (settings.layers ?? []).map(({ code }) => code.sha256Hex);
}

/**
 * Lays a version's layers over each other, if they and its code are small enough together.
 * @returns why not; undefined: they are ready. @throws HearthError STORE_FAILED.
 */
export async function makeLayers(
  codeStore: Pick<CodeStore, "unpackedBytes" | "overlay">,
  version: Pick<VersionRecord, "code" | "settings">,
): Promise<CatalogAnswer<never> | undefined> {
  const hashes = layerHashes(version);
  if (hashes.length === 0) return undefined;
  let bytes = 0;
  for (const hash of hashes) bytes += await codeStore.unpackedBytes(hash);
  if (bytes > UNZIPPED_BYTES_MAX) return refused("layersTooLarge");
  bytes += await codeStore.unpackedBytes(version.code.sha256Hex);
  if (bytes > UNZIPPED_BYTES_MAX) return refused("codeWithLayersTooLarge", String(bytes));
  await codeStore.overlay(hashes);
  return undefined;
}
