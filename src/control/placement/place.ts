import type { Room } from "../../model/grant.ts";
import type { Invocation } from "../../model/invocation.ts";
import type { AccountTerms } from "../market/account-terms.ts";
import { type Container, type Instance, swingOf } from "../pool/instance.ts";
import type { Inventory } from "../pool/inventory.ts";
import type { Turn } from "../turn.ts";

/** What an invocation wants, and what its account lets it have at this moment. */
export type Want = {
  readonly invocation: Invocation;
  readonly terms: AccountTerms;
  /** Fixed capacity may serve it as well, or alone. */
  readonly withFixed: boolean;
  /** What a new container for it takes. */
  readonly room: Room;
  /** Nobody has called: a container is to be held ready. */
  readonly isProvisioned?: true;
};

/** Whose capacity, and on which terms; nothing about room. */
export type Claim = Pick<Want, "terms" | "withFixed">;

/** Whether an instance may serve it now. Nothing about room: only whose capacity, and on which terms. */
export function mayServe(instance: Instance, { terms, withFixed }: Claim, { nowMs, wallMs }: Turn): boolean {
  if (instance.subPool === "fixed") return withFixed;
  return terms.usesVariable && terms.admits(instance.termsAt(nowMs), withFixed, wallMs);
}

/**
 * Chooses the container for an invocation: an idle one of its function, most recently used first
 * (its caches are warmest, and the others can age out); else a blank one of its runtime on one of the
 * account's instances with room to grow; else a blank one on a warming instance of the sub-pool,
 * which then becomes the account's. Only instances that the account's settings admit now; variable ones first where
 * both kinds do, for they cost less. Among equals the tightest fit wins (it leaves the large gaps for
 * large functions), then the smallest id, so that a run replays. See docs/design/0002-placement.md.
 *
 * @returns undefined when nothing can take it at once.
 */
export function place(inventory: Inventory, want: Want, turn: Turn): Container | undefined {
  return idleContainer(inventory, want, turn) ?? placeBlank(inventory, want, turn);
}

/** The same without idle ones. */
export function placeBlank(inventory: Inventory, want: Want, turn: Turn): Container | undefined {
  const { accountId, runtime } = want.invocation;
  return (
    blankContainer(inventory.openingsOf(accountId).withBlank(runtime), want, turn) ??
    blankContainer(inventory.warming.withBlank(runtime), want, turn)
  );
}

/** One at risk of being reclaimed only when there is no other. */
function idleContainer(inventory: Inventory, want: Want, turn: Turn): Container | undefined {
  const idle = inventory.idleOf(want.invocation.functionKey);
  let atRisk: Container | undefined;
  for (let at = idle.length - 1; at >= 0; at--) {
    const container = idle[at];
    if (container === undefined || !mayServe(container.instance, want, turn)) continue;
    if (!container.instance.isAtRisk) return container;
    atRisk ??= container;
  }
  return atRisk;
}

function blankContainer(instances: Iterable<Instance>, want: Want, turn: Turn): Container | undefined {
  const { runtime } = want.invocation;
  const { reservedMiB, memoryMiB } = want.room;
  const swingMiB = swingOf(want.room);
  let best: Instance | undefined;
  let bestBlank: Container | undefined;
  for (const instance of instances) {
    if (!instance.takesContainers || instance.shape.memoryMiB < memoryMiB) continue;
    const blank = blankWith(instance.blanks[runtime], reservedMiB - instance.roomMiB(swingMiB));
    if (blank === undefined) continue;
    if (best !== undefined && !isBetter(instance, best)) continue;
    if (!mayServe(instance, want, turn)) continue;
    best = instance;
    bestBlank = blank;
  }
  return bestBlank;
}

/** The youngest one that is counted with so much, which the container that it becomes can have besides what is free. */
function blankWith(blanks: readonly Container[], memoryMiB: number): Container | undefined {
  for (let at = blanks.length - 1; at >= 0; at--) {
    const blank = blanks[at];
    if (blank !== undefined && blank.memoryMiB >= memoryMiB) return blank;
  }
  return undefined;
}

/** Variable before fixed, then `isTighter`. */
export function isBetter(a: Instance, b: Instance): boolean {
  if (a.subPool !== b.subPool) return a.subPool === "variable";
  return isTighter(a, b);
}

export function isTighter(a: Instance, b: Instance): boolean {
  if (a.freeMemoryMiB !== b.freeMemoryMiB) return a.freeMemoryMiB < b.freeMemoryMiB;
  return a.id < b.id;
}
