/**
 * Seeds that once failed, with what they found. A change of how worlds are drawn gives a seed
 * another world; the line then tells what to look for when an equal case is drawn anew.
 */
export const OLD_SEEDS: readonly { readonly seed: number; readonly found: string }[] = [
  { seed: 10, found: "a container that a killed server had ordered became ready at the next one and was never used or destroyed" },
  { seed: 357, found: "an unused instance of a large shape kept the warming pool below its target for ever" },
];
