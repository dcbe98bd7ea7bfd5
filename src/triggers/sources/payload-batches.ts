/** Lambda's limit of the payload of a synchronous invocation. */
export const PAYLOAD_BYTES_MAX = 6_291_456;
/** `{"Records":[]}`. */
const ENVELOPE_BYTES = 14;

/** Splits records where the payload of an invocation would become too large; one that is too large is a batch of its own. */
export function payloadBatchesOf<T>(records: readonly T[]): T[][] {
  const batches: T[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const record of records) {
    const recordBytes = Buffer.byteLength(JSON.stringify(record)) + 1;
    if (bytes + recordBytes > PAYLOAD_BYTES_MAX) {
      batches.push([]);
      bytes = ENVELOPE_BYTES;
    }
    batches.at(-1)?.push(record);
    bytes += recordBytes;
  }
  return batches;
}
