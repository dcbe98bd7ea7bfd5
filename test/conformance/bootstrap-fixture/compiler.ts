import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const COMMANDS = {
  go: (output: string, source: string) => ["build", "-o", output, source],
  rustc: (output: string, source: string) => ["--edition", "2021", "-o", output, source],
};

/** A compiler that somebody's PATH has; the system's folders need not. */
export function findCompiler(name: keyof typeof COMMANDS): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** @returns the program that one file of this folder becomes. */
export function compile(name: keyof typeof COMMANDS, file: string, folder: string): Buffer {
  const output = join(folder, file.replace(".", "-"));
  const source = fileURLToPath(new URL(file, import.meta.url));
  execFileSync(findCompiler(name) ?? "", COMMANDS[name](output, source), {
    env: { ...process.env, GO111MODULE: "off", GOCACHE: join(folder, "go-cache") },
  });
  return readFileSync(output);
}
