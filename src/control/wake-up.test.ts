import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CapacitySettings, DEFAULT_CAPACITY, type Offer } from "../model/capacity.ts";
import type { Command, Event } from "../model/event.ts";
import type { AccountId, ContainerId, FunctionKey, InstanceId, InvocationId, LeaseId, OfferId } from "../model/ids.ts";
import type { ContainerReport, Shape, SubPool } from "../model/instance.ts";
import type { Invocation } from "../model/invocation.ts";
import { hasFallenBack, isSatisfied, mayUseFixed, usesVariable } from "../simulator/capacity-rules.ts";
import { ControlPlane } from "./control-plane.ts";
import { DEFAULT_SETTINGS } from "./settings.ts";

/*
 * No lost wake-up (A8), by any sequence of events: a tiny world performs what the core orders, when chance says so, and after
 * each event looks with its own eyes for somebody who waits and could run. Beside the sound core stand cores that do not hear
 * one cause of waking until the next Tick: the same property must find each of them.
 */

/** Here a container may need any time to end, which is nobody's fault. */
const SETTINGS = {
  ...DEFAULT_SETTINGS,
  unsatisfiedMs: 600_000,
  leaveMsMax: Number.POSITIVE_INFINITY,
  blankTarget: { "nodejs24.x": 1 },
} as const;
const [SPARE, MIXED] = ["spare", "mixed"] as AccountId[] as [AccountId, AccountId];
const WINDOW = { kind: "window", timeZone: "UTC", days: [1, 2, 3, 4, 5, 6, 7], fromMinute: 60, toMinute: 120 } as const;
const CHEAP = { kind: "price", usdPerHourMax: 0.02 } as const;
const CALM = { kind: "demand", levelMax: 0.5 } as const;

/** Few, so that changes between them matter to those who wait. */
const CHOICES: readonly CapacitySettings[] = [
  { ...DEFAULT_CAPACITY, class: "variable", constraints: [CHEAP] },
  { ...DEFAULT_CAPACITY, class: "variable", constraints: [CALM], onShortage: { kind: "fixed", afterMs: 1000 } },
  { ...DEFAULT_CAPACITY, class: "variable", constraints: [WINDOW, CHEAP] },
  { ...DEFAULT_CAPACITY, class: "mixed", constraints: [CHEAP, CALM] },
  DEFAULT_CAPACITY,
];

const offerOf = (subPool: SubPool): Offer => ({
  id: subPool as string as OfferId,
  provider: "ec2",
  subPool,
  instanceType: "small",
  zone: "z1",
  shape: { memoryMiB: 512, cpuMilli: 512 },
  isElastic: false,
  capacity: { memoryMiB: 1536, cpuMilli: 1536 },
  priceUsdPerHour: 0.01,
  demandLevel: 0,
  isAvailable: true,
  noticeMs: subPool === "fixed" ? Number.POSITIVE_INFINITY : 30_000,
});

type TinyContainer = {
  readonly id: ContainerId;
  state: "creating" | "blank" | "running" | "idle" | "ending";
  functionKey: FunctionKey | undefined;
  memoryMiB: number;
  leaseId: LeaseId | undefined;
};

type TinyInstance = {
  readonly id: InstanceId;
  readonly offerId: OfferId;
  readonly subPool: SubPool;
  readonly shape: Shape;
  accountId: AccountId | undefined;
  state: "launching" | "joined" | "away" | "ending";
  readonly containers: TinyContainer[];
};

type Step =
  | { readonly kind: "call"; readonly spare: boolean; readonly other: boolean }
  | { readonly kind: "proceed"; readonly pick: number }
  | { readonly kind: "price" | "demand"; readonly value: number }
  | { readonly kind: "settings"; readonly spare: boolean; readonly pick: number }
  | { readonly kind: "clock"; readonly minute: number }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "resize" }
  | { readonly kind: "cut" | "return"; readonly pick: number };

/** The world that does what it is told, a step at a time. */
class TinyWorld {
  readonly #core: ControlPlane;
  readonly #isSlow: (event: Event) => boolean;
  readonly #instances = new Map<InstanceId, TinyInstance>();
  readonly #offers = new Map<OfferId, Offer>();
  readonly #settings = new Map<AccountId, CapacitySettings>();
  readonly #waiting = new Map<InvocationId, Invocation & { readonly sinceMs: number }>();
  readonly #slow: Event[] = [];
  #wallOffsetMs = Date.UTC(2026, 10, 20, 1, 30);
  #nowMs = 0;
  #calls = 0;
  #revision = 1;

  constructor(isSlow: (event: Event) => boolean) {
    this.#isSlow = isSlow;
    this.#core = new ControlPlane(SETTINGS);
    this.#publish(offerOf("fixed"));
    this.#publish(offerOf("variable"));
    this.#feed({ kind: "WallClockSet", offsetMs: this.#wallOffsetMs });
    this.#set(SPARE, CHOICES[0] ?? DEFAULT_CAPACITY);
    this.#set(MIXED, CHOICES[3] ?? DEFAULT_CAPACITY);
    this.#feed({ kind: "Tick" });
  }

  do(step: Step): void {
    switch (step.kind) {
      case "call":
        return this.#call(step.spare ? SPARE : MIXED, step.other ? "g" : "f");
      case "proceed":
        return this.#proceed(step.pick);
      case "price":
        return this.#change({ priceUsdPerHour: step.value });
      case "demand":
        return this.#change({ demandLevel: step.value });
      case "settings":
        return this.#set(step.spare ? SPARE : MIXED, CHOICES[step.pick % CHOICES.length] ?? DEFAULT_CAPACITY);
      case "clock":
        this.#wallOffsetMs = Date.UTC(2026, 10, 20, 0, step.minute) - this.#nowMs;
        return this.#feed({ kind: "WallClockSet", offsetMs: this.#wallOffsetMs });
      case "pass":
        return this.#pass(step.ms);
      case "resize":
        this.#feed({ kind: "FunctionRetired", functionKey: this.#keyOf(SPARE, "f") });
        this.#revision++;
        return;
      case "cut":
        return this.#cut(step.pick);
      case "return":
        return this.#return(step.pick);
      default:
        step satisfies never;
    }
  }

  /** Who waits, though he could run now; undefined: nobody. */
  lostWakeUp(): string | undefined {
    for (const invocation of this.#waiting.values()) {
      const spot = this.#spotFor(invocation);
      if (spot !== undefined) return `${invocation.id} of ${invocation.accountId} waits, though ${spot} is there`;
    }
    return undefined;
  }

  #spotFor({
    accountId,
    functionKey,
    memoryMiB,
    sinceMs,
  }: Invocation & { readonly sinceMs: number }): string | undefined {
    const settings = this.#settings.get(accountId) ?? DEFAULT_CAPACITY;
    for (const instance of this.#instances.values()) {
      if (instance.state !== "joined" || (instance.accountId ?? accountId) !== accountId) continue;
      const offer = this.#offers.get(instance.offerId);
      const terms = { subPool: instance.subPool, offer, remainingMs: offer?.noticeMs ?? 0 };
      const isAdmitted =
        instance.subPool === "fixed"
          ? mayUseFixed(settings) && hasFallenBack(settings, this.#nowMs - sinceMs)
          : usesVariable(settings) && isSatisfied(settings, terms, this.#nowMs + this.#wallOffsetMs);
      if (!isAdmitted) continue;
      const taken = instance.containers.reduce((sum, container) => sum + container.memoryMiB, 0);
      for (const container of instance.containers) {
        if (container.state === "idle" && container.functionKey === functionKey) return container.id;
        const free = instance.shape.memoryMiB - taken + container.memoryMiB;
        if (container.state === "blank" && free >= memoryMiB) return container.id;
      }
    }
    return undefined;
  }

  #keyOf(accountId: AccountId, name: string): FunctionKey {
    return `${accountId}/${name}@${this.#revision}` as FunctionKey;
  }

  #call(accountId: AccountId, name: string): void {
    const invocation: Invocation = {
      id: `v${++this.#calls}` as InvocationId,
      accountId,
      functionKey: this.#keyOf(accountId, name),
      runtime: "nodejs24.x",
      memoryMiB: this.#revision % 2 === 1 ? 512 : 128,
      mode: "synchronous",
    };
    this.#waiting.set(invocation.id, { ...invocation, sinceMs: this.#nowMs });
    this.#feed({ kind: "InvocationArrived", invocation });
  }

  #publish(offer: Offer): void {
    this.#offers.set(offer.id, offer);
    this.#feed({ kind: "OffersChanged", offers: [offer] });
  }

  #change(terms: Partial<Offer>): void {
    this.#publish({ ...(this.#offers.get("variable" as OfferId) ?? offerOf("variable")), ...terms });
  }

  #set(accountId: AccountId, capacity: CapacitySettings): void {
    this.#settings.set(accountId, capacity);
    this.#feed({ kind: "AccountCapacityChanged", accountId, capacity });
  }

  /** Time passes as for a server: with a Tick whenever the core wants one. */
  #pass(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (let at = this.#core.wakeAtMs; at !== undefined && at <= untilMs; at = this.#core.wakeAtMs) {
      this.#nowMs = Math.max(this.#nowMs, at);
      this.#feed({ kind: "Tick" });
    }
    this.#nowMs = untilMs;
  }

  /** The next thing that is under way is done. */
  #proceed(pick: number): void {
    const steps: (() => void)[] = [];
    for (const instance of this.#instances.values()) {
      if (instance.state === "launching") steps.push(() => this.#join(instance));
      if (instance.state === "ending") steps.push(() => this.#end(instance));
      if (instance.state !== "joined") continue;
      for (const container of instance.containers) {
        if (container.state === "creating") steps.push(() => this.#ready(instance, container));
        if (container.state === "ending") steps.push(() => this.#gone(instance, container));
        if (container.state === "running") steps.push(() => this.#finish(container));
      }
    }
    if (steps.length > 0) steps[pick % steps.length]?.();
  }

  #join(instance: TinyInstance): void {
    const { id: instanceId, subPool, offerId, shape, accountId, containers } = instance;
    instance.state = "joined";
    const report = { instanceId, subPool, offerId, shape, accountId, containers: containers.map(reportOf) };
    this.#feed({ kind: "InstanceJoined", report });
  }

  #end(instance: TinyInstance): void {
    this.#instances.delete(instance.id);
    this.#feed({ kind: "InstanceLost", instanceId: instance.id, reason: "ended" });
  }

  #ready(instance: TinyInstance, container: TinyContainer): void {
    container.state = "blank";
    this.#feed({ kind: "ContainerReady", instanceId: instance.id, containerId: container.id });
  }

  #gone(instance: TinyInstance, container: TinyContainer): void {
    instance.containers.splice(instance.containers.indexOf(container), 1);
    this.#feed({ kind: "ContainerGone", instanceId: instance.id, containerId: container.id, reason: "as asked" });
  }

  #finish(container: TinyContainer): void {
    const { leaseId } = container;
    if (leaseId === undefined) return;
    container.state = "idle";
    container.leaseId = undefined;
    this.#feed({ kind: "InvocationFinished", leaseId, outcome: "ok", containerUsable: true, wallMs: 1 });
  }

  /** The link to an instance on which nothing is under way breaks; it lives on. */
  #cut(pick: number): void {
    const resting = ({ state, containers }: TinyInstance) =>
      state === "joined" && containers.every((each) => each.state === "idle" || each.state === "blank");
    const instances = [...this.#instances.values()].filter(resting);
    const instance = instances[pick % Math.max(1, instances.length)];
    if (instance === undefined) return;
    instance.state = "away";
    this.#feed({ kind: "InstanceLost", instanceId: instance.id, reason: "no link" });
  }

  #return(pick: number): void {
    const away = [...this.#instances.values()].filter(({ state }) => state === "away");
    const instance = away[pick % Math.max(1, away.length)];
    if (instance !== undefined) this.#join(instance);
  }

  #feed(event: Event): void {
    if (this.#isSlow(event)) return void this.#slow.push(event);
    if (event.kind === "Tick") for (const late of this.#slow.splice(0)) this.#tell(late);
    this.#tell(event);
  }

  #tell(event: Event): void {
    for (const command of this.#core.handle(event, this.#nowMs)) this.#perform(command);
  }

  #perform(command: Command): void {
    if (command.kind === "RejectInvocation") return void this.#waiting.delete(command.invocation.id);
    if (command.kind === "LaunchInstance") return this.#launch(command);
    const instance = this.#instances.get(
      command.kind === "RunInvocation" ? command.lease.instanceId : command.instanceId,
    );
    if (instance === undefined) return;
    if (command.kind === "AssignInstance") instance.accountId = command.accountId;
    else if (command.kind === "TerminateInstance") {
      if (instance.state !== "away") instance.state = "ending"; // A lost one is told to end; it comes back before it hears of it.
    } else if (command.kind === "CreateContainer") {
      const { containerId: id } = command;
      const memoryMiB = SETTINGS.blankMemoryMiB;
      instance.containers.push({ id, state: "creating", functionKey: undefined, memoryMiB, leaseId: undefined });
    } else this.#performIn(instance, command);
  }

  #performIn(
    instance: TinyInstance,
    command: Extract<Command, { kind: "RunInvocation" | "PrewarmContainer" | "DestroyContainer" }>,
  ): void {
    const id = command.kind === "RunInvocation" ? command.lease.containerId : command.containerId;
    const container = instance.containers.find((each) => each.id === id);
    if (container === undefined) return;
    if (command.kind === "DestroyContainer") container.state = "ending";
    if (command.kind !== "RunInvocation") return;
    const { invocation } = command.lease;
    this.#waiting.delete(invocation.id);
    container.state = "running";
    container.functionKey = invocation.functionKey;
    container.memoryMiB = invocation.memoryMiB;
    container.leaseId = command.lease.id;
  }

  #launch({ instanceId: id, offerId, subPool, shape }: Extract<Command, { kind: "LaunchInstance" }>): void {
    const instance = { id, offerId, subPool, shape, accountId: undefined, state: "launching", containers: [] } as const;
    this.#instances.set(id, { ...instance, containers: [] });
  }
}

function reportOf({ id: containerId, functionKey, memoryMiB }: TinyContainer): ContainerReport {
  const runtime = "nodejs24.x";
  if (functionKey === undefined) return { state: "blank", containerId, runtime };
  return { state: "idle", containerId, runtime, functionKey, memoryMiB };
}

const pick = fc.nat({ max: 20 });
const steps = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant("call" as const), spare: fc.boolean(), other: fc.boolean() }),
    },
    { weight: 8, arbitrary: fc.record({ kind: fc.constant("proceed" as const), pick }) },
    fc.record({ kind: fc.constant("price" as const), value: fc.constantFrom(0.01, 0.02, 0.05) }),
    fc.record({ kind: fc.constant("demand" as const), value: fc.constantFrom(0, 0.5, 0.9) }),
    fc.record({ kind: fc.constant("settings" as const), spare: fc.boolean(), pick }),
    fc.record({ kind: fc.constant("clock" as const), minute: fc.constantFrom(30, 59, 60, 119, 121) }),
    fc.record({ kind: fc.constant("pass" as const), ms: fc.constantFrom(10, 100, 1000, 60_000) }),
    fc.record({ kind: fc.constant("resize" as const) }),
    fc.record({ kind: fc.constant("cut" as const), pick }),
    fc.record({ kind: fc.constant("return" as const), pick }),
  ) as fc.Arbitrary<Step>,
  { maxLength: 120, size: "max" },
);

function whoeverCouldRunRuns(makeIsSlow: () => (event: Event) => boolean) {
  return fc.property(steps, (sequence) => {
    const world = new TinyWorld(makeIsSlow());
    for (const step of sequence) {
      world.do(step);
      const lost = world.lostWakeUp();
      if (lost !== undefined) throw new Error(`after ${JSON.stringify(step)}: ${lost}`);
    }
  });
}

/** Variable terms became better in this figure. */
function fallOf(read: (offer: Offer) => number): () => (event: Event) => boolean {
  return () => {
    let last = Number.NEGATIVE_INFINITY;
    return (event) => {
      const offer =
        event.kind === "OffersChanged" ? event.offers.find(({ subPool }) => subPool === "variable") : undefined;
      if (offer === undefined) return false;
      const falls = read(offer) < last;
      last = read(offer);
      return falls;
    };
  };
}

const of =
  (kind: Event["kind"], ifIt: (event: Event) => boolean = () => true): (() => (event: Event) => boolean) =>
  () =>
  (event) =>
    event.kind === kind && ifIt(event);

const CAUSES: readonly { readonly name: string; readonly isSlow: () => (event: Event) => boolean }[] = [
  { name: "a request arrives", isSlow: of("InvocationArrived") },
  { name: "a container is ready", isSlow: of("ContainerReady") },
  { name: "an execution ends", isSlow: of("InvocationFinished") },
  { name: "memory becomes free", isSlow: of("ContainerGone") },
  { name: "a price falls", isSlow: fallOf(({ priceUsdPerHour }) => priceUsdPerHour) },
  { name: "a host turns idle", isSlow: fallOf(({ demandLevel }) => demandLevel) },
  {
    name: "a window opens",
    isSlow: of("WallClockSet", (event) => event.kind === "WallClockSet" && event.offsetMs > 0),
  },
  { name: "settings change", isSlow: of("AccountCapacityChanged") },
  {
    name: "an instance comes back",
    isSlow: of("InstanceJoined", (event) => event.kind === "InstanceJoined" && event.report.containers.length > 0),
  },
  {
    name: "a size changes",
    isSlow: of(
      "InvocationArrived",
      (event) => event.kind === "InvocationArrived" && event.invocation.memoryMiB === 128,
    ),
  },
];

describe("no lost wake-up", () => {
  it("whatever happens, in whatever order", { timeout: 60_000 }, () => {
    fc.assert(
      whoeverCouldRunRuns(() => () => false),
      { numRuns: 300 },
    );
  });

  it.for(CAUSES)("is overlooked when $name", { timeout: 60_000 }, ({ isSlow }) => {
    const { failed, errorInstance } = fc.check(whoeverCouldRunRuns(isSlow), { numRuns: 1000, endOnFailure: true });
    expect(failed).toBe(true);
    expect(String(errorInstance)).toMatch(/waits, though/);
  });
});
