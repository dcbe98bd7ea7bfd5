import { readdirSync, readFileSync } from "node:fs";

export type ListedProcess = { readonly pid: number; readonly commandLine: string };

/** All processes of this machine that descend from one, in no order. */
export function processesBelow(root: number): ListedProcess[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    const [, parent] = /^PPid:\s+(\d+)/m.exec(read(`/proc/${name}/status`)) ?? [];
    if (parent !== undefined) children.set(Number(parent), [...(children.get(Number(parent)) ?? []), Number(name)]);
  }
  const found: ListedProcess[] = [];
  for (const waiting = [root]; waiting.length > 0; ) {
    for (const pid of children.get(waiting.pop() as number) ?? []) {
      found.push({ pid, commandLine: read(`/proc/${pid}/cmdline`).replaceAll("\0", " ") });
      waiting.push(pid);
    }
  }
  return found;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // Of a process that has just ended, or no process.
  }
}
