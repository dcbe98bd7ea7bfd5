import type { FunctionKey } from "../model/ids.ts";
import type { SubPool } from "../model/instance.ts";
import type { Invocation } from "../model/invocation.ts";
import { RUNTIMES } from "../model/runtime.ts";
import type { Admission } from "./admission/admission.ts";
import type { WaitQueue } from "./admission/wait-queue.ts";
import { place } from "./placement/place.ts";
import type { Instance } from "./pool/instance.ts";
import type { Inventory } from "./pool/inventory.ts";
import type { Settings } from "./settings.ts";

/** Recounts everything from scratch. @returns the first thing that does not hold, or undefined. */
export function audit(
  inventory: Inventory,
  queue: WaitQueue,
  admission: Admission,
  settings: Settings,
  subPoolOf: (invocation: Invocation) => SubPool,
): string | undefined {
  let takenMemoryMiB = 0;
  let leases = 0;
  for (const instance of inventory.instances.values()) {
    takenMemoryMiB += instance.shape.memoryMiB;
    leases += instance.runningCount;
    const broken = brokenInstance(instance, inventory);
    if (broken !== undefined) return `instance ${instance.id}: ${broken}`;
  }
  if (takenMemoryMiB !== inventory.takenMemoryMiB) return "the capacity taken is not the sum of the instances";
  if (leases !== inventory.leases.size) return `${leases} running containers, ${inventory.leases.size} leases`;
  if (admission.admittedTotal() !== leases + queue.length) {
    return `${admission.admittedTotal()} admitted, ${leases} running and ${queue.length} waiting`;
  }
  if (queue.length > settings.queueLengthMax) return "more wait than the bound of the queue";
  for (const functionKey of queue.functionKeys()) {
    const head = queue.head(functionKey);
    if (head === undefined) return `function ${functionKey} has an empty line in the queue`;
    if (place(inventory, head, subPoolOf(head)) !== undefined) return `${head.id} waits, yet there is room for it`;
  }
  return undefined;
}

function brokenInstance(instance: Instance, inventory: Inventory): string | undefined {
  const { place: where, accountId } = instance;
  const places = (["launching", "warming", "active", "draining"] as const).filter((p) => inventory.at(p).has(instance));
  if (places.length !== 1 || places[0] !== where) return `is ${where} but listed as ${places.join(", ")}`;
  if (where === "active" && accountId === undefined) return "active for nobody";
  if (where === "active" && accountId !== undefined && !inventory.activeOf(accountId).has(instance)) {
    return "active, but not listed for its account";
  }
  if ((where === "warming" || where === "launching") && accountId !== undefined) return `${where}, yet assigned`;
  let usedMiB = 0;
  const counts = { creating: 0, blank: 0, running: 0, idle: 0, leaving: 0 };
  for (const container of instance.containers.values()) {
    usedMiB += container.memoryMiB;
    counts[container.state]++;
    if ((container.lease !== undefined) !== (container.state === "running"))
      return `${container.id}: lease and state disagree`;
    if (container.lease !== undefined && container.lease.invocation.accountId !== accountId) {
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
    counts.idle === instance.idleCount &&
    counts.creating === instance.creatingTotal() &&
    counts.blank === blanks;
  return isCounted ? undefined : "its counts are wrong";
}

function isListedIdle(inventory: Inventory, container: { readonly functionKey: FunctionKey | undefined }): boolean {
  const { functionKey } = container;
  return functionKey !== undefined && inventory.idleOf(functionKey).some((idle) => idle === container);
}
