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
  {
    seed: 100,
    found: "the second one of a line fell back to fixed capacity only with the next event, not when its own time came",
  },
  { seed: 5, found: "invocations were begun after their deadlines, up to a sweep late" },
  { seed: 59, found: "behind the head of a line nobody was refused, though his deadline or patience was over" },
  { seed: 165, found: "a refused head of a line kept those behind it from the container that was ready" },
  {
    seed: 313,
    found: "blank containers took the memory of the one that waited, who got another instance, without end",
  },
  { seed: 145, found: "an instance was assigned to an account that had its own by then, and told to end at once" },
  { seed: 65, found: "an account's own instance that was at risk stayed for ever, and nothing new was made on it" },
  { seed: 1086, found: "an account that got instances of its own kept those without blank containers that it had" },
  { seed: 1456, found: "an account at its limit was not tried when an instance with its executions was lost" },
  { seed: 1585, found: "the same with a restart before" },
  {
    seed: 1904,
    found: "of the simulator itself: a function for hosts that may never have so much to spare was owed an answer",
  },
  {
    seed: 300_063,
    found:
      "the pool was refilled with what somebody waited for who could fall back to it, who then took it away, without end",
  },
  {
    seed: 53,
    found: "an invocation waited beside a blank container that was large enough, because the youngest one was not",
  },
  {
    seed: 78_339_221,
    found:
      "those that waited with an amount that was changed meanwhile got a container beside others for which it left no room",
  },
  {
    seed: 78_339_077,
    found:
      "an account's instance got no blank containers while something was to be held ready that is too large for it",
  },
  {
    seed: 93_000_338,
    found: "of the simulator itself: blank containers that a new server adopts were not counted as it counts them",
  },
  {
    seed: 300_001_609,
    found: "a blank container that became a small function's left room for another that waited, whom nobody woke",
  },
  {
    seed: 300_002_505,
    found: "of the simulator itself: an agent joined a second time before its server had noticed that it was gone",
  },
  {
    seed: 300_006_084,
    found:
      "a warming instance made way for a larger one that was to hold containers ready, and its room was refilled, without end",
  },
  {
    seed: 400_011_483,
    found:
      "an account's own instance was given up for another the moment it came, since one at risk was counted beside it",
  },
  {
    seed: 500_009_416,
    found: "of the simulator itself: a container that was loaded ahead of a call was to be gone before its time",
  },
  {
    seed: 500_011_213,
    found:
      "a blank container waited for memory that was becoming free, and made way for another that was to be held ready: made and destroyed without end",
  },
  {
    seed: 600_000_158,
    found:
      "a container was promised room on an instance that had enough for it and not for the blank one it begins as: it never came",
  },
  {
    seed: 600_002_311,
    found: "of the simulator itself: a container was to be held ready where the blank one it begins as has no room",
  },
  {
    seed: 600_010_136,
    found:
      "what became a small function's container left room for one to be held ready, which had been looked for before",
  },
  {
    seed: 600_015_827,
    found: "instances were launched for all who waited where their account's concurrency let few of them run",
  },
  {
    seed: 810_004_416,
    found:
      "blank containers took the room of what is to be held ready and had failed thrice, which got another instance, without end",
  },
];
