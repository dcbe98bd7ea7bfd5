import type { SizingSaid } from "../../src/ports/sizing-change.ts";

/** A function of the demo: what it asks for, and what its settings say besides the defaults. */
export type DemoFunction = {
  readonly name: string;
  readonly memoryMiB: number;
  readonly says: string;
  readonly sizing?: SizingSaid;
};

/** Each asks for something else than it needs. */
export const FUNCTIONS: readonly DemoFunction[] = [
  { name: "lean", memoryMiB: 1024, says: "asks for much more than it needs" },
  { name: "growing", memoryMiB: 512, says: "needs a little more with each call" },
  { name: "leaky", memoryMiB: 256, says: "forgets to give memory back" },
  { name: "busy", memoryMiB: 256, says: "needs CPU, not memory", sizing: { cpu: "apart", policy: "speed" } },
  { name: "input", memoryMiB: 512, says: "needs what its input is large" },
  { name: "spiky", memoryMiB: 192, says: "needs far more once in twenty calls" },
];
