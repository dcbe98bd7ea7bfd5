import { createHash } from "node:crypto";

/** Why a function's init runs, as Lambda names it: for a call that waits for it, or ahead of any. */
export type InitializationType = "on-demand" | "provisioned-concurrency";

/** A build of a runtime, as Lambda's logs and `RuntimeVersionConfig` name it. */
export type RuntimeVersion = { readonly name: string; readonly arn: string };

/**
 * AWS names the exact build by a number and a hash (`nodejs:22.v72`); ours is of the runtime's name.
 * @param runtime as `Runtime` of Lambda's API names it.
 */
export function runtimeVersionOf(runtime: string, region: string): RuntimeVersion {
  const [, language, release] = /^([a-z]+)\.?(.+?)(?:\.x)?$/.exec(runtime) ?? [];
  const build = createHash("sha256").update(runtime).digest("hex");
  return { name: `${language}:${release}.hearth`, arn: `arn:aws:lambda:${region}::runtime:${build}` };
}
