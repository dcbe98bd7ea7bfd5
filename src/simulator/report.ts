import type { RejectCode } from "../model/error-code.ts";
import type { Outcome } from "../model/invocation.ts";
import { Histogram } from "./histogram.ts";

/** What happened in a run, counted while it goes. */
export class Report {
  events = 0;
  commands = 0;
  arrived = 0;
  /** Calls that found no server. */
  unheard = 0;
  hungUp = 0;
  /** Asynchronous invocations whose retries or age were used up. */
  givenUp = 0;
  cold = 0;
  warm = 0;
  launched = 0;
  joined = 0;
  lost = 0;
  terminated = 0;
  containersCreated = 0;
  restarts = 0;
  /** Executions that began on variable instances; and on fixed ones for want of variable ones. */
  onVariable = 0;
  fallbacks = 0;
  offerChanges = 0;
  settingsChanges = 0;
  concurrencyChanges = 0;
  sizingChanges = 0;
  /** Versions of which a new server was told what an earlier one had learned. */
  sizesRestored = 0;
  atRisk = 0;
  notices = 0;
  /** Instances that were taken away, with or without notice. */
  taken = 0;
  prewarms = 0;
  /** Executions that began in a container that is held ready, and containers that are at rest. */
  onProvisioned = 0;
  heldAtRest = 0;
  /** Executions that needed more than their limit, those of them that were rescued, and instances nearly used up. */
  outgrown = 0;
  /** Containers that were granted less than their function states, and more. */
  grantedLess = 0;
  grantedMore = 0;
  rescued = 0;
  pressed = 0;
  /** With a deadline, begun before it was due; and when due. */
  begunEarly = 0;
  begunDue = 0;
  endMs = 0;
  /** When it was last said that an instance goes, or may go. */
  lastWarningMs = Number.NEGATIVE_INFINITY;
  /** When a function was last loaded without a call. */
  lastPrewarmMs = Number.NEGATIVE_INFINITY;
  readonly outcomes = new Map<Outcome, number>();
  readonly refusals = new Map<RejectCode, number>();
  /** From arrival to the order to run, in ms. */
  readonly waits = new Histogram();

  countOutcome(outcome: Outcome): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }

  countRefusal(code: RejectCode): void {
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
  }

  /** The totals as plain data, for tables and JSON. */
  totals() {
    const started = this.cold + this.warm;
    const round = (value: number) => Math.round(value * 1000) / 1000;
    return {
      simulatedMs: Math.round(this.endMs),
      events: this.events,
      commands: this.commands,
      arrived: this.arrived,
      unheard: this.unheard,
      hungUp: this.hungUp,
      givenUp: this.givenUp,
      started,
      coldRatio: started === 0 ? 0 : round(this.cold / started),
      outcomes: Object.fromEntries(this.outcomes),
      refusals: Object.fromEntries(this.refusals),
      waitMsP50: round(this.waits.quantile(0.5)),
      waitMsP99: round(this.waits.quantile(0.99)),
      waitMsMax: round(this.waits.max),
      instances: { launched: this.launched, joined: this.joined, lost: this.lost, terminated: this.terminated },
      containersCreated: this.containersCreated,
      restarts: this.restarts,
      capacity: {
        onVariable: this.onVariable,
        fallbacks: this.fallbacks,
        offerChanges: this.offerChanges,
        settingsChanges: this.settingsChanges,
        concurrencyChanges: this.concurrencyChanges,
        sizingChanges: this.sizingChanges,
        sizesRestored: this.sizesRestored,
        atRisk: this.atRisk,
        notices: this.notices,
        taken: this.taken,
        prewarms: this.prewarms,
        onProvisioned: this.onProvisioned,
        heldAtRest: this.heldAtRest,
        grantedLess: this.grantedLess,
        grantedMore: this.grantedMore,
        outgrown: this.outgrown,
        rescued: this.rescued,
        pressed: this.pressed,
        begunEarly: this.begunEarly,
        begunDue: this.begunDue,
      },
    };
  }
}

export type Totals = ReturnType<Report["totals"]>;
