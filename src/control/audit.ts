import type { FunctionKey } from "../model/ids.ts";
import { RUNTIMES } from "../model/runtime.ts";
import { INSTANCE_STATES } from "../model/snapshot.ts";
import type { Admission } from "./admission/admission.ts";
import type { Share } from "./admission/share.ts";
import type { Waits } from "./admission/waits.ts";
import type { Market } from "./market/market.ts";
import { place } from "./placement/place.ts";
import type { Holdings } from "./pool/holdings.ts";
import type { Holder, Instance } from "./pool/instance.ts";
import type { Inventory } from "./pool/inventory.ts";
import type { Provisioned } from "./pool/provisioned.ts";
import type { Settings } from "./settings.ts";
import type { Turn } from "./turn.ts";

export type AuditParts = {
  readonly settings: Settings;
  readonly turn: Turn;
  readonly admission: Admission;
  readonly inventory: Inventory;
  readonly waits: Waits;
  readonly market: Market;
  readonly holdings: Holdings;
  /** undefined: nothing is made ready now. */
  readonly provisioned: Provisioned | undefined;
};

/** Recounts everything from scratch. @returns the first thing that does not hold, or undefined. */
export function audit(parts: AuditParts): string | undefined {
  const { settings, turn, admission, inventory, waits, market } = parts;
  const { queue } = waits;
  let leases = 0;
  for (const instance of inventory.instances.values()) {
    leases += instance.runningCount;
    const broken = brokenInstance(instance, inventory);
    if (broken !== undefined) return `instance ${instance.id}: ${broken}`;
  }
  for (const source of market.offers()) {
    const own = [...inventory.instances.values()].filter((instance) => instance.source === source);
    if (own.length !== source.heldCount)
      return `offer ${source.id}: ${own.length} instances, ${source.heldCount} counted`;
    const takenMiB = own.reduce((sum, { shape }) => sum + shape.memoryMiB, 0);
    if (takenMiB !== source.takenMiB) return `offer ${source.id}: what is taken is not the sum of its instances`;
    const runningMiB = own
      .flatMap(({ containers }) => [...containers.values()])
      .reduce((sum, c) => sum + runsMiB(c), 0);
    if (runningMiB !== source.runningMiB) return `offer ${source.id}: what runs is not the sum of its containers`;
  }
  if (leases !== inventory.leases.size) return `${leases} running containers, ${inventory.leases.size} leases`;
  if (admission.admittedTotal !== leases + waits.length) {
    return `${admission.admittedTotal} admitted, ${leases} running and ${waits.length} waiting`;
  }
  const miscounted = brokenTallies(admission, inventory, waits);
  if (miscounted !== undefined) return miscounted;
  if (waits.length > settings.queueLengthMax) return "more wait than the bound of the queue";
  for (const line of queue.lines()) {
    const head = line.head();
    if (head === undefined) return `function ${line.functionKey} has an empty line in the queue`;
    const want = waits.wantOf(line);
    if (want !== undefined && place(inventory, want, turn) !== undefined) {
      return `${head.invocation.id} waits, yet there is room for it`;
    }
  }
  return brokenHoldings(parts) ?? parts.provisioned?.overlooked();
}

/** What is held ready is there, on fixed instances that stay, and each container is counted once. */
function brokenHoldings({ inventory, holdings }: AuditParts): string | undefined {
  const held = new Map<Holder, number>();
  for (const { id, containers, heldCount, subPool, isAtRisk, place: where } of inventory.instances.values()) {
    let count = 0;
    for (const { holder } of containers.values()) {
      if (holder === undefined) continue;
      held.set(holder, (held.get(holder) ?? 0) + 1);
      count++;
    }
    if (count !== heldCount) return `instance ${id}: ${count} containers are held ready, ${heldCount} counted`;
    if (count > 0 && (subPool !== "fixed" || isAtRisk || where !== "active")) return `something is held ready on ${id}`;
  }
  for (const [functionKey, holding] of holdings.all()) {
    const { containers, count } = holding;
    if (containers.size > count) return `${containers.size} containers are held ready for ${functionKey}, not ${count}`;
    if (containers.size !== (held.get(holding) ?? 0)) return `what is held ready for ${functionKey} is not all there`;
    held.delete(holding);
    for (const { id, state, functionKey: own } of containers) {
      const isReady = state === "prewarming" || state === "idle" || state === "running";
      if (own !== functionKey || !isReady) return `${id} is held ready for ${functionKey} while ${state}`;
    }
    const idle = inventory.idleOf(functionKey);
    const firstHeld = idle.findIndex(({ holder }) => holder !== undefined);
    if (firstHeld >= 0 && idle.slice(firstHeld).some(({ holder }) => holder === undefined)) {
      return `an idle container of ${functionKey} is used before those that are held ready`;
    }
  }
  return held.size === 0 ? undefined : "containers are held ready for nobody";
}

type Counts = { admitted: number; counted: number; running: number };

/** Recounts what admission counts of function versions and of what they share. */
function brokenTallies(admission: Admission, inventory: Inventory, waits: Waits): string | undefined {
  const counts = new Map<FunctionKey, Counts>();
  const countsOf = (functionKey: FunctionKey) => {
    const known = counts.get(functionKey) ?? { admitted: 0, counted: 0, running: 0 };
    counts.set(functionKey, known);
    return known;
  };
  for (const { lease } of inventory.leases.values()) {
    if (lease === undefined) continue;
    const own = countsOf(lease.invocation.functionKey);
    own.admitted++;
    own.counted++;
    own.running++;
  }
  let sittingOut = 0;
  for (const { invocation } of [...waits.queue.entries(), ...waits.deferral.entries()]) {
    const own = countsOf(invocation.functionKey);
    own.admitted++;
    if (admission.isSittingOut(invocation.id)) sittingOut++;
    else own.counted++;
  }
  if (sittingOut !== admission.sittingOutTotal) return `${admission.sittingOutTotal} sit out, and ${sittingOut} wait`;
  const shares = new Map<Share, Omit<Counts, "admitted">>();
  for (const { functionKey, admitted, counted, running, provisioned, share } of admission.tallies()) {
    const own = counts.get(functionKey) ?? { admitted: 0, counted: 0, running: 0 };
    counts.delete(functionKey);
    if (own.admitted !== admitted || own.counted !== counted || own.running !== running) {
      return `${functionKey}: ${JSON.stringify(own)}, and ${JSON.stringify({ admitted, counted, running })} are told`;
    }
    const sum = shares.get(share) ?? { counted: 0, running: 0 };
    sum.counted += Math.max(0, counted - provisioned);
    sum.running += Math.max(0, running - provisioned);
    shares.set(share, sum);
  }
  if (counts.size > 0) return `nobody counts ${[...counts.keys()].join(", ")}`;
  for (const [share, { counted, running }] of shares) {
    if (share.counted !== counted || share.running !== running)
      return "what functions share is not what they have of it";
  }
  return undefined;
}

function runsMiB({ state, memoryMiB }: { readonly state: string; readonly memoryMiB: number }): number {
  return state === "running" ? memoryMiB : 0;
}

function brokenInstance(instance: Instance, inventory: Inventory): string | undefined {
  const { place: where, accountId } = instance;
  const places = INSTANCE_STATES.filter((p) => inventory.at(p).has(instance));
  if (places.length !== 1 || places[0] !== where) return `is ${where} but listed as ${places.join(", ")}`;
  if (where === "active" && accountId === undefined) return "active for nobody";
  if (where === "active" && accountId !== undefined && !inventory.activeOf(accountId).has(instance)) {
    return "active, but not listed for its account";
  }
  const openings = accountId === undefined ? inventory.warming : inventory.openingsOf(accountId);
  const isListed = (where === "active" || where === "warming") && openings.isTrueOf(instance);
  if (!isListed && (where === "active" || where === "warming" || instance.listing !== undefined))
    return "is not listed by what it has to give";
  if ((where === "warming" || where === "launching") && accountId !== undefined) return `${where}, yet assigned`;
  if (where !== "draining" && instance.endsAtMs !== undefined) return `${where}, though its end was noticed`;
  if (where === "draining" && !instance.isEnding && instance.runningCount === 0) return "drained, and not ended";
  return brokenContainers(instance, inventory);
}

function brokenContainers(instance: Instance, inventory: Inventory): string | undefined {
  let usedMiB = 0;
  const counts = { creating: 0, blank: 0, prewarming: 0, running: 0, idle: 0, leaving: 0 };
  for (const container of instance.containers.values()) {
    usedMiB += container.memoryMiB;
    counts[container.state]++;
    if ((container.lease !== undefined) !== (container.state === "running"))
      return `${container.id}: lease and state disagree`;
    if (container.lease !== undefined && container.lease.invocation.accountId !== instance.accountId) {
      return `${container.id} runs for an account that is not the instance's`;
    }
    if (container.state === "idle" && container.functionKey === undefined)
      return `${container.id} is idle, but holds nothing`;
    if (container.state === "idle" && !isListedIdle(inventory, container))
      return `${container.id} is idle, but not listed`;
  }
  if (usedMiB + instance.freeMemoryMiB !== instance.shape.memoryMiB) return "its ledger of memory is wrong";
  if (instance.freeMemoryMiB + instance.leavingMemoryMiB < 0) return "its containers take more than its size";
  const blanks = RUNTIMES.reduce((sum, runtime) => sum + instance.blanks[runtime].length, 0);
  const isCounted =
    counts.running === instance.runningCount &&
    counts.prewarming === instance.prewarmingCount &&
    counts.idle === instance.idleCount &&
    counts.creating === instance.creatingTotal() &&
    counts.blank === blanks;
  return isCounted ? undefined : "its counts are wrong";
}

function isListedIdle(inventory: Inventory, container: { readonly functionKey: FunctionKey | undefined }): boolean {
  const { functionKey } = container;
  return functionKey !== undefined && inventory.idleOf(functionKey).some((idle) => idle === container);
}
