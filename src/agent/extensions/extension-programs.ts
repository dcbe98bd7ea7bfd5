import { readdirSync } from "node:fs";
import { join } from "node:path";

/** They become arguments of a shell and parts of log lines. */
const CONTROL_CHARACTER = /\p{Cc}/u;

/**
 * Names of the programs that are started as external extensions, sorted: all files of `extensions`, as Lambda takes them.
 *
 * @param optDir what the container sees as /opt. @returns none when there is no such folder.
 */
export function extensionPrograms(optDir: string): readonly string[] {
  try {
    return readdirSync(join(optDir, "extensions"), { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && !CONTROL_CHARACTER.test(entry.name))
      .map(({ name }) => name)
      .sort();
  } catch {
    return [];
  }
}
