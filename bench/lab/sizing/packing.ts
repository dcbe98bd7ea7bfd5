import { Random } from "../../../src/simulator/random.ts";
import { hearthLimits, hearthReservation } from "./memory-ours.ts";
import { autopilotWindow, clairvoyant, requested, verticalPodAutoscaler } from "./memory-peers.ts";
import { type MemoryProfile, needAt } from "./memory-profiles.ts";
import { type MemoryRule, replayMemory, workloadOf } from "./memory-replay.ts";

export const HOST_MIB = 32 * 1024;
const HOSTS = 100;
/** Moments at which all containers of a host run at their peaks at once: the worst that can be. */
const MOMENTS = 5000;
const RISE_MOMENTS = 500;
const RISING_SHARE = 0.25;
const RISE = 1.4;

export type Packing = {
  readonly name: string;
  readonly isOurs: boolean;
  readonly containersPerHost: number;
  /** Of host moments, more was used than there is. */
  readonly overflowShare: number;
  /** The same, while a quarter of the functions need 40 % more at once. */
  readonly overflowShareWhenRising: number;
  /** Mean use of a host over its memory. */
  readonly usedShare: number;
};

export const PACKING_RULES: readonly MemoryRule[] = [
  requested,
  verticalPodAutoscaler,
  autopilotWindow("Autopilot p98 + 12 %", 0.98),
  clairvoyant,
  hearthLimits,
  hearthReservation,
];

/** Hosts filled by what each rule says after a week of each function, then watched while all containers run. */
export function replayPacking(profiles: readonly MemoryProfile[], rule: MemoryRule): Packing {
  const sizes = profiles.map((profile) => {
    const workload = workloadOf(profile, "iid", new Random(11).fork(profile.name));
    const policy = rule.policyOf(workload);
    replayMemory(workload, policy);
    return policy.limitOf(Number.POSITIVE_INFINITY);
  });
  // The same functions come to all rules in the same order, and need the same at the same moments.
  const random = new Random(32);
  let [containers, overflows, risingOverflows, used] = [0, 0, 0, 0];
  for (let host = 0; host < HOSTS; host++) {
    const guests = fill(profiles, sizes, random.fork(`arrivals ${host}`));
    containers += guests.length;
    const needs = random.fork(`needs ${host}`);
    for (let moment = 0; moment < MOMENTS; moment++) {
      const use = usedBy(guests, needs, 0);
      used += use;
      if (use > HOST_MIB) overflows++;
    }
    for (let moment = 0; moment < RISE_MOMENTS; moment++) {
      if (usedBy(guests, needs, RISING_SHARE) > HOST_MIB) risingOverflows++;
    }
  }
  return {
    name: rule.name,
    isOurs: rule.isOurs,
    containersPerHost: containers / HOSTS,
    overflowShare: overflows / (HOSTS * MOMENTS),
    overflowShareWhenRising: risingOverflows / (HOSTS * RISE_MOMENTS),
    usedShare: used / (HOSTS * MOMENTS * HOST_MIB),
  };
}

function fill(profiles: readonly MemoryProfile[], sizes: readonly number[], random: Random): MemoryProfile[] {
  const guests = [];
  for (let left = HOST_MIB; ; ) {
    const i = random.int(0, profiles.length - 1);
    left -= sizes[i] as number;
    if (left < 0) return guests;
    guests.push(profiles[i] as MemoryProfile);
  }
}

function usedBy(guests: readonly MemoryProfile[], random: Random, risingShare: number): number {
  let sum = 0;
  for (const profile of guests) {
    const need = needAt(profile, random.next());
    sum += risingShare > 0 && random.next() < risingShare ? need * RISE : need;
  }
  return sum;
}
