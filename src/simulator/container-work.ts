import type { Command } from "../model/event.ts";
import { cpuMilliOf } from "../model/function-version.ts";
import type { Grant } from "../model/grant.ts";
import type { ContainerId, FunctionKey, InstanceId } from "../model/ids.ts";
import { type Lease, type Outcome, UNMEASURED, type Usage } from "../model/invocation.ts";
import { memoryOf } from "./caller.ts";
import type { Known } from "./known.ts";
import type { Random } from "./random.ts";
import type { Report } from "./report.ts";
import { SimulatedContainer, type SimulatedInstance } from "./simulated-instance.ts";
import { SimulatedInvocation } from "./simulated-invocation.ts";
import type { SimulatedSizes } from "./simulated-sizes.ts";
import type { Stage } from "./stage.ts";
import { violated } from "./violation.ts";
import type { FunctionTraits, World } from "./world.ts";

/** Executions that end badly do so in one of these ways. */
const BAD_OUTCOMES: readonly Outcome[] = [
  "initError",
  "exit",
  "outOfMemory",
  "agentFault",
  "invalidPayload",
  "responseTooLarge",
];

/** Who waits for the results of executions. */
export type ResultSink = {
  /** An execution ended and the server heard of it. */
  finished(lease: Lease, outcome: Outcome): void;
  /** The agent of an execution hands in late what it kept, as no server listened when it ended. */
  finishedLate(lease: Lease, outcome: Outcome): void;
};

/** An asynchronous result that no server has heard of. */
export type KeptResult = { readonly lease: Lease; readonly outcome: Outcome; readonly wallMs: number };

/** What goes on in containers, on whatever instance: they start, load, execute, die; agents with a link tell of it. */
export class ContainerWork {
  readonly #world: World;
  readonly #stage: Stage;
  readonly #report: Report;
  readonly #known: Known;
  readonly #said: SimulatedSizes;
  readonly #sink: ResultSink;
  readonly #starts: Random;
  readonly #executions: Random;
  readonly #deaths: Random;
  readonly #sizes: Random;
  readonly #traits: ReadonlyMap<string, FunctionTraits>;
  readonly #kept = new Map<SimulatedInstance, KeptResult[]>();
  readonly #onContainerDue = (container: SimulatedContainer) => this.#containerDue(container);
  readonly #hasExecutionFaults: boolean;

  constructor(
    world: World,
    random: Random,
    stage: Stage,
    report: Report,
    known: Known,
    said: SimulatedSizes,
    sink: ResultSink,
  ) {
    this.#world = world;
    this.#stage = stage;
    this.#report = report;
    this.#known = known;
    this.#said = said;
    this.#sink = sink;
    this.#starts = random.fork("starts");
    this.#executions = random.fork("executions");
    this.#deaths = random.fork("deaths");
    this.#sizes = random.fork("sizes");
    this.#traits = new Map(world.functions.map((traits) => [traits.name, traits]));
    this.#hasExecutionFaults = world.faults.execution + world.faults.functionError > 0;
  }

  create(
    instance: SimulatedInstance,
    { containerId, runtime, reservedMiB }: Extract<Command, { kind: "CreateContainer" }>,
  ): void {
    const { settings, linkMs, containerStartMsMean } = this.#world;
    const { blankMemoryMiB, creationsPerInstanceMax } = settings;
    if (!(reservedMiB >= 1 && reservedMiB <= blankMemoryMiB))
      violated(`a blank container is counted with ${reservedMiB} MiB`);
    const container = new SimulatedContainer(containerId, instance, runtime, reservedMiB, this.#onContainerDue);
    instance.create(container, creationsPerInstanceMax);
    this.#report.containersCreated++;
    this.#stage.after(2 * linkMs + this.#starts.exponential(containerStartMsMean), container);
  }

  destroy(instance: SimulatedInstance, containerId: ContainerId): void {
    const container = instance.destroy(containerId);
    if (container !== undefined) this.#endLater(container, 2 * this.#world.linkMs + this.#world.destroyMs, "as asked");
  }

  /** Loads a function ahead of its call. */
  prewarm(instance: SimulatedInstance, containerId: ContainerId, functionKey: FunctionKey, grant: Grant): void {
    const traits = this.#traitsOf(functionKey);
    if (traits === undefined) return violated(`nobody has a function ${functionKey}`);
    if (instance.accountId !== traits.accountId) {
      violated(`instance ${instance.id} of ${instance.accountId ?? "nobody"} was told to load ${functionKey}`);
    }
    const revision = Number(functionKey.slice(functionKey.lastIndexOf("/") + 1));
    this.#said.checkGrant(grant, traits, memoryOf(traits, revision));
    const container = instance.prewarm(containerId, functionKey, grant, memoryOf(traits, revision));
    if (container.state === "gone") return;
    if (container.runtime !== traits.runtime) violated(`${functionKey} was to be loaded into ${container.runtime}`);
    this.#report.prewarms++;
    this.#report.lastPrewarmMs = this.#stage.nowMs;
    const { linkMs, capacity } = this.#world;
    const loadMs = 2 * linkMs + this.#starts.exponential(traits.initMsMean);
    if (this.#stage.hasFaults && this.#starts.chance(capacity.prewarmFailure)) {
      return this.#stage.later(loadMs, () => {
        if (container.state !== "prewarming") return;
        instance.end(container);
        this.#tellGone(container, instance.link, "could not load the function");
      });
    }
    this.#stage.after(loadMs, container);
  }

  run(instance: SimulatedInstance, lease: Lease): void {
    const container = instance.run(lease);
    const { invocation } = lease;
    if (!(invocation instanceof SimulatedInvocation))
      return violated(`lease ${lease.id} is for an invocation that nobody made`);
    instance.count(container, lease);
    this.#known.began(invocation);
    if (lease.start === "cold" && lease.grant !== undefined) this.#granted(lease.grant, invocation);
    if (container.state === "gone") return this.#runInNothing(container, lease);
    const { caller } = invocation;
    const { timeoutMs } = caller.traits;
    const initMs = lease.start === "cold" ? caller.drawInitMs() : 0;
    const durationMs = this.#durationMs(container, invocation);
    container.outcome = durationMs >= timeoutMs ? "timeout" : "ok";
    container.staysUsable = container.outcome === "ok";
    if (this.#hasExecutionFaults && this.#stage.hasFaults) this.#spoil(container);
    container.initMs = lease.start === "cold" ? initMs : undefined;
    container.wallMs = initMs + Math.min(durationMs, timeoutMs);
    this.#use(container, caller.drawNeedMiB(), lease);
    this.#stage.after(2 * this.#world.linkMs + container.wallMs, container);
  }

  /** One thread that computes takes longer with less than a processor. */
  #durationMs(container: SimulatedContainer, { caller, memoryMiB }: SimulatedInvocation): number {
    const drawnMs = caller.drawDurationMs();
    const share = caller.traits.need?.computedShare;
    container.computedMs = undefined;
    if (share === undefined) return drawnMs;
    const requested = Math.min(1, cpuMilliOf(memoryMiB) / 1000);
    const granted = Math.min(1, (container.grant?.cpuMilli ?? cpuMilliOf(memoryMiB)) / 1000);
    container.computedMs = drawnMs * share * requested;
    return drawnMs * (1 - share) + container.computedMs / granted;
  }

  #granted(grant: Grant, { memoryMiB, caller }: SimulatedInvocation): void {
    this.#said.checkGrant(grant, caller.traits, memoryMiB);
    if (grant.reservedMiB < memoryMiB) this.#report.grantedLess++;
    if (grant.memoryMiB > memoryMiB) this.#report.grantedMore++;
  }

  /** The order does not reach an agent that has no link, and the core counts the execution until it is told so. */
  orderLost(instance: SimulatedInstance, lease: Lease): void {
    if (!(lease.invocation instanceof SimulatedInvocation)) return;
    instance.count(instance.containerFor(lease.containerId), lease);
    this.#known.began(lease.invocation);
  }

  /** Results that wait for a server, taken. */
  takeKept(instance: SimulatedInstance): readonly KeptResult[] {
    const kept = this.#kept.get(instance) ?? [];
    this.#kept.delete(instance);
    return kept;
  }

  /** Ends whatever goes on in an instance that is gone. */
  endAll(instance: SimulatedInstance): void {
    this.#kept.delete(instance);
    for (const container of instance.containers.values()) instance.end(container);
  }

  /** The core counts the execution no more. */
  release({ invocation }: Lease): void {
    if (invocation instanceof SimulatedInvocation) this.#known.ended(invocation);
  }

  #traitsOf(functionKey: FunctionKey): FunctionTraits | undefined {
    return this.#traits.get(functionKey.split("/")[1] ?? "");
  }

  #endLater(container: SimulatedContainer, delayMs: number, reason: string): void {
    const { link } = container.instance;
    this.#stage.later(delayMs, () => {
      container.instance.end(container);
      this.#tellGone(container, link, reason);
    });
  }

  #tellGone(container: SimulatedContainer, link: number, reason: string): void {
    const { instance } = container;
    if (!instance.isLinked || instance.link !== link || container.isGoneTold) return;
    container.isGoneTold = true;
    const lease = instance.countNoMore(container);
    if (lease !== undefined) this.release(lease);
    const event = { kind: "ContainerGone", instanceId: instance.id, containerId: container.id, reason } as const;
    this.#stage.tell(event);
    if (this.#world.faults.echoes) this.#stage.tell(event);
    this.#tellPressure(instance);
  }

  #containerDue(container: SimulatedContainer): void {
    if (container.state === "creating") this.#started(container);
    else if (container.state === "running") this.#executed(container);
    else if (container.state === "prewarming") this.#loaded(container);
  }

  #started(container: SimulatedContainer): void {
    const { instance } = container;
    const { containerFailure } = this.#world.faults;
    if (containerFailure > 0 && this.#stage.hasFaults && this.#starts.chance(containerFailure)) {
      instance.end(container);
      return this.#tellGone(container, instance.link, "could not be made");
    }
    instance.ready(container);
    this.#planDeath(container);
    if (!instance.isLinked) return;
    const ready = { kind: "ContainerReady", instanceId: instance.id, containerId: container.id } as const;
    const { sizing, settings } = this.#world;
    const blankMiB = () => settings.blankMemoryMiB * (0.2 + 0.3 * this.#sizes.next());
    this.#stage.tell(sizing === undefined ? ready : { ...ready, memoryMiB: blankMiB() });
    const isLeft = container.isStray && container.state === "blank" && !instance.isTerminating;
    // One that is being taken away takes its strays with it.
    if (isLeft && instance.deadlineToldMs === undefined) {
      violated(`the core was told of container ${container.id}, which it did not ask for, and let it be`);
    }
  }

  #loaded(container: SimulatedContainer): void {
    const { instance } = container;
    container.state = "idle";
    this.#planDeath(container);
    if (!instance.isLinked) return;
    this.#stage.tell({ kind: "ContainerPrewarmed", instanceId: instance.id, containerId: container.id });
  }

  /** A container may die while nothing runs in it; the news of it may cross an order to run. */
  #planDeath(container: SimulatedContainer): void {
    const { containerDeath } = this.#world.faults;
    if (containerDeath === 0 || !this.#stage.hasFaults || !this.#deaths.chance(containerDeath)) return;
    this.#stage.later(this.#deaths.exponential(5000), () => {
      if (container.state !== "blank" && container.state !== "idle") return;
      const { instance } = container;
      const { link } = instance;
      instance.end(container);
      this.#stage.later(this.#world.linkMs, () => this.#tellGone(container, link, "died"));
    });
  }

  #spoil(container: SimulatedContainer): void {
    const { execution, functionError } = this.#world.faults;
    const draw = this.#executions.next();
    if (draw < execution) {
      container.outcome = this.#executions.pick(BAD_OUTCOMES);
      container.staysUsable = container.outcome === "invalidPayload" || container.outcome === "responseTooLarge";
    } else if (draw < execution + functionError && container.outcome === "ok") {
      container.outcome = "functionError";
    }
  }

  /** The order to run crossed the news that its container died. */
  #runInNothing(container: SimulatedContainer, lease: Lease): void {
    const { link } = container.instance;
    this.#stage.later(2 * this.#world.linkMs, () => {
      if (!container.instance.isLinked || container.instance.link !== link) return;
      this.#tellFinished(container, lease, "agentFault", false, 0);
    });
  }

  #executed(container: SimulatedContainer): void {
    const { instance, lease, outcome, staysUsable, wallMs } = container;
    if (lease === undefined) return violated(`container ${container.id} ran without a lease`);
    instance.finish(container);
    if (instance.isLinked) this.#tellFinished(container, lease, outcome, staysUsable, wallMs);
    else if (lease.invocation.mode === "asynchronous") this.#keep(instance, { lease, outcome, wallMs });
    if (!staysUsable) this.#endLater(container, this.#world.destroyMs, "not usable any more");
    else this.#planDeath(container);
  }

  /** An execution that needs more than its limit is rescued, where there is room, or killed. */
  #use(container: SimulatedContainer, needMiB: number | undefined, { grant }: Lease): void {
    const { sizing, linkMs } = this.#world;
    if (sizing === undefined || needMiB === undefined) return;
    const { instance } = container;
    container.rescues = 0;
    container.isStalled = sizing.stalledShare > 0 && this.#sizes.chance(sizing.stalledShare);
    container.usedMiB = Math.min(needMiB, container.limitMiB);
    if (needMiB > container.limitMiB) {
      const raisedMiB = Math.min(grant?.rescueMemoryMiB ?? 0, Math.ceil(needMiB * 1.1));
      const isRescued = raisedMiB >= needMiB && this.#sizes.chance(sizing.rescuedShare);
      this.#report.outgrown++;
      if (!isRescued) {
        container.outcome = "outOfMemory";
        container.staysUsable = false;
      } else {
        container.rescues = 1;
        container.usedMiB = needMiB;
        this.#report.rescued++;
        this.#stage.later(linkMs, () => this.#raise(container, raisedMiB));
      }
    }
    this.#stage.later(linkMs, () => this.#tellPressure(instance));
  }

  #raise(container: SimulatedContainer, limitMiB: number): void {
    const { instance, id: containerId } = container;
    if (container.state !== "running" || limitMiB <= container.limitMiB) return;
    if (!instance.isLinked) {
      container.limitMiB = limitMiB; // A server that it joins later is told.
      return;
    }
    instance.raise(container, limitMiB);
    this.#stage.tell({ kind: "ContainerResized", instanceId: instance.id, containerId, memoryMiB: limitMiB });
  }

  /** An agent tells when what is really used crosses the one share or the other. */
  #tellPressure(instance: SimulatedInstance): void {
    const { sizing, settings } = this.#world;
    if (sizing === undefined || !instance.isLinked || instance.deadlineToldMs !== undefined) return;
    if (instance.isTerminating) return;
    const { memoryMiB } = instance.shape;
    const memoryUsedMiB = instance.usedMiB(sizing.idleShare);
    const share = instance.isPressedTold ? settings.pressureClearShare : settings.pressureShare;
    const isPressed = memoryUsedMiB >= memoryMiB * share;
    if (isPressed === instance.isPressedTold) return;
    instance.isPressedTold = isPressed;
    if (isPressed) this.#report.pressed++;
    this.#stage.tell({ kind: "InstancePressure", instanceId: instance.id, memoryUsedMiB });
  }

  #usageOf(container: SimulatedContainer, outcome: Outcome): Usage | undefined {
    if (this.#world.sizing === undefined || outcome === "agentFault") return undefined;
    const { usedMiB, limitMiB, wallMs, rescues, isStalled, grant, computedMs } = container;
    const cpu = Math.min(1, (grant?.cpuMilli ?? 1000) / 1000);
    const throttledMs = computedMs === undefined ? 0 : Math.min(wallMs, computedMs / cpu - computedMs);
    return {
      ...UNMEASURED,
      wallUs: wallMs * 1000,
      cpuUs: computedMs === undefined ? wallMs * 500 : computedMs * 1000,
      throttledUs: throttledMs * 1000,
      memoryPeakBytes: usedMiB * 2 ** 20,
      memoryStallUs: isStalled ? wallMs * 100 : 0,
      memoryLimitMiB: limitMiB,
      cpuMilli: grant?.cpuMilli,
      rescues,
    };
  }

  #tellFinished(
    container: SimulatedContainer,
    lease: Lease,
    outcome: Outcome,
    containerUsable: boolean,
    wallMs: number,
  ): void {
    const { instance } = container;
    if (container.knownLease?.id === lease.id) {
      instance.countNoMore(container);
      this.release(lease);
      if (this.#world.capacity.deadlineShare > 0) this.#known.executed(lease.invocation.functionKey, wallMs);
    }
    this.#sink.finished(lease, outcome);
    const { initMs } = container;
    const usage = this.#usageOf(container, outcome);
    const ended = { kind: "InvocationFinished", leaseId: lease.id, outcome, containerUsable, wallMs, initMs } as const;
    this.#stage.tell(usage === undefined ? ended : { ...ended, usage });
    if (usage !== undefined) this.#tellPressure(instance);
  }

  #keep(instance: SimulatedInstance, result: KeptResult): void {
    const kept = this.#kept.get(instance);
    if (kept === undefined) this.#kept.set(instance, [result]);
    else kept.push(result);
  }
}

/** The container that an execution was given to, wherever it is by now. */
export function containerOf(
  instances: ReadonlyMap<InstanceId, SimulatedInstance>,
  lease: Lease,
): SimulatedContainer | undefined {
  return instances.get(lease.instanceId)?.containers.get(lease.containerId);
}
