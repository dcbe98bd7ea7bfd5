import type { Socket } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeFrame, FrameDecoder } from "../protocol/frame.ts";
import { FramePassage } from "./frame-passage.ts";

type Frame = { readonly id: number; readonly isTaken: boolean; readonly payload: Buffer };

const frames = fc.array(
  fc.record({
    isTaken: fc.boolean(),
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.nat(200_000).map((length) => new Uint8Array(length)),
    ),
  }),
  { maxLength: 12 },
);
const cuts = fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 40 });

function encoded({ id, isTaken, payload }: Frame): Buffer {
  return encodeFrame({ id, ...(isTaken ? { take: "me" } : {}) }, payload);
}

/** Cuts bytes into chunks of these lengths, again and again. */
function* chunksOf(bytes: Buffer, lengths: readonly number[]): Iterable<Buffer> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const length = lengths[turn % lengths.length] as number;
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

/** The end of a connection: remembers what is written to it. */
class Out {
  readonly written: Buffer[] = [];
  cork(): void {}
  uncork(): void {}
  write(bytes: Buffer): void {
    this.written.push(Buffer.from(bytes));
  }
  get bytes(): Buffer {
    return Buffer.concat(this.written);
  }
}

function passageTo(out: Out, onTaken: (frame: Buffer) => void): FramePassage {
  return new FramePassage({ to: out as unknown as Socket, takes: (header) => header.includes('"take":'), onTaken });
}

test("frames pass in order and whole, save those that are taken, however the bytes are cut", () => {
  fc.assert(
    fc.property(frames, cuts, (drawn, lengths) => {
      const all = drawn.map((frame, id) => ({ ...frame, id, payload: Buffer.from(frame.payload) }));
      const taken: Buffer[] = [];
      const out = new Out();
      const passage = passageTo(out, (frame) => taken.push(frame));
      for (const chunk of chunksOf(Buffer.concat(all.map(encoded)), lengths)) passage.push(chunk);
      const passed = all.filter(({ isTaken }) => !isTaken).map(encoded);
      expect(out.bytes.equals(Buffer.concat(passed))).toBe(true);
      expect(taken).toEqual(all.filter(({ isTaken }) => isTaken).map(encoded));
    }),
  );
});

test("what is put in between comes between frames, never into one", () => {
  fc.assert(
    fc.property(frames, cuts, fc.nat(40), (drawn, lengths, putAfter) => {
      const all = drawn.map((frame, id) => ({ ...frame, id, isTaken: false, payload: Buffer.from(frame.payload) }));
      const out = new Out();
      const passage = passageTo(out, () => {});
      const chunks = [...chunksOf(Buffer.concat(all.map(encoded)), lengths)];
      let put = 0;
      chunks.forEach((chunk, turn) => {
        passage.push(chunk);
        if (turn % (putAfter + 1) === 0) passage.put(encodeFrame({ id: "put", put: put++ }));
      });
      const ids: unknown[] = [];
      new FrameDecoder().push(out.bytes, (header) => ids.push((header as { id: unknown }).id));
      expect(ids.filter((id) => id !== "put")).toEqual(all.map(({ id }) => id));
      expect(ids.filter((id) => id === "put")).toHaveLength(put);
    }),
  );
});

test("bytes that are no frames are refused", () => {
  const passage = passageTo(new Out(), () => {});
  expect(() => passage.push(Buffer.from("ffffffffffffffff", "hex"))).toThrow("frame of");
  const other = passageTo(new Out(), () => {});
  expect(() => other.push(Buffer.from("0800000000100000", "hex"))).toThrow("frame of");
});
