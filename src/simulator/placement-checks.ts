import type { InstanceId } from "../model/ids.ts";
import type { Lease } from "../model/invocation.ts";
import { brokenConstraint, hasFallenBack, mayUseFixed, usesVariable } from "./capacity-rules.ts";
import type { Known } from "./known.ts";
import type { Report } from "./report.ts";
import type { SimulatedInstance } from "./simulated-instance.ts";
import { SimulatedInvocation } from "./simulated-invocation.ts";
import { violated } from "./violation.ts";

/**
 * Whether an execution may begin on this instance at this moment: whose capacity it is, on which terms, and that nobody is
 * about to take it away.
 */
export function checkPlacement(
  { invocation, start, placement }: Lease,
  instance: SimulatedInstance,
  instances: ReadonlyMap<InstanceId, SimulatedInstance>,
  known: Known,
  nowMs: number,
  report: Report,
): void {
  if (!(invocation instanceof SimulatedInvocation)) return;
  const { id, deadlineMs } = invocation;
  if (placement.why.includes("provisioned")) report.onProvisioned++;
  if (placement.subPool !== instance.subPool) violated(`invocation ${id} was placed on ${placement.subPool} capacity`);
  if (placement.why === "") violated(`nobody says why invocation ${id} runs where it runs`);
  if (instance.subPool === "fixed") checkFixed(invocation, instance, nowMs, report);
  else checkVariable(invocation, instance, known, nowMs, report);
  if (instance.deadlineToldMs !== undefined) violated(`invocation ${id} was placed on ${instance.id} after its notice`);
  if (instance.isPressedTold && start === "cold")
    violated(`a new container for ${id} on ${instance.id}, whose memory is nearly used up`);
  if (instance.isAtRiskTold) checkRisk(invocation, instance, start, instances, known, nowMs);
  if (deadlineMs === undefined) return;
  if (nowMs >= deadlineMs) violated(`invocation ${id} was begun ${nowMs - deadlineMs} ms after its deadline`);
  if (nowMs >= invocation.dueMs) report.begunDue++;
  else report.begunEarly++;
}

function checkFixed(invocation: SimulatedInvocation, { id }: SimulatedInstance, nowMs: number, report: Report): void {
  const { account, arrivedMs, deadlineMs, dueMs } = invocation;
  const { capacity } = account;
  if (capacity.class !== "variable") return;
  report.fallbacks++;
  const isAllowed = deadlineMs === undefined ? hasFallenBack(capacity, nowMs - arrivedMs) : mayUseFixed(capacity);
  if (isAllowed && nowMs >= dueMs) return;
  violated(`invocation ${invocation.id} of variable account ${account.id} was placed on fixed instance ${id}`);
}

function checkVariable(
  invocation: SimulatedInvocation,
  instance: SimulatedInstance,
  known: Known,
  nowMs: number,
  report: Report,
): void {
  const { capacity, id } = invocation.account;
  report.onVariable++;
  if (!usesVariable(capacity))
    violated(`${invocation.id} of ${capacity.class} account ${id} was placed on ${instance.id}`);
  const broken = brokenConstraint(capacity, known.termsOf(instance), known.wallMs(nowMs));
  if (broken === undefined) return;
  violated(`${invocation.id} was placed on ${instance.id}, which fails its account's ${JSON.stringify(broken)}`);
}

/** One at risk serves only with what is idle on it, and only when nothing else has one. */
function checkRisk(
  invocation: SimulatedInvocation,
  { id }: SimulatedInstance,
  start: Lease["start"],
  instances: ReadonlyMap<InstanceId, SimulatedInstance>,
  known: Known,
  nowMs: number,
): void {
  if (start === "cold") violated(`a new container for ${invocation.id} on ${id}, which is at risk`);
  for (const other of instances.values()) {
    if (other.isAtRiskTold || !isOpenTo(invocation, other, known, nowMs)) continue;
    for (const { state, functionKey, isRetired } of other.containers.values()) {
      if (state !== "idle" || isRetired || functionKey !== invocation.functionKey) continue;
      violated(
        `invocation ${invocation.id} was placed on ${id}, which is at risk, while ${other.id} has an idle container`,
      );
    }
  }
}

function isOpenTo({ account }: SimulatedInvocation, instance: SimulatedInstance, known: Known, nowMs: number): boolean {
  const { isLinked, isJoined, isTerminating, deadlineToldMs, accountId } = instance;
  if (!isLinked || !isJoined || isTerminating || deadlineToldMs !== undefined || accountId !== account.id) return false;
  if (instance.subPool === "fixed") return account.capacity.class !== "variable";
  if (!usesVariable(account.capacity)) return false;
  return brokenConstraint(account.capacity, known.termsOf(instance), known.wallMs(nowMs)) === undefined;
}
