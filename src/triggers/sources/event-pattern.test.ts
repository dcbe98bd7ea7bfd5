import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PatternError, parseEventPattern } from "./event-pattern.ts";

const fits = (pattern: unknown, event: unknown) => parseEventPattern(JSON.stringify(pattern))(event);

describe("a pattern", () => {
  test.for<[string, unknown, unknown, boolean]>([
    ["a value", { a: ["x"] }, { a: "x", b: 1 }, true],
    ["another value", { a: ["x"] }, { a: "y" }, false],
    ["one of the values", { a: ["x", "y"] }, { a: "y" }, true],
    ["no such member", { a: ["x"] }, {}, false],
    ["all members", { a: ["x"], b: [1] }, { a: "x", b: 2 }, false],
    ["null", { a: [null] }, { a: null }, true],
    ["null is not absent", { a: [null] }, {}, false],
    ["a number is no text", { a: [1] }, { a: "1" }, false],
    ["false", { a: [false] }, { a: false }, true],
    ["nested", { body: { a: { b: ["x"] } } }, { body: { a: { b: "x" } } }, true],
    ["nested in what is none", { body: { a: ["x"] } }, { body: "text" }, false],
    ["a list in the event", { a: ["x"] }, { a: ["y", "x"] }, true],
    ["objects in a list", { a: { b: [1] } }, { a: [{ b: 2 }, { b: 1 }] }, true],
    ["exists", { a: [{ exists: true }] }, { a: 0 }, true],
    ["exists not", { a: [{ exists: false }] }, { b: 0 }, true],
    ["exists not, nested", { a: { b: [{ exists: false }] } }, {}, true],
    ["exists not, an empty list is absent", { a: [{ exists: false }] }, { a: [] }, true],
    ["exists, an empty list is absent", { a: [{ exists: true }] }, { a: [[]] }, false],
    ["exists not, of no objects", { a: { b: [{ exists: false }] } }, { a: [] }, true],
    ["exists not, of one of the objects", { a: { b: [{ exists: false }] } }, { a: [{ b: 1 }, { c: 1 }] }, false],
    ["exists not, of any of the objects", { a: { b: [{ exists: false }] } }, { a: [{ c: 1 }, [{ c: 2 }]] }, true],
    ["exists not, or a value", { a: [{ exists: false }, "x"] }, { a: "x" }, true],
    ["a list in a list of the event", { a: ["x"] }, { a: [["y"], ["x"]] }, true],
    ["objects in a list in a list", { a: { b: ["x"] } }, { a: [[{ b: "x" }]] }, true],
    ["values of two objects of a list", { a: { b: [1], c: [2] } }, { a: [{ b: 1 }, { c: 2 }] }, false],
    ["exists, an object is no leaf", { a: [{ exists: true }] }, { a: {} }, false],
    ["prefix", { a: [{ prefix: "ab" }] }, { a: "abc" }, true],
    ["prefix of a number", { a: [{ prefix: "1" }] }, { a: 12 }, false],
    ["prefix, either case", { a: [{ prefix: { "equals-ignore-case": "AB" } }] }, { a: "abc" }, true],
    ["suffix", { a: [{ suffix: ".png" }] }, { a: "x.png" }, true],
    ["equals-ignore-case", { a: [{ "equals-ignore-case": "ALICE" }] }, { a: "alice" }, true],
    ["anything-but", { a: [{ "anything-but": ["x", 1] }] }, { a: "y" }, true],
    ["anything-but, the one", { a: [{ "anything-but": "x" }] }, { a: "x" }, false],
    ["anything-but, absent", { a: [{ "anything-but": "x" }] }, {}, false],
    ["anything-but prefix", { a: [{ "anything-but": { prefix: "x" } }] }, { a: "xa" }, false],
    ["numeric =", { a: [{ numeric: ["=", 3] }] }, { a: 3.0 }, true],
    ["numeric range", { a: [{ numeric: [">", 0, "<=", 5] }] }, { a: 5 }, true],
    ["numeric range, outside", { a: [{ numeric: [">", 0, "<=", 5] }] }, { a: 0 }, false],
    ["cidr", { a: [{ cidr: "10.0.0.0/24" }] }, { a: "10.0.0.255" }, true],
    ["cidr, outside", { a: [{ cidr: "10.0.0.0/24" }] }, { a: "10.0.1.0" }, false],
    ["wildcard", { a: [{ wildcard: "dir/*/x.*" }] }, { a: "dir/a/b/x.png" }, true],
    ["wildcard, not", { a: [{ wildcard: "dir/*/x" }] }, { a: "dir/x" }, false],
    ["wildcard, a star itself", { a: [{ wildcard: "a\\*" }] }, { a: "ab" }, false],
    ["$or", { $or: [{ a: [1] }, { b: [2] }] }, { b: 2 }, true],
    ["$or, none", { $or: [{ a: [1] }, { b: [2] }], c: [3] }, { b: 2 }, false],
    ["what the event inherits is not in it", { constructor: [{ exists: true }] }, {}, false],
  ])("%s", ([, pattern, event, expected]) => {
    expect(fits(pattern, event)).toBe(expected);
  });

  test.for([
    "",
    "[]",
    "{}",
    "1",
    '{"a":"x"}',
    '{"a":[]}',
    '{"a":[[1]]}',
    '{"a":[{"prefix":1}]}',
    '{"a":[{"numeric":["~",1]}]}',
    '{"a":[{"numeric":[">"]}]}',
    '{"a":[{"cidr":"10.0.0.0/33"}]}',
    '{"a":[{"unknown":"x"}]}',
    '{"a":[{"exists":"yes"}]}',
    '{"a":[{"wildcard":"a**b"}]}',
    '{"a":[{"prefix":"a","suffix":"b"}]}',
    `${'{"a":'.repeat(60)}[1]${"}".repeat(60)}`,
  ])("%s is none", (text) => {
    expect(() => parseEventPattern(text)).toThrow(PatternError);
  });

  test("asking never throws, whatever the event is", () => {
    const leaf = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.constant(null),
      fc.record({ prefix: fc.string() }),
      fc.record({ exists: fc.boolean() }),
      fc.record({ "anything-but": fc.string({ minLength: 1 }) }),
    );
    const key = fc.constantFrom("a", "b", "__proto__", "toString");
    const pattern = fc.dictionary(key, fc.array(leaf, { minLength: 1, maxLength: 3 }), { minKeys: 1 });
    fc.assert(fc.property(pattern, fc.jsonValue(), (shape, event) => typeof fits(shape, event) === "boolean"));
  });

  test("lists that are as deep as they are long, and absence among many objects, take no time", () => {
    const depth = 100_000;
    const deep = JSON.parse(`${"[".repeat(depth)}"x"${"]".repeat(depth)}`) as unknown;
    const beganMs = performance.now();
    expect(fits({ a: ["x"], b: [{ exists: false }] }, { a: deep, b: [] })).toBe(true);
    const many = [...Array.from({ length: 50_000 }, () => ({})), { b: 1 }];
    expect(fits({ a: { b: [{ exists: false }] } }, { a: many })).toBe(false);
    expect(performance.now() - beganMs).toBeLessThan(1000);
  });

  test("a value that is in the pattern fits", () => {
    const values = fc.array(fc.oneof(fc.string(), fc.integer(), fc.boolean()), { minLength: 1, maxLength: 4 });
    fc.assert(fc.property(values, fc.nat(), (list, at) => fits({ a: list }, { a: list[at % list.length] })));
  });

  test("wildcards agree with regular expressions, and take no time over hostile ones", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b") });
    const parts = fc.array(fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1 }), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(text, parts, (value, literals) => {
        const expected = new RegExp(`^${literals.join(".*")}$`, "s").test(value);
        expect(fits({ a: [{ wildcard: literals.join("*") }] }, { a: value })).toBe(expected);
      }),
    );
    const hostile = `${"a*".repeat(200)}b`;
    const beganMs = performance.now();
    expect(fits({ a: [{ wildcard: hostile }] }, { a: "a".repeat(100_000) })).toBe(false);
    expect(performance.now() - beganMs).toBeLessThan(1000);
  });
});
