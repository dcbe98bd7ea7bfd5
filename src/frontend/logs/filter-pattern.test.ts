import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { filterPattern } from "./filter-pattern.ts";

const found = (pattern: string, ...texts: string[]) => texts.filter(filterPattern(pattern));

describe("terms", () => {
  const texts = ["ERROR disk full", "WARN disk full", "error Disk", 'said "no room" twice'];
  test.each([
    ["", texts],
    ["   ", texts],
    ["ERROR", ["ERROR disk full"]],
    ["disk full", ["ERROR disk full", "WARN disk full"]],
    ["full disk", ["ERROR disk full", "WARN disk full"]],
    ['"disk full" -WARN', ["ERROR disk full"]],
    ['"full disk"', []],
    ["?ERROR ?WARN", ["ERROR disk full", "WARN disk full"]],
    ["?ERROR ?error -full", ["error Disk"]],
    ['"\\"no room\\""', ['said "no room" twice']],
    ['-"disk full" -Disk', ['said "no room" twice']],
  ])("%j", (pattern, expected) => {
    expect(found(pattern, ...texts)).toEqual(expected);
  });

  test("a text is found by any part of it, quoted", () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ minLength: 1 }), fc.string(), (before, part, after) => {
        const quoted = `"${part.replace(/[\\"]/g, "\\$&")}"`;
        expect(filterPattern(quoted)(before + part + after)).toBe(true);
        expect(filterPattern(`-${quoted}`)(before + part + after)).toBe(false);
      }),
    );
  });

  test.each(["[ip, user]", "%ERR.*%", 'half "quoted'])("%s is refused", (pattern) => {
    expect(() => filterPattern(pattern)).toThrowError(/Invalid filter pattern/);
  });
});

describe("JSON", () => {
  const one = { level: "ERROR", took: 120, ok: false, user: { "first name": "Ada", tags: ["a", "b"] }, none: null };
  const two = { level: "INFO", took: 7, ok: true };
  const texts = [JSON.stringify(one), JSON.stringify(two), "level ERROR", "{ no json"];
  const [first, second] = texts as [string, string];

  test.each([
    ['{ $.level = "ERROR" }', [first]],
    ["{$.level=ERROR}", [first]],
    ['{ $.level != "ERROR" }', [second]],
    ['{ $.level = "*R*R" }', [first]],
    ['{ $.level = "I*O" }', [second]],
    ['{ $.level = "I*NFO*O" }', []],
    ["{ $.took > 7 }", [first]],
    ["{ $.took >= 7 }", [first, second]],
    ["{ $.took = 7 }", [second]],
    ["{ $.took < 100 && $.ok = true }", [second]],
    ["{ ($.took < 100) || ($.ok IS FALSE) }", [first, second]],
    ['{ $.level = "INFO" && $.took = 1 || $.took = 120 }', [first]],
    ['{ $.level = "INFO" && ($.took = 1 || $.took = 120) }', []],
    ["{ $.none IS NULL }", [first]],
    ["{ $.user NOT EXISTS }", [second]],
    ['{ $.user.tags[1] = "b" }', [first]],
    ['{ $.user["first name"] = "Ada" }', [first]],
    ["{ $.constructor NOT EXISTS }", [first, second]],
  ])("%s", (pattern, expected) => {
    expect(found(pattern, ...texts)).toEqual(expected);
  });

  test("whatever is written, it is a pattern or refused", () => {
    const part = fc.constantFrom("$.a", "=", "!=", ">", "&&", "||", "(", ")", "1", '"x"', "IS", "NULL", '"', "!");
    fc.assert(
      fc.property(fc.array(part, { maxLength: 9 }), (parts) => {
        try {
          expect([true, false]).toContain(filterPattern(`{ ${parts.join(" ")} }`)('{"a":1}'));
        } catch (error) {
          expect(error).toMatchObject({ type: "InvalidParameterException", status: 400 });
        }
      }),
    );
  });
});
