import fc from "fast-check";
import { expect, test } from "vitest";
import { PAYLOAD_BYTES_MAX, payloadBatchesOf } from "./payload-batches.ts";

test("batches keep all records in their order, and fit unless a record alone does not", () => {
  const record = fc
    .record({ body: fc.constantFrom("x", "é", '"'), count: fc.constantFrom(1, 700_000, 3_000_000, 7_000_000) })
    .map(({ body, count }) => ({ body: body.repeat(count / 2) }));
  fc.assert(
    fc.property(fc.array(record, { maxLength: 6 }), (records) => {
      const batches = payloadBatchesOf(records);
      expect(batches.flat()).toEqual(records);
      const sizes = batches.map((batch) => Buffer.byteLength(JSON.stringify({ Records: batch })));
      expect(batches.every((batch, index) => batch.length === 1 || (sizes[index] ?? 0) <= PAYLOAD_BYTES_MAX)).toBe(
        true,
      );
    }),
    { numRuns: 20 },
  );
});
