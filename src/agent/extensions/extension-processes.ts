import type { Readable } from "node:stream";
import type { ContainerExit } from "../container-backend.ts";
import { runtimeEnd } from "../sandbox/container-init.ts";

/** Longer than a status and the longest file name. */
const LINE_UNITS_MAX = 512;

/**
 * A shell script that starts the programs named by its arguments, below the folder named by the first one, and says on
 * file descriptor 3 how each of them ended. The programs themselves do not get that descriptor.
 */
export const START_EXTENSIONS =
  'dir=$1; shift; for name; do ( "$dir/$name" 3>&- </dev/null; echo "$? $name" >&3 ) & done; exec 3>&-; wait';

/** Calls `onEnd` for every process that ends. */
export function watchEnds(ends: Readable, onEnd: (name: string, exit: ContainerExit) => void): void {
  let rest = "";
  ends.setEncoding("utf8");
  ends.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = (lines.pop() as string).slice(0, LINE_UNITS_MAX);
    for (const line of lines) {
      const [, status, name] = /^(\d+) (.+)$/.exec(line) ?? [];
      if (name === undefined) continue;
      onEnd(name, {
        ...runtimeEnd({ status: Number(status), signal: undefined }),
        isOutOfMemory: false,
        isCrowdedOut: false,
      });
    }
  });
  ends.on("error", () => {}); // The container ends, and with it what there was to tell.
}
