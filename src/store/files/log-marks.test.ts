import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LogEvent } from "../../ports/log-store.ts";
import { logMessage } from "../../protocol/log-message.ts";
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

function eventsOf(log: Buffer, cut = log.length): LogEvent[] {
  const events: LogEvent[] = [];
  const reader = new LogReader((event) => events.push(event));
  for (let at = 0; at < log.length; at += cut) reader.read(log.subarray(at, at + cut));
  reader.end();
  return events;
}

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
      const read = Object.groupBy(eventsOf(log, cut), ({ stream }) => stream);
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

describe("a message of several lines", () => {
  const written = fc.record({
    stream: fc.constantFrom("2026/11/30/[1]aa", "2026/11/30/[$LATEST]bb"),
    atMs: fc.integer({ min: 100, max: 103 }),
    lines: fc.array(fc.constantFrom("", "\x1e", "\x1e<", "\x1f\x1dx", "a", "7 s", "é\x1d"), {
      minLength: 1,
      maxLength: 4,
    }),
    isMessage: fc.boolean(),
  });

  test("is one event, and other lines are one each, however the bytes are cut", () => {
    fc.assert(
      fc.property(fc.array(written, { maxLength: 8 }), fc.integer({ min: 1, max: 9 }), (all, cut) => {
        const pieces = all.map(({ stream, atMs, lines, isMessage }) => {
          const text = Buffer.from(`${lines.join("\n")}\n`);
          return { stream, atMs, text: isMessage ? logMessage(text) : text };
        });
        const log = encodeLog(pieces);
        expect(eventsOf(log, cut).map(({ stream, atMs, text }) => ({ stream, atMs, text }))).toEqual(
          all.flatMap(({ stream, atMs, lines, isMessage }) =>
            (isMessage ? [lines.join("\n")] : lines).map((text) => ({ stream, atMs, text })),
          ),
        );
        expect(String(logText(log))).toBe(all.map(({ lines }) => `${lines.join("\n")}\n`).join(""));
      }),
    );
  });

  const says = (text: string, { stream = "s", atMs = 1 } = {}): LogPiece => ({ stream, atMs, text });

  test("that comes in pieces is put together", () => {
    const pieces = [says("a\n\x1db\n"), says("\x1dc\n\x1dd", { atMs: 2 }), says("e\n\x1df\ng\n", { atMs: 3 })];
    const log = Buffer.concat(pieces.map((each) => encodeLog([each])));
    expect(eventsOf(log).map(({ text }) => text)).toEqual(["a\nb\nc\nde\nf", "g"]);
    expect(eventsOf(encodeLog([says("a\n"), says("\x1db\n", { atMs: 2 })]))).toEqual([
      { stream: "s", atMs: 1, ordinal: 0, text: "a\nb" },
    ]);
  });

  test("never goes on with what another stream wrote", () => {
    const log = encodeLog([says("a\n"), says("other's\n", { stream: "t" }), says("\x1db\n")]);
    expect(eventsOf(log).map(({ text }) => text)).toEqual(["a", "other's", "b"]);
  });

  test("is no longer than CloudWatch's longest", () => {
    const line = "x".repeat(99_999);
    const log = encodeLog([says(String(logMessage(Buffer.from(`${line}\n`.repeat(7)))))]);
    expect(eventsOf(log).map(({ text }) => text.length)).toEqual([199_999, 199_999, 199_999, 99_999]);
  });
});

test("times and ordinals name events, and go up when the clock does", () => {
  const at = (atMs: number, says: string): LogPiece => ({ stream: "s", atMs, text: says });
  const log = encodeLog([at(1, "a\nb\n"), at(1, "c\n"), at(2, "d\n")]);
  expect(eventsOf(log).map(({ atMs, ordinal, text: says }) => [atMs, ordinal, says])).toEqual([
    [1, 0, "a"],
    [1, 1, "b"],
    [1, 2, "c"],
    [2, 0, "d"],
  ]);
});

test("lines of a version without marks are text, and no events", () => {
  const log = Buffer.concat([Buffer.from("START\nEND\n"), encodeLog([{ stream: "s", atMs: 7, text: "new\n" }])]);
  expect(String(logText(log))).toBe("START\nEND\nnew\n");
  expect(eventsOf(log)).toEqual([{ stream: "s", atMs: 7, ordinal: 0, text: "new" }]);
  expect(findMark(log)).toEqual({ offset: 10, atMs: 7 });
});
