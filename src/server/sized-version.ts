import type { FunctionVersion } from "../model/function-version.ts";
import type { SizedVersion } from "../model/grant.ts";
import { type SizingKey, sizingKeyOf } from "../model/sizing.ts";

/** Hex digits of the code's hash that tell one code from another within a function. */
const CODE_DIGITS = 12;

const known = new WeakMap<FunctionVersion, SizedVersion>();
let made = 0;

/** As sizing knows it: what was learned of a version outlives changes of its settings, and not those of its code. Made once per version. */
export function sizedVersionOf(version: FunctionVersion): SizedVersion {
  const before = known.get(version);
  if (before !== undefined) return before;
  const { accountId, name, memoryMiB } = version;
  const sized = { key: keyOfVersion(version), accountId, functionName: name, order: ++made, memoryMiB };
  known.set(version, sized);
  return sized;
}

type Keyed = Pick<FunctionVersion, "accountId" | "name" | "version" | "codeSha256Hex" | "architecture">;

/** Under which the size of that version of that code is learned. */
export function keyOfVersion({ accountId, name, version, codeSha256Hex, architecture }: Keyed): SizingKey {
  const label = `${version}@${codeSha256Hex.slice(0, CODE_DIGITS)}`;
  return sizingKeyOf(accountId, name, label, architecture ?? "x86_64");
}
