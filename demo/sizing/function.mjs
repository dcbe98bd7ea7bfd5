/** Six kinds of need, by the variable KIND. Memory is touched, so that it is really used. */
const MIB = 2 ** 20;
const kept = [];

const take = (mib) => Buffer.alloc(Math.round(mib * MIB), 1);

const kinds = {
  lean: () => {},
  growing: ({ round }) => void take(20 + round / 2),
  leaky: () => void kept.push(take(5)),
  busy: () => {
    const untilUs = process.cpuUsage().user + 40_000;
    while (process.cpuUsage().user < untilUs) Math.sqrt(untilUs);
  },
  input: ({ pad = "" }) => void take((pad.length * 300) / MIB),
  // In steps, as work that piles up does; what takes everything at once is killed before anybody can help.
  spiky: async ({ round }) => {
    const pile = [];
    for (let step = 0; step < (round % 20 === 19 ? 22 : 1); step++) {
      pile.push(take(10));
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  },
};

export const handler = async (event) => {
  await kinds[process.env.KIND](event);
  await new Promise((resolve) => setTimeout(resolve, 50));
  return { round: event.round };
};
