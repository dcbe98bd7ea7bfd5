import fc from "fast-check";
import { expect, test } from "vitest";
import { CHUNK_BYTES_MAX, STREAM_WINDOW_BYTES, StreamWindow } from "./stream-window.ts";

/** Sends pieces of these sizes as a container does, and takes them with a caller that is so many pieces behind. */
function transfer(sizes: readonly number[], behind: number): { sent: number; heldMax: number } {
  const window = new StreamWindow();
  const held: number[] = [];
  let credit = STREAM_WINDOW_BYTES;
  let sent = 0;
  let heldMax = 0;
  const takeOne = () => {
    credit += window.take(held.shift() ?? 0);
  };
  for (const size of sizes) {
    for (let rest = size; rest > 0; ) {
      // A sender without credit waits until the caller has taken something; one that waits for nothing would stand still.
      while (credit === 0) {
        if (held.length === 0) throw new Error("the sender waits, and nothing is on its way");
        takeOne();
      }
      const piece = Math.min(rest, credit, CHUNK_BYTES_MAX);
      credit -= piece;
      rest -= piece;
      sent += piece;
      if (!window.receive(piece)) throw new Error("more than the window");
      held.push(piece);
      heldMax = Math.max(
        heldMax,
        held.reduce((sum, bytes) => sum + bytes, 0),
      );
      while (held.length > behind) takeOne();
    }
  }
  return { sent, heldMax };
}

test("everything arrives, nobody waits for nothing, and no more than the window is held", () => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 700_000 })), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 0, max: 5000 }), (pieces, behind) => {
      const { sent, heldMax } = transfer(pieces, behind);
      expect(sent).toBe(pieces.reduce((sum, bytes) => sum + bytes, 0));
      expect(heldMax).toBeLessThanOrEqual(STREAM_WINDOW_BYTES);
    }),
  );
});

test("more than was credited is refused", () => {
  const window = new StreamWindow();
  expect(window.receive(STREAM_WINDOW_BYTES)).toBe(true);
  expect(window.receive(1)).toBe(false);
});

test("what nobody waits for is credited at once", () => {
  const window = new StreamWindow();
  window.receive(1000);
  expect(window.take(400)).toBe(0);
  expect(window.takeAll()).toBe(1000);
  expect(window.takeAll()).toBe(0);
});
