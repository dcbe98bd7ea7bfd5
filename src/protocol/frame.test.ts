import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeFrame, FRAME_BYTES_MAX, FrameDecoder } from "./frame.ts";

type Seen = { readonly header: unknown; readonly payload: Buffer };

/** Feeds the stream in pieces of these sizes, in turn, all through one buffer that is reused. */
function decode(stream: Buffer, pieces: readonly number[], decoder = new FrameDecoder()): Seen[] {
  const seen: Seen[] = [];
  const reused = Buffer.alloc(Math.max(...pieces));
  for (let at = 0, turn = 0; at < stream.length; turn += 1) {
    const bytes = stream.copy(reused, 0, at, at + (pieces[turn % pieces.length] as number));
    decoder.push(reused.subarray(0, bytes), (header, payload) => seen.push({ header, payload }));
    at += bytes;
  }
  return seen;
}

describe("FrameDecoder", () => {
  test("gives the same frames however the stream is cut", () => {
    const frame = fc.record({
      header: fc.constantFrom({}, { kind: "a" }, { text: "ü".repeat(20) }),
      payload: fc.uint8Array({ maxLength: 30 }),
    });
    const pieces = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), pieces, (frames, sizes) => {
        const stream = Buffer.concat(frames.map(({ header, payload }) => encodeFrame(header, Buffer.from(payload))));
        const seen = decode(stream, sizes);
        expect(seen.map(({ header, payload }) => ({ header, payload: [...payload] }))).toEqual(
          frames.map(({ header, payload }) => ({ header, payload: [...payload] })),
        );
      }),
    );
  });

  test("puts a large frame together in one buffer, of which the payload is a part", () => {
    const payload = Buffer.alloc(6_000_000, "x");
    const frame = encodeFrame({ kind: "result" }, payload);
    const [seen] = decode(frame, [65_536]);
    expect(seen?.payload.equals(payload)).toBe(true);
    expect(seen?.payload.buffer.byteLength).toBe(frame.length - 4);
  });

  test("refuses what is no frame, whole or in pieces", () => {
    const tooLarge = Buffer.alloc(8);
    tooLarge.writeUInt32LE(FRAME_BYTES_MAX + 1);
    const headerBeyond = encodeFrame({ a: 1 });
    headerBeyond.writeUInt32LE(1000, 4);
    const noJson = encodeFrame({ a: 1 });
    noJson.write("nope!", 8);
    for (const pieces of [[1], [3], [1000]]) {
      expect(() => decode(tooLarge, pieces)).toThrow(`frame of ${FRAME_BYTES_MAX + 1} bytes`);
      expect(() => decode(headerBeyond, pieces)).toThrow("header beyond");
      expect(() => decode(noJson, pieces)).toThrow("JSON");
    }
  });
});
