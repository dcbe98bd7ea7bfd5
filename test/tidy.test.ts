import { spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { ERROR_CODES } from "../src/model/error-code.ts";

/** The repository checks itself: what no compiler or linter sees. Each failure says what to do instead. */
const root = fileURLToPath(new URL("..", import.meta.url));

const IGNORED = ["node_modules/**", ".git/**", ".hearth/**", "bench/results/**", "coverage/**"];
const CODE = "{src,test,bench,bin,examples}/**/*.{ts,mjs,cjs,js,sh}";
const FILE_LINES_MAX = 500;
/** Of a tool that reads the whole repository, on a machine that is busy with other tests. */
const TOOL_MS_MAX = 60_000;

const read = (path: string) => readFileSync(join(root, path), "utf8");
const find = (...patterns: string[]) => globSync(patterns, { cwd: root, exclude: IGNORED }).sort();

const code = find(CODE);
const documents = find("*.md", "{docs,src,examples,bench,test}/**/*.md");
const everything = [...code, ...documents, ...find("*.{json,ts}", ".ci/*", "{examples,docs}/**/*.{json,yml,yaml}")];

/** `path:line: text` of each line that `isBad`. */
function lines(paths: readonly string[], isBad: (line: string) => boolean): string[] {
  return paths.flatMap((path) =>
    read(path)
      .split("\n")
      .flatMap((line, i) => (isBad(line) ? [`${path}:${i + 1}: ${line.trim().slice(0, 120)}`] : [])),
  );
}

describe("documents", () => {
  test("relative links lead somewhere", () => {
    const dead = documents.flatMap((path) =>
      [...withoutCode(read(path)).matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, target = ""]) => target.replace(/#.*$/, ""))
        .filter((target) => target !== "" && !/^[a-z]+:/.test(target))
        .filter((target) => !existsSync(resolve(root, dirname(path), decodeURIComponent(target))))
        .map((target) => `${path}: ${target}`),
    );
    expect(dead, "correct the link or remove it").toEqual([]);
  });
});

function withoutCode(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`]*`/g, "");
}

describe("code", () => {
  test("every export of model, ports and protocol says what its name does not", () => {
    const undocumented = find("src/{model,ports,protocol}/**/*.ts")
      .filter((path) => !path.endsWith(".test.ts") && !path.startsWith("src/ports/contract/"))
      .flatMap((path) => undocumentedExports(path, read(path).split("\n")));
    expect(undocumented, "write one sentence above it that a caller needs").toEqual([]);
  });

  test("every error code has a sentence, and says whose fault it is", () => {
    for (const [name, info] of Object.entries(ERROR_CODES)) {
      expect(info.says, name).toMatch(/^[A-Z].{20,}/);
      expect(info.status, name).toBeGreaterThanOrEqual(400);
      expect(info.public, name).toMatch(/Exception$/);
    }
  });

  test("nothing is left for later", () => {
    // In pieces, so that this file does not find itself.
    const marks = new RegExp(`\\b(${["FIX" + "ME", "TO" + "DO", "XX" + "X"].join("|")})\\b`);
    expect(
      lines(everything, (line) => marks.test(line)),
      "do it, or open an issue",
    ).toEqual([]);
  });

  test("no test runs alone", () => {
    const tests = code.filter((path) => path.endsWith(".test.ts") && path !== "test/tidy.test.ts");
    expect(
      lines(tests, (line) => /\b(test|it|describe)\.only\(/.test(line)),
      "remove .only",
    ).toEqual([]);
  });

  test("no file is longer than a reader's patience", () => {
    const long = code.filter((path) => read(path).split("\n").length > FILE_LINES_MAX);
    expect(long, "split it: one module, one noun").toEqual([]);
  });

  test("no catch-all modules", () => {
    const catchAlls = code.filter((path) => /\/(utils?|helpers?|common|types|interfaces|misc)\.ts$/.test(path));
    expect(catchAlls, "name the file for the noun in it").toEqual([]);
  });

  test("nothing knows a developer's machine", () => {
    const checkout = resolve(root);
    const isPersonal = (line: string) =>
      line.includes(`${checkout}/`) || /(^|[\s"'`(=:])\/(home|Users)\/[A-Za-z][\w.-]*\//.test(line);
    expect(lines(everything, isPersonal), "use a path relative to the file or the project").toEqual([]);
  });

  test("the lock file names no registry: npm uses the one it is set to", () => {
    const hosts = [...read("package-lock.json").matchAll(/"resolved": "https?:\/\/([^/"]+)/g)].map(([, host]) => host);
    expect([...new Set(hosts)]).toEqual([]);
  });
});

/**
 * Exports without a comment above. One comment may stand above several lines without a gap, and above the
 * first of a function's overloads; types that are derived from a documented value need none.
 */
function undocumentedExports(path: string, text: readonly string[]): string[] {
  return text.flatMap((line, i) => {
    const name = /^export (?:async )?(?:type|function|class|const|interface) (\w+)/.exec(line)?.[1];
    const isDerived = /= (z\.infer<|keyof typeof |\(typeof )/.test(line);
    if (name === undefined || isDerived) return [];
    const first = text.findIndex((other) => other.startsWith(`export function ${name}(`));
    if (first >= 0 && first < i) return [];
    let above = i - 1;
    while (/^export .*;$/.test(text[above] ?? "")) above--;
    return text[above]?.trimEnd().endsWith("*/") ? [] : [`${path}:${i + 1}: ${name}`];
  });
}

/** A checker that looked at nothing is green, so each must have seen what there is. */
describe("checking tools see the code", () => {
  const typescript = code.filter((path) => path.endsWith(".ts") && !path.startsWith("examples/"));

  test("the type checker", { timeout: TOOL_MS_MAX }, () => {
    const listed = new Set(
      run("tsc", ["-p", ".", "--listFilesOnly"])
        .split("\n")
        .map((path) => resolve(root, path)),
    );
    expect(typescript.filter((path) => !listed.has(join(root, path)))).toEqual([]);
  });

  test("the linter", { timeout: TOOL_MS_MAX }, () => {
    // One cheap rule: only the count matters here.
    const output = run("biome", ["lint", "--only=suspicious/noDebugger", "src", "test", "bench", "bin"]);
    const count = Number(/Checked (\d+) files/.exec(output)?.[1]);
    expect(count).toBeGreaterThanOrEqual(typescript.length);
  });

  test("the dead-code check", () => {
    const { entry } = JSON.parse(read("knip.json")) as { entry: string[] };
    for (const pattern of entry) expect(find(pattern), pattern).not.toEqual([]);
  });

  test("the test runner", () => {
    for (const kind of ["src/**", "test/simulation/**", "test/integration/**", "test/conformance/**"]) {
      expect(find(`${kind}/*.test.ts`), kind).not.toEqual([]);
    }
  });
});

/** Standard output and error together: Biome counts on the latter. */
function run(tool: string, args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(join(root, "node_modules/.bin", tool), args, { cwd: root, encoding: "utf8" });
  return stdout + stderr;
}

test("npm's signals reach what its scripts start: no shell stands between", () => {
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  for (const name of ["start", "hearth", "simulate", "test"]) expect(scripts[name]).toMatch(/^exec node /);
});
