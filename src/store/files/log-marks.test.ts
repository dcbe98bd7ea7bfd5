import fc from "fast-check";
import { expect, test } from "vitest";
import type { LogEvent } from "../../ports/log-store.ts";
import { encodeLog, findMark, type LogPiece, LogReader, logText } from "./log-marks.ts";

/** Few distinct values, so that marks, their escapes and line ends meet. */
const text = fc
  .array(fc.constantFrom("\n", "\x1e", "\x1f", "<", "a", "7 s", "é"), { maxLength: 6 })
  .map((parts) => parts.join(""));
const piece: fc.Arbitrary<LogPiece> = fc.record({
  stream: fc.constantFrom("2026/11/30/[1]aa", "2026/11/30/[$LATEST]bb"),
  atMs: fc.integer({ min: 100, max: 103 }),
  text: fc.oneof(
    text,
    text.map((each) => Buffer.from(each)),
  ),
});
const writes = fc.array(fc.array(piece, { maxLength: 5 }), { maxLength: 4 });

/** Each stream's lines, as it wrote them. */
function linesByStream(pieces: readonly LogPiece[]): Record<string, string[]> {
  const written: Record<string, string> = {};
  for (const { stream, text: each } of pieces) written[stream] = (written[stream] ?? "") + String(each);
  return Object.fromEntries(
    Object.entries(written)
      .map(([stream, all]) => [stream, (all.endsWith("\n") ? all.slice(0, -1) : all).split("\n")] as const)
      .filter(([stream]) => written[stream] !== ""),
  );
}

test("every stream's lines are read as they were written, however the bytes are cut", () => {
  fc.assert(
    fc.property(writes, fc.integer({ min: 1, max: 9 }), (all, cut) => {
      const log = Buffer.concat(all.map(encodeLog));
      const events: LogEvent[] = [];
      const reader = new LogReader((event) => events.push(event));
      for (let at = 0; at < log.length; at += cut) reader.read(log.subarray(at, at + cut));
      reader.end();
      const read = Object.groupBy(events, ({ stream }) => stream);
      const found = Object.fromEntries(
        Object.entries(read).map(([stream, each = []]) => [stream, each.map(({ text }) => text)]),
      );
      expect(found).toEqual(linesByStream(all.flat()));
    }),
  );
});

test("without marks it is what was written, in order", () => {
  fc.assert(
    fc.property(writes, (all) => {
      const written = all
        .flat()
        .map((each) => String(each.text))
        .join("");
      expect(String(logText(Buffer.concat(all.map(encodeLog))))).toBe(written);
    }),
  );
});

test("times and ordinals name events, and go up when the clock does", () => {
  const at = (atMs: number, says: string): LogPiece => ({ stream: "s", atMs, text: says });
  const log = encodeLog([at(1, "a\nb\n"), at(1, "c\n"), at(2, "d\n")]);
  const events: LogEvent[] = [];
  const reader = new LogReader((event) => events.push(event));
  reader.read(log);
  reader.end();
  expect(events.map(({ atMs, ordinal, text: says }) => [atMs, ordinal, says])).toEqual([
    [1, 0, "a"],
    [1, 1, "b"],
    [1, 2, "c"],
    [2, 0, "d"],
  ]);
});

test("lines of a version without marks are text, and no events", () => {
  const log = Buffer.concat([Buffer.from("START\nEND\n"), encodeLog([{ stream: "s", atMs: 7, text: "new\n" }])]);
  expect(String(logText(log))).toBe("START\nEND\nnew\n");
  const events: LogEvent[] = [];
  const reader = new LogReader((event) => events.push(event));
  reader.read(log);
  reader.end();
  expect(events).toEqual([{ stream: "s", atMs: 7, ordinal: 0, text: "new" }]);
  expect(findMark(log)).toEqual({ offset: 10, atMs: 7 });
});
