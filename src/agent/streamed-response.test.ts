import fc from "fast-check";
import { expect, test } from "vitest";
import { CHUNK_BYTES_MAX, STREAM_WINDOW_BYTES } from "../protocol/stream-window.ts";
import { StreamedResponse } from "./streamed-response.ts";

test("a container may send what it has credit for, in pieces of the usual size, and not a byte more", () => {
  const stream = new StreamedResponse();
  for (let sent = 0; sent < STREAM_WINDOW_BYTES; sent += CHUNK_BYTES_MAX) {
    expect(stream.send(CHUNK_BYTES_MAX)).toBeUndefined();
  }
  expect(stream.send(1)).toContain("credit");
  expect(new StreamedResponse().send(CHUNK_BYTES_MAX + 1)).toContain("piece");
});

test("200 MiB and not a byte more", () => {
  const stream = new StreamedResponse();
  for (let sent = 0; sent < 200 * 1024 * 1024; sent += CHUNK_BYTES_MAX) {
    expect(stream.send(CHUNK_BYTES_MAX)).toBeUndefined();
    expect(stream.credit(CHUNK_BYTES_MAX)).toBe(CHUNK_BYTES_MAX);
  }
  expect(stream.send(1)).toContain("over 209715200 bytes");
});

test("credit never exceeds what was used, whatever a server says", () => {
  const step = fc.oneof(
    fc.record({ send: fc.integer({ min: 0, max: CHUNK_BYTES_MAX }) }),
    fc.record({ credit: fc.integer({ min: 0, max: 2 * STREAM_WINDOW_BYTES }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      const stream = new StreamedResponse();
      let outstanding = 0;
      for (const each of steps) {
        if ("credit" in each) outstanding -= stream.credit(each.credit);
        else if (stream.send(each.send) !== undefined)
          return expect(outstanding + each.send > STREAM_WINDOW_BYTES).toBe(true);
        else outstanding += each.send;
        expect(outstanding).toBeGreaterThanOrEqual(0);
        expect(outstanding).toBeLessThanOrEqual(STREAM_WINDOW_BYTES);
      }
      expect(stream.abandon()).toBe(outstanding);
    }),
  );
});
