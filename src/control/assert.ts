/** Stops on a broken assumption of our own; never for what the world does. */
export default function assert(condition: boolean, says: string): asserts condition {
  if (!condition) throw new Error(`assertion: ${says}`);
}
