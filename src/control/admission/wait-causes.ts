import type { WaitCause } from "../../model/capacity.ts";
import type { AccountTerms } from "../market/account-terms.ts";
import type { Market } from "../market/market.ts";
import type { Turn } from "../turn.ts";
import type { Admission } from "./admission.ts";
import type { Held } from "./deferral.ts";
import type { Waiting } from "./wait-queue.ts";

type Parts = { readonly market: Market; readonly turn: Turn; readonly admission: Admission };

/** Offers that are named; who waits for more reads the list of offers. */
const OFFERS_NAMED_MAX = 3;
const FIXED: WaitCause = { kind: "instance", text: "room on a fixed instance" };

/** What one that waits or is held waits for; the offers nearest to serving it first. */
export function causesOf(entry: Waiting | Held, { market, turn, admission }: Parts): WaitCause[] {
  const { invocation } = entry;
  if (!("urgency" in entry)) {
    const startBy = `begins in ${Math.max(0, Math.round((entry.startByMs - turn.nowMs) / 1000))} s at the latest`;
    return [{ kind: "calm", text: `a cheaper or calmer time; it ${startBy}` }];
  }
  if (!admission.mayRun(invocation)) {
    const whose = admission.limitOf(invocation) === "CONCURRENCY_LIMIT" ? "account" : "function";
    return [{ kind: "turn", text: `the end of another execution: its ${whose} runs as many as it may` }];
  }
  const terms = market.termsOf(invocation.accountId);
  const causes = terms.usesVariable ? variableCauses(terms, market, turn) : [];
  return terms.usesFixedAtOnce ? [...causes, FIXED] : causes;
}

function variableCauses(terms: AccountTerms, market: Market, { wallMs }: Turn): WaitCause[] {
  const closed = terms.closedWindows(wallMs);
  if (closed.length > 0) return closed;
  const unmet: WaitCause[][] = [];
  const usable: string[] = [];
  for (const source of market.offers()) {
    if (source.terms.subPool !== "variable") continue;
    const causes = terms.unmet(source.terms, wallMs);
    if (causes.length > 0) unmet.push(causes);
    else if (source.offer?.isAvailable === true) usable.push(`an instance of ${source.id}`);
    else usable.push(`${source.id}, of which nothing is to be had now`);
  }
  if (usable.length > 0) return [{ kind: "instance", text: usable.slice(0, OFFERS_NAMED_MAX).join(", or ") }];
  if (unmet.length === 0) return [{ kind: "instance", text: "variable capacity; none is offered" }];
  unmet.sort((a, b) => a.length - b.length);
  return unmet.slice(0, OFFERS_NAMED_MAX).flat();
}
