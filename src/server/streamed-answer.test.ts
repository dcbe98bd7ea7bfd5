import { expect, test } from "vitest";
import type { ResponseSink } from "../ports/invoker.ts";
import { STREAM_WINDOW_BYTES } from "../protocol/stream-window.ts";
import { StreamedAnswer } from "./streamed-answer.ts";

function open() {
  const said: string[] = [];
  const taken: (() => void)[] = [];
  const granted: number[] = [];
  const sink: ResponseSink = {
    begin: (contentType) => void said.push(contentType),
    chunk: (bytes, done) => {
      said.push(bytes.toString());
      taken.push(done);
    },
  };
  return { answer: new StreamedAnswer(sink, (bytes) => granted.push(bytes)), said, taken, granted };
}

test("the first piece begins the response, also an empty one, and only once", () => {
  const { answer, said } = open();
  answer.receive(Buffer.alloc(0), "text/plain");
  answer.receive(Buffer.from("a"), undefined);
  answer.receive(Buffer.from("b"), "text/html");
  expect(said).toEqual(["text/plain", "a", "b"]);
  const other = open();
  other.answer.receive(Buffer.from("a"), undefined);
  expect(other.said).toEqual(["application/octet-stream", "a"]);
});

test("what the caller took is granted again, in portions; more than was granted is refused", () => {
  const { answer, taken, granted } = open();
  const piece = Buffer.alloc(STREAM_WINDOW_BYTES / 8);
  for (let sent = 0; sent < STREAM_WINDOW_BYTES; sent += piece.length)
    expect(answer.receive(piece, undefined)).toBe(true);
  taken.shift()?.();
  expect(granted).toEqual([]);
  taken.shift()?.();
  expect(granted).toEqual([STREAM_WINDOW_BYTES / 4]);
  expect(answer.receive(Buffer.alloc(STREAM_WINDOW_BYTES / 4), undefined)).toBe(true);
  expect(answer.receive(Buffer.alloc(1), undefined)).toBe(false);
});

test("nothing of a caller who hung up is missed: all is granted, and the sink hears nothing more", () => {
  const { answer, said, taken, granted } = open();
  answer.receive(Buffer.alloc(1000), undefined);
  answer.abandon();
  expect(granted).toEqual([1000]);
  const heard = said.length;
  for (let sent = 0; sent < 3 * STREAM_WINDOW_BYTES; sent += 65_536) {
    expect(answer.receive(Buffer.alloc(65_536), undefined)).toBe(true);
  }
  for (const done of taken) done();
  expect(said.length).toBe(heard);
  expect(granted.slice(1).reduce((sum, bytes) => sum + bytes, 0)).toBe(3 * STREAM_WINDOW_BYTES);
});
