import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { exportLines } from "./shell-quoting.ts";

const RUNS = 60;
const names = fc.constantFrom("A", "B_2", "_C", "PATH", "HEARTH_LF", "Greeting");
const pieces = fc.constantFrom(
  "'",
  '"',
  "\n",
  "run",
  "$PATH",
  "`id`",
  "\\",
  " ",
  "$(id)",
  "\r",
  "ü",
  "€",
  "\t",
  "=",
  "!",
  "*",
  "~",
);
const values = fc.oneof(
  fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join("")),
  fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0") && text.isWellFormed()),
);

/** What a shell that evaluates the lines, gathered one by one until `run`, gives to a program. */
function exported(environment: Record<string, string>): Record<string, string> {
  const lines = exportLines(environment).split("\n");
  const script = [...lines, "exec /usr/bin/env -0"].join("\n");
  const output = execFileSync("/bin/sh", { input: script, env: { PATH: "/usr/bin:/bin" } }).toString();
  return Object.fromEntries(output.split("\0").map((pair) => pair.split(/=(.*)/s).slice(0, 2)));
}

test("a shell exports exactly these values", () => {
  fc.assert(
    fc.property(
      fc.dictionary(
        names.filter((name) => name !== "HEARTH_LF"),
        values,
      ),
      (environment) => {
        expect(exported(environment)).toMatchObject(environment);
      },
    ),
    { numRuns: RUNS },
  );
});

test("no line is `run`, so that none ends the reading early", () => {
  fc.assert(
    fc.property(fc.dictionary(names, values), (environment) => {
      expect(exportLines(environment).split("\n")).not.toContain("run");
    }),
  );
});

test("names that a shell cannot export and values with NUL are refused", () => {
  expect(() => exportLines({ "A B": "" })).toThrow("no shell name");
  expect(() => exportLines({ "A;id": "" })).toThrow("no shell name");
  expect(() => exportLines({ A: "\0" })).toThrow("NUL");
});
