import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";

/** Options of V8 that take effect in a running process. */
const V8_OPTION = /^--(stack[-_]trace[-_]limit|expose[-_]gc|harmony[-\w]*)(=|$)/;

/**
 * Does what NODE_OPTIONS asks of a process that runs already: source maps, preloaded modules,
 * options of V8. The others (inspector, heap sizes …) would have been needed at the start, before
 * the function was known, and are left out.
 */
export async function applyNodeOptions(options: string | undefined, taskRoot: string): Promise<void> {
  if (options === undefined) return;
  const words = options.split(/\s+/).flatMap((word) => (/^--(require|import)=/.test(word) ? split(word) : [word]));
  const require = createRequire(join(taskRoot, "/"));
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    if (word === "--enable-source-maps") process.setSourceMapsEnabled(true);
    else if (word === "-r" || word === "--require") require(words[++i] ?? "");
    else if (word === "--import") await import(importable(words[++i] ?? "", taskRoot));
    else if (V8_OPTION.test(word)) setFlagsFromString(word);
  }
}

function split(word: string): [string, string] {
  const at = word.indexOf("=");
  return [word.slice(0, at), word.slice(at + 1)];
}

function importable(specifier: string, taskRoot: string): string {
  if (/^(\.{0,2}\/)/.test(specifier))
    return pathToFileURL(join(specifier.startsWith("/") ? "" : taskRoot, specifier)).href;
  return pathToFileURL(createRequire(join(taskRoot, "/")).resolve(specifier)).href;
}
