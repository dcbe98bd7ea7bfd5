/**
 * Seeds that once failed, with what they found. A change of how worlds are drawn gives a seed
 * another world; the line then tells what to look for when an equal case is drawn anew.
 */
export const OLD_SEEDS: readonly { readonly seed: number; readonly found: string }[] = [
  {
    seed: 10,
    found: "a container that a killed server had ordered became ready at the next one and was never used or destroyed",
  },
  { seed: 126, found: "the same within 300 ms of the restart" },
  { seed: 308, found: "an unused instance of a large shape kept the variable sub-pool empty for ever" },
  { seed: 357, found: "an unused instance of a large shape kept the fixed sub-pool below its target for ever" },
  {
    seed: 72,
    found:
      "an instance was assigned and told to end in one pass, over and over, for a function as small as a blank container",
  },
  { seed: 111, found: "the same under another load" },
  {
    seed: 401,
    found: "an instance was given up as idle while the container that an invocation waited for was being made",
  },
  { seed: 836, found: "the same with several accounts" },
  { seed: 2111, found: "an instance that could not make containers was replaced at once and without end" },
  {
    seed: 3211,
    found: "of the simulator itself: a container that was ending when its agent joined again was counted for ever",
  },
  { seed: 6890, found: "after two restarts an agent reported more containers than its instance has room for" },
];
