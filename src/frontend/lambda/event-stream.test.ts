import { EventStreamCodec } from "@smithy/core/event-streams";
import fc from "fast-check";
import { expect, test } from "vitest";
import { EventFrames } from "./event-stream.ts";

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes as Uint8Array).toString("utf8"),
  (text) => Buffer.from(text, "utf8"),
);

test("AWS's own decoder reads every frame back, checksums and all", () => {
  const chunks = new EventFrames("PayloadChunk", "application/octet-stream");
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70_000 }), (payload) => {
      const { headers, body } = codec.decode(chunks.frame(Buffer.from(payload)));
      expect(Buffer.from(body).equals(Buffer.from(payload))).toBe(true);
      expect(headers).toEqual({
        ":event-type": { type: "string", value: "PayloadChunk" },
        ":content-type": { type: "string", value: "application/octet-stream" },
        ":message-type": { type: "string", value: "event" },
      });
    }),
  );
});
