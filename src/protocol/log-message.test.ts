import fc from "fast-check";
import { expect, test } from "vitest";
import { logMessage, plainLog } from "./log-message.ts";

const GS = "\x1d";
const MARKS = new RegExp(`^${GS}+`);
const line = fc.array(fc.constantFrom("a", "é", "\r", "\x1d", "\x1e", "\x1f"), { maxLength: 3 });
const text = fc.array(
  line.map((parts) => parts.join("")),
  { maxLength: 5 },
);

test("a message is read as it was written, but for marks of its own", () => {
  fc.assert(
    fc.property(text, fc.boolean(), (lines, isEnded) => {
      const end = isEnded ? "\n" : "";
      const own = lines.map((each) => each.replace(MARKS, "")).join("\n");
      const marked = logMessage(Buffer.from(`${lines.join("\n")}${end}`));
      expect(String(plainLog(marked))).toBe(`${own}${end}`);
      // The first line begins an event, and no other does.
      const begins = String(marked)
        .replace(/\n$/, "")
        .split("\n")
        .map((each) => !each.startsWith("\x1d"));
      expect(begins).toEqual(begins.map((_, index) => index === 0));
    }),
  );
});

test("nothing is copied without need", () => {
  for (const text of ["one line\n", "no end", ""].map((each) => Buffer.from(each))) expect(logMessage(text)).toBe(text);
  const lines = Buffer.from("one\ntwo\n");
  expect(plainLog(lines)).toBe(lines);
});
