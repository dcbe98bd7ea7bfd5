import type { HostLoad } from "../../host/pressure.ts";
import type { InstanceId } from "../../model/ids.ts";
import type { Shape } from "../../model/instance.ts";
import type { HarvestSettings } from "./harvest-settings.ts";

/** An instance on spare capacity. */
export type HarvestInstance = {
  readonly instanceId: InstanceId;
  readonly shape: Shape;
  /** Memory that its end would free. */
  readonly usedMiB: number;
  /** Only the order counts. */
  readonly launchedMs: number;
  /** It was told to end by then; undefined: it was not. */
  readonly deadlineMs: number | undefined;
};

/** What is seen at one moment. */
export type HarvestSample = {
  readonly host: HostLoad;
  /** What all our instances use of it now: no pressure that lending less would take away. */
  readonly ours: Shape;
  /** Memory that is free now and promised to fixed instances. */
  readonly owedMiB: number;
  readonly instances: readonly HarvestInstance[];
};

/** What is remembered from one sample to the next. */
export type HarvestState = {
  readonly seen: readonly Seen[];
  readonly pressedSinceMs: number | undefined;
};

type Seen = { readonly atMs: number; readonly room: Shape; readonly leftByOthersMiB: number };

export type HarvestDecision = {
  /** What all our instances together may take from now on. */
  readonly capacity: Shape;
  readonly isAvailable: boolean;
  /** How busy others keep the host, 0 to 1. */
  readonly demandLevel: number;
  /** Would be given back if it stays like this. */
  readonly atRisk: readonly { readonly instanceId: InstanceId; readonly reason: string }[];
  readonly giveBack: readonly {
    readonly instanceId: InstanceId;
    readonly deadlineMs: number;
    readonly reason: string;
  }[];
};

export const NOTHING_SEEN: HarvestState = { seen: [], pressedSinceMs: undefined };

const NONE: Shape = { memoryMiB: 0, cpuMilli: 0 };
/** Offered capacity is rounded down to these, so that it does not change all the time. */
const STEP: Shape = { memoryMiB: 128, cpuMilli: 100 };
/** Memory runs out when it fell from one look to the next so many times in a row. */
const FALLS_MIN = 2;
/** After a longer time without a look it is unknown what there was meanwhile. */
const PAUSE_MS_MIN = 5000;
/** A second notice comes only for a deadline that is earlier by more than this. */
const DEADLINE_CHANGE_MS_MIN = 1000;

/**
 * What to lend of a host, and what to take back. Lending is slow and taking back is quick: what was spare all through
 * `calmMs` is offered; what is missing for `pressedMs` is taken back with notice, what runs out before a notice would
 * end, at once and with a shorter one. See docs/providers/harvest.md.
 */
export function decideHarvest(
  state: HarvestState,
  sample: HarvestSample,
  settings: HarvestSettings,
): { readonly state: HarvestState; readonly decision: HarvestDecision } {
  const nowMs = sample.host.atMs;
  const pressure = pressureOf(sample, settings);
  const seen = remember(state.seen, seenIn(sample, pressure, settings), settings.calmMs);
  const shortage = shortageOf(sample, pressure, settings);
  const since = shortage === undefined ? undefined : (state.pressedSinceMs ?? nowMs);
  const pressedMs = since === undefined ? 0 : nowMs - since;
  const noticeMs = noticeMsOf(seen, sample, settings);
  const isUrgent = shortage?.ofMemory === true && noticeMs < settings.noticeMs;
  const isDue = isUrgent || (shortage !== undefined && pressedMs >= settings.pressedMs);
  const chosen = shortage === undefined ? [] : choose(sample, settings, isUrgent, nowMs + noticeMs);
  const reason = shortage?.reason ?? "";
  const capacity = shortage === undefined ? offered(seen, nowMs, settings) : NONE;
  return {
    state: { seen, pressedSinceMs: isDue ? nowMs : since },
    decision: {
      capacity,
      isAvailable: fits(settings.shapeMin, capacity),
      demandLevel: demandLevelOf(sample, pressure),
      atRisk:
        !isDue && pressedMs >= settings.pressedMs / 2 ? chosen.map(({ instanceId }) => ({ instanceId, reason })) : [],
      giveBack: isDue ? chosen.map(({ instanceId }) => ({ instanceId, deadlineMs: nowMs + noticeMs, reason })) : [],
    },
  };
}

/** What our instances could take in all if `kept` stays with the host. Below 0: it has not even that. */
function roomBeside({ host, ours, owedMiB }: HarvestSample, kept: Shape): Shape {
  return {
    memoryMiB: host.memoryAvailableMiB + ours.memoryMiB - owedMiB - kept.memoryMiB,
    cpuMilli: Math.min(host.cpuMilli, host.cpuMilli - othersCpuMilli(host, ours) - kept.cpuMilli),
  };
}

function othersCpuMilli(host: HostLoad, ours: Shape): number {
  return Math.max(0, host.cpuBusyMilli - ours.cpuMilli);
}

type OthersPressure = { readonly cpu: number; readonly memory: number; readonly memorySome: number };

/**
 * The part of the host's pressure that is not ours. Of the processors': in proportion to who works. Of memory: all while it is
 * scarce; while much is free, what stalls is a control group at its own limit, which may be one of ours. Where
 * the kernel keeps no pressure: tasks that wait for a processor, by the load average, and nothing of memory.
 */
function pressureOf({ host, ours }: HarvestSample, { reserve }: HarvestSettings): OthersPressure {
  const { pressure, cpuMilli, cpuBusyMilli, loadPerCore } = host;
  if (pressure === undefined) {
    const waiting = loadPerCore - ours.cpuMilli / cpuMilli - 1;
    return { cpu: Math.min(1, Math.max(0, waiting)), memory: 0, memorySome: 0 };
  }
  const othersShare = cpuBusyMilli === 0 ? 1 : othersCpuMilli(host, ours) / cpuBusyMilli;
  const isScarce = host.memoryAvailableMiB < 2 * reserve.memoryMiB;
  return {
    cpu: pressure.cpuSome * othersShare,
    memory: isScarce ? pressure.memoryFull : 0,
    memorySome: isScarce ? pressure.memorySome : 0,
  };
}

function seenIn(sample: HarvestSample, pressure: OthersPressure, settings: HarvestSettings): Seen {
  const isCalm = pressure.cpu <= settings.cpuPressureMax / 2 && pressure.memory <= settings.memoryPressureMax / 2;
  return {
    atMs: sample.host.atMs,
    room: isCalm ? roomBeside(sample, settings.reserve) : NONE,
    leftByOthersMiB: sample.host.memoryAvailableMiB + sample.ours.memoryMiB,
  };
}

/** The last one before the window stays: it shows that the window was watched from its beginning. */
function remember(seen: readonly Seen[], now: Seen, windowMs: number): readonly Seen[] {
  const wasPaused = now.atMs - (seen.at(-1)?.atMs ?? now.atMs) > PAUSE_MS_MIN;
  const firstInside = seen.findIndex(({ atMs }) => atMs > now.atMs - windowMs);
  const kept = firstInside < 0 ? seen.slice(-1) : seen.slice(Math.max(0, firstInside - 1));
  return wasPaused ? [now] : [...kept, now];
}

/** Placement counts memory alone, so no more of it is offered than the spare processors suffice for. */
function offered(seen: readonly Seen[], nowMs: number, { calmMs, shape }: HarvestSettings): Shape {
  if ((seen[0]?.atMs ?? nowMs) > nowMs - calmMs) return NONE;
  const least = (of: keyof Shape) => Math.max(0, Math.min(...seen.map(({ room }) => room[of])));
  const cpuMilli = roundDown(least("cpuMilli"), STEP.cpuMilli);
  const servedMiB = (cpuMilli * shape.memoryMiB) / shape.cpuMilli;
  return { memoryMiB: roundDown(Math.min(least("memoryMiB"), servedMiB), STEP.memoryMiB), cpuMilli };
}

type Shortage = { readonly reason: string; readonly ofMemory: boolean };

/** Why instances must go; undefined: all that stay have what they were promised. */
function shortageOf(sample: HarvestSample, pressure: OthersPressure, settings: HarvestSettings): Shortage | undefined {
  if (sample.instances.length === 0) return undefined;
  const held = sumOf(staying(sample));
  const room = roomBeside(sample, settings.floor);
  if (held.memoryMiB > room.memoryMiB)
    return { ofMemory: true, reason: `the host has ${spare(room.memoryMiB)} MiB to spare of ${held.memoryMiB} lent` };
  if (pressure.memory > settings.memoryPressureMax)
    return { ofMemory: true, reason: `the host stood still for ${percent(pressure.memory)} of the time for memory` };
  if (held.cpuMilli > room.cpuMilli)
    return { ofMemory: false, reason: `the host has ${spare(room.cpuMilli)} mCPU to spare of ${held.cpuMilli} lent` };
  if (pressure.cpu > settings.cpuPressureMax)
    return { ofMemory: false, reason: `the host waited for processors for ${percent(pressure.cpu)} of the time` };
  return undefined;
}

/** The whole notice, or half of what is left until memory runs out at the present rate. */
function noticeMsOf(seen: readonly Seen[], { host }: HarvestSample, settings: HarvestSettings): number {
  const leftMiB = host.memoryAvailableMiB - settings.floor.memoryMiB / 4;
  const lostMiBPerMs = lossOf(seen.slice(-FALLS_MIN - 1));
  if (leftMiB > 0 && lostMiBPerMs <= 0) return settings.noticeMs;
  const untilOutMs = leftMiB <= 0 ? 0 : leftMiB / lostMiBPerMs;
  return Math.min(settings.noticeMs, Math.max(settings.noticeMsMin, untilOutMs / 2));
}

/** The slowest fall: one large step down says nothing of the next one. */
function lossOf(seen: readonly Seen[]): number {
  if (seen.length <= FALLS_MIN) return 0;
  const falls = seen.slice(1).map((now, at) => {
    const before = seen[at] as Seen;
    return (before.leftByOthersMiB - now.leftByOthersMiB) / Math.max(1, now.atMs - before.atMs);
  });
  return Math.min(...falls);
}

/**
 * All when it is urgent, also those whose deadline would come too late. Else the emptiest and, among those that use
 * about the same, the newest, until what stays fits; one at least.
 */
function choose(
  sample: HarvestSample,
  settings: HarvestSettings,
  isUrgent: boolean,
  deadlineMs: number,
): readonly HarvestInstance[] {
  if (isUrgent) {
    return sample.instances.filter(
      (instance) => (instance.deadlineMs ?? Infinity) > deadlineMs + DEADLINE_CHANGE_MS_MIN,
    );
  }
  const room = roomBeside(sample, settings.floor);
  const order = staying(sample).toSorted(
    (a, b) =>
      roundDown(a.usedMiB, STEP.memoryMiB) - roundDown(b.usedMiB, STEP.memoryMiB) ||
      b.launchedMs - a.launchedMs ||
      (a.instanceId < b.instanceId ? -1 : 1),
  );
  const enough = order.findIndex((_, at) => fits(sumOf(order.slice(at)), room));
  return order.slice(0, Math.max(1, enough < 0 ? order.length : enough));
}

function staying({ instances }: HarvestSample): readonly HarvestInstance[] {
  return instances.filter(({ deadlineMs }) => deadlineMs === undefined);
}

/** Ours do not count: an account that waits for calm would otherwise drive itself away. */
function demandLevelOf({ host, ours }: HarvestSample, pressure: OthersPressure): number {
  const memory = 1 - (host.memoryAvailableMiB + ours.memoryMiB) / host.memoryTotalMiB;
  const level = Math.max(othersCpuMilli(host, ours) / host.cpuMilli, memory, pressure.cpu, pressure.memorySome);
  return Math.round(Math.min(1, Math.max(0, level)) * 100) / 100;
}

function sumOf(instances: readonly HarvestInstance[]): Shape {
  return instances.reduce(
    (sum, { shape }) => ({ memoryMiB: sum.memoryMiB + shape.memoryMiB, cpuMilli: sum.cpuMilli + shape.cpuMilli }),
    NONE,
  );
}

function fits(shape: Shape, room: Shape): boolean {
  return shape.memoryMiB <= room.memoryMiB && shape.cpuMilli <= room.cpuMilli;
}

function roundDown(value: number, step: number): number {
  return Math.floor(value / step) * step;
}

function spare(value: number): number {
  return Math.max(0, Math.round(value));
}

function percent(part: number): string {
  return `${Math.round(part * 100)} %`;
}
