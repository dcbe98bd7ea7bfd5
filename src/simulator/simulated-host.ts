import type { Command } from "../model/event.ts";
import type { AccountId, ContainerId, FunctionKey, InstanceId, InvocationId } from "../model/ids.ts";
import type { Lease, Outcome } from "../model/invocation.ts";
import { RUNTIMES, type RuntimeName } from "../model/runtime.ts";
import type { Random } from "./random.ts";
import type { Report } from "./report.ts";
import { SimulatedContainer, SimulatedInstance } from "./simulated-instance.ts";
import { SimulatedInvocation } from "./simulated-invocation.ts";
import type { Stage } from "./stage.ts";
import { violated } from "./violation.ts";
import type { World } from "./world.ts";

/** Executions that end badly do so in one of these ways. */
const BAD_OUTCOMES: readonly Outcome[] = [
  "initError",
  "exit",
  "outOfMemory",
  "agentFault",
  "invalidPayload",
  "responseTooLarge",
];
/** Agents without a server dial again after at most this long. */
const REDIAL_MS_MAX = 2000;
/** The core's pauses grow to this many times the first one. */
const BACKOFF_FACTOR_MAX = 64;
/** Failing launches and pools that are refilled for hours; thrashing has thousands. */
const LAUNCHES_FREE = 1000;
const LAUNCHES_PER_INVOCATION_MAX = 10;

/** Who waits for the results of executions. */
export type ResultSink = {
  /** An execution ended and the server heard of it. */
  finished(lease: Lease, outcome: Outcome): void;
  /** The agent of an execution hands in late what it kept, as no server listened when it ended. */
  finishedLate(lease: Lease, outcome: Outcome): void;
  /** An agent that joins says that it executes the invocation, or holds its result. */
  adopted(invocationId: InvocationId): void;
};

type KeptResult = { readonly lease: Lease; readonly outcome: Outcome; readonly wallMs: number };

/**
 * The host with its instances: boots them, lets agents join, dies, cuts links, and tells the server
 * what the agents see. Every message takes `linkMs`; an instance with a cut link goes on by itself.
 */
export class SimulatedHost {
  readonly instances = new Map<InstanceId, SimulatedInstance>();
  readonly #world: World;
  readonly #stage: Stage;
  readonly #report: Report;
  readonly #sink: ResultSink;
  readonly #launches: Random;
  readonly #starts: Random;
  readonly #executions: Random;
  readonly #lives: Random;
  readonly #kept = new Map<SimulatedInstance, KeptResult[]>();
  readonly #onContainerDue = (container: SimulatedContainer) => this.#containerDue(container);
  readonly #hasExecutionFaults: boolean;
  readonly #capacityMiB: number;
  isShuttingDown = false;

  constructor(world: World, random: Random, stage: Stage, report: Report, sink: ResultSink) {
    this.#world = world;
    this.#capacityMiB = world.host.capacity?.memoryMiB ?? 0;
    this.#stage = stage;
    this.#report = report;
    this.#sink = sink;
    this.#launches = random.fork("launches");
    this.#starts = random.fork("starts");
    this.#executions = random.fork("executions");
    this.#lives = random.fork("lives");
    this.#hasExecutionFaults = world.faults.execution + world.faults.functionError > 0;
  }

  perform(command: Exclude<Command, { kind: "RejectInvocation" }>): void {
    switch (command.kind) {
      case "RunInvocation":
        return this.#run(command.lease);
      case "LaunchInstance":
        return this.#launch(command);
      case "TerminateInstance":
        return this.#terminate(command.instanceId);
      case "AssignInstance":
        return this.#assign(command.instanceId, command.accountId);
      case "CreateContainer":
        return this.#create(command);
      case "PrewarmContainer":
        return;
      case "DestroyContainer":
        return this.#destroy(command.instanceId, command.containerId);
      default:
        command satisfies never;
    }
  }

  /** Whether the core may answer for the execution itself: it was told that it cannot end any more. */
  isVoid(lease: Lease): boolean {
    const instance = this.instances.get(lease.instanceId);
    return (
      instance === undefined || !instance.isKnown || instance.containers.get(lease.containerId)?.isGoneTold !== false
    );
  }

  /** The core was just told that the function was changed. */
  retire(functionKey: FunctionKey): void {
    for (const instance of this.instances.values()) {
      if (!instance.isLinked) continue;
      for (const container of instance.containers.values()) {
        if (container.functionKey === functionKey) container.isRetired = true;
      }
    }
  }

  /** The server was killed: links are cut, and nobody knows the instances any more. */
  serverDied(): void {
    for (const instance of this.instances.values()) {
      this.#unlink(instance);
      instance.isKnown = false;
      instance.isJoined = false;
      if (!instance.isAlive) this.instances.delete(instance.id);
      // What it was ending may have been ended, or not.
      if (this.#lives.chance(0.5)) instance.isTerminating = false;
      for (const container of instance.containers.values()) container.isRetired = false;
      this.#stage.later(this.#world.orphanMs, () => {
        if (!instance.isLinked) this.#die(instance);
      });
    }
  }

  /** The server ended in order: it takes its instances with it. */
  serverLeft(): void {
    for (const instance of this.instances.values()) this.#die(instance);
    this.instances.clear();
  }

  serverCame(): void {
    for (const instance of this.instances.values()) if (instance.isBooted) this.#dial(instance);
  }

  /** What must be true when nothing has happened for long: the load has left nothing, the warming pool is full. */
  checkRest(): void {
    const warming = { fixed: 0, variable: 0 };
    for (const instance of this.instances.values()) {
      if (instance.accountId !== undefined)
        violated(`instance ${instance.id} of ${instance.accountId} was never given up`);
      if (!instance.isJoined) violated(`instance ${instance.id} was launched, did not join, and is still there`);
      warming[instance.subPool]++;
      this.#checkBlanks(instance);
    }
    const { warming: bounds } = this.#world.settings;
    const capacityMiB = this.#capacityMiB;
    const wantedMiB = bounds.fixed.min * this.#world.host.shape.memoryMiB;
    const { min, max } = bounds.fixed;
    if (warming.fixed > max) violated(`${warming.fixed} fixed instances warm, and at most ${max} are wanted`);
    if (warming.fixed < min && wantedMiB <= capacityMiB) violated(`${warming.fixed} of ${min} fixed instances warm`);
  }

  #checkBlanks(instance: SimulatedInstance): void {
    const { blankTarget, blankMemoryMiB } = this.#world.settings;
    const blanks = new Map<RuntimeName, number>();
    for (const { state, runtime } of instance.containers.values()) {
      if (state === "blank") blanks.set(runtime, (blanks.get(runtime) ?? 0) + 1);
      else if (state !== "gone") violated(`a container is ${state} on instance ${instance.id}, which is at rest`);
    }
    const wanted = RUNTIMES.reduce((sum, runtime) => sum + (blankTarget[runtime] ?? 0), 0);
    if (wanted * blankMemoryMiB > instance.shape.memoryMiB) return;
    for (const runtime of RUNTIMES) {
      const [has, wants] = [blanks.get(runtime) ?? 0, blankTarget[runtime] ?? 0];
      if (has !== wants)
        violated(`${has} blank containers of ${runtime} on warming instance ${instance.id}, and ${wants} are wanted`);
    }
  }

  // Instances

  #launch({ instanceId, subPool, offerId, shape }: Extract<Command, { kind: "LaunchInstance" }>): void {
    const { faults, settings, bootMsMean } = this.#world;
    if (this.isShuttingDown) violated(`instance ${instanceId} was launched after the shutdown began`);
    if (this.instances.has(instanceId)) violated(`instance ${instanceId} exists already`);
    const instance = new SimulatedInstance(instanceId, subPool, offerId, shape);
    this.instances.set(instanceId, instance);
    this.#checkCapacity();
    this.#report.launched++;
    this.#checkThrift();
    const isUnlucky = this.#stage.hasFaults && this.#launches.chance(faults.launchFailure);
    if (isUnlucky || !this.#isRoom()) return this.#failLaunch(instance);
    if (this.#stage.hasFaults && this.#launches.chance(faults.launchHang)) return;
    const bootMs = Math.min(settings.launchMsMax / 2, this.#launches.exponential(bootMsMean));
    this.#stage.later(bootMs, () => {
      instance.isBooted = true;
      if (this.#stage.isServerUp) this.#join(instance);
    });
  }

  /** What the core counts on must fit; instances that it cannot know of (cut off, or of an earlier server) are not its fault. */
  #checkCapacity(): void {
    let knownMiB = 0;
    for (const { isKnown, shape } of this.instances.values()) if (isKnown) knownMiB += shape.memoryMiB;
    if (knownMiB > this.#capacityMiB) violated(`instances of ${knownMiB} MiB on a host of ${this.#capacityMiB} MiB`);
  }

  /**
   * More launches than any load explains: the core ends what it has just begun, again and again. On a host where
   * nothing works it may go on trying, at the pace of its longest pause.
   */
  #checkThrift(): void {
    const { launched, arrived } = this.#report;
    const tries = this.#stage.nowMs / (BACKOFF_FACTOR_MAX * this.#world.settings.launchBackoffMs);
    if (launched > LAUNCHES_FREE + LAUNCHES_PER_INVOCATION_MAX * arrived + tries) {
      violated(`${launched} instances were launched for ${arrived} invocations`);
    }
  }

  #isRoom(): boolean {
    let takenMiB = 0;
    for (const { isAlive, shape } of this.instances.values()) if (isAlive) takenMiB += shape.memoryMiB;
    return takenMiB <= this.#capacityMiB;
  }

  #failLaunch(instance: SimulatedInstance): void {
    instance.isAlive = false;
    const { serverRun } = this.#stage;
    this.#stage.later(this.#world.linkMs, () => {
      if (this.#stage.serverRun !== serverRun || !instance.isKnown) return;
      instance.isKnown = false;
      this.instances.delete(instance.id);
      this.#stage.tell({ kind: "LaunchFailed", instanceId: instance.id, code: "LAUNCH_FAILED" });
    });
  }

  /** An agent finds the server sooner or later, unless its instance ends first. */
  #dial(instance: SimulatedInstance): void {
    const { serverRun } = this.#stage;
    this.#stage.later(this.#lives.next() * REDIAL_MS_MAX, () => {
      if (this.#stage.isServerUp && this.#stage.serverRun === serverRun) this.#join(instance);
    });
  }

  #join(instance: SimulatedInstance): void {
    // The server refuses the agents of instances that it is ending.
    if (!instance.isAlive || instance.isLinked || instance.isTerminating) return;
    instance.isLinked = true;
    instance.isKnown = true;
    instance.isJoined = true;
    this.#report.joined++;
    this.#planEnd(instance);
    const kept = this.#kept.get(instance) ?? [];
    this.#kept.delete(instance);
    for (const { lease } of kept) this.#sink.adopted(lease.invocation.id);
    const report = instance.report();
    for (const held of report.containers) if (held.state === "running") this.#sink.adopted(held.invocationId);
    this.#stage.tell({ kind: "InstanceJoined", report });
    for (const { lease, outcome, wallMs } of kept) {
      this.#sink.finishedLate(lease, outcome);
      this.#stage.tell({ kind: "InvocationFinished", leaseId: lease.id, outcome, containerUsable: true, wallMs });
    }
  }

  #planEnd(instance: SimulatedInstance): void {
    const { instanceLifeMsMean, cutShare } = this.#world.faults;
    if (instanceLifeMsMean === Number.POSITIVE_INFINITY) return;
    const { link } = instance;
    const isCut = this.#lives.chance(cutShare);
    this.#stage.later(this.#lives.exponential(instanceLifeMsMean), () => {
      if (!this.#stage.hasFaults || !instance.isLinked || instance.link !== link) return;
      if (isCut) this.#cut(instance);
      else this.#die(instance);
      this.#detect(instance);
    });
  }

  #cut(instance: SimulatedInstance): void {
    const { cutMsMean, detectionMs } = this.#world.faults;
    const { orphanMs } = this.#world;
    this.#unlink(instance);
    const cutMs = detectionMs + this.#world.linkMs + this.#lives.exponential(cutMsMean);
    this.#stage.later(Math.min(cutMs, orphanMs), () => {
      if (instance.isLinked) return;
      if (cutMs > orphanMs) this.#die(instance);
      else if (this.#stage.isServerUp && !instance.isKnown) this.#join(instance);
    });
  }

  #detect(instance: SimulatedInstance): void {
    const { serverRun } = this.#stage;
    this.#report.lost++;
    this.#stage.later(this.#world.faults.detectionMs, () => {
      if (this.#stage.serverRun === serverRun && instance.isKnown) this.#tellLost(instance, "no heartbeat");
    });
  }

  /** Told when an instance falls silent, and once more when what was left of it is ended. */
  #tellLost(instance: SimulatedInstance, reason: string): void {
    instance.isKnown = false;
    instance.isJoined = false;
    if (!instance.isAlive) this.instances.delete(instance.id);
    this.#stage.tell({ kind: "InstanceLost", instanceId: instance.id, reason });
  }

  #terminate(instanceId: InstanceId): void {
    const instance = this.instances.get(instanceId);
    // A lost instance is told to end once more, in case that something of it is left.
    if (instance === undefined || instance.isTerminating) return;
    if (instance.isKnown && instance.runningCount > 0 && !this.isShuttingDown) {
      violated(`instance ${instanceId} was told to end while ${instance.runningCount} executions run`);
    }
    if (instance.assignedAtEvent === this.#report.events)
      violated(`instance ${instanceId} was assigned and told to end at once`);
    instance.isTerminating = true;
    this.#report.terminated++;
    const { serverRun } = this.#stage;
    this.#stage.later(this.#world.terminateMs, () => {
      if (!instance.isTerminating) return;
      this.#die(instance);
      if (this.#stage.serverRun === serverRun) this.#tellLost(instance, "terminated");
    });
  }

  #assign(instanceId: InstanceId, accountId: AccountId): void {
    const instance = this.#known(instanceId);
    if (instance.isAlive) instance.assign(accountId);
    instance.assignedAtEvent = this.#report.events;
  }

  #die(instance: SimulatedInstance): void {
    if (!instance.isAlive) return;
    this.#unlink(instance);
    instance.isAlive = false;
    this.#kept.delete(instance);
    for (const container of instance.containers.values()) instance.end(container);
    if (!instance.isKnown) this.instances.delete(instance.id);
  }

  #unlink(instance: SimulatedInstance): void {
    instance.isLinked = false;
    instance.link++;
  }

  /** The instance of a command: the core must not speak to what it was told is gone. */
  #known(instanceId: InstanceId): SimulatedInstance {
    const instance = this.instances.get(instanceId);
    if (instance?.isJoined !== true) {
      violated(`a command for instance ${instanceId}, which has not joined or is lost`);
    }
    if (instance.isTerminating) violated(`a command for instance ${instanceId}, which was told to end`);
    return instance;
  }

  // Containers

  #create({ instanceId, containerId, runtime }: Extract<Command, { kind: "CreateContainer" }>): void {
    const instance = this.#known(instanceId);
    if (!instance.isLinked) return;
    const { settings, linkMs, containerStartMsMean } = this.#world;
    const container = new SimulatedContainer(
      containerId,
      instance,
      runtime,
      settings.blankMemoryMiB,
      this.#onContainerDue,
    );
    instance.create(container, settings.creationsPerInstanceMax);
    this.#report.containersCreated++;
    this.#stage.after(2 * linkMs + this.#starts.exponential(containerStartMsMean), container);
  }

  #destroy(instanceId: InstanceId, containerId: ContainerId): void {
    const instance = this.#known(instanceId);
    if (!instance.isLinked) return;
    const container = instance.destroy(containerId);
    if (container !== undefined) this.#endLater(container, 2 * this.#world.linkMs + this.#world.destroyMs, "as asked");
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
    const event = { kind: "ContainerGone", instanceId: instance.id, containerId: container.id, reason } as const;
    this.#stage.tell(event);
    if (this.#world.faults.echoes) this.#stage.tell(event);
  }

  #containerDue(container: SimulatedContainer): void {
    if (container.state === "creating") this.#started(container);
    else if (container.state === "running") this.#executed(container);
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
    this.#stage.tell({ kind: "ContainerReady", instanceId: instance.id, containerId: container.id });
    if (container.isStray && container.state === "blank" && !instance.isTerminating) {
      violated(`the core was told of container ${container.id}, which it did not ask for, and let it be`);
    }
  }

  /** A container may die while nothing runs in it; the news of it may cross an order to run. */
  #planDeath(container: SimulatedContainer): void {
    const { containerDeath } = this.#world.faults;
    if (containerDeath === 0 || !this.#stage.hasFaults || !this.#lives.chance(containerDeath)) return;
    this.#stage.later(this.#lives.exponential(5000), () => {
      if (container.state !== "blank" && container.state !== "idle") return;
      const { instance } = container;
      const { link } = instance;
      instance.end(container);
      this.#stage.later(this.#world.linkMs, () => this.#tellGone(container, link, "died"));
    });
  }

  // Executions

  #run(lease: Lease): void {
    const instance = this.#known(lease.instanceId);
    if (!instance.isLinked) return;
    const container = instance.run(lease);
    const { invocation } = lease;
    if (!(invocation instanceof SimulatedInvocation))
      return violated(`lease ${lease.id} is for an invocation that nobody made`);
    if (container.state === "gone") return this.#runInNothing(container, lease);
    const { caller } = invocation;
    const { timeoutMs } = caller.traits;
    const initMs = lease.start === "cold" ? caller.drawInitMs() : 0;
    const durationMs = caller.drawDurationMs();
    container.outcome = durationMs >= timeoutMs ? "timeout" : "ok";
    container.staysUsable = container.outcome === "ok";
    if (this.#hasExecutionFaults && this.#stage.hasFaults) this.#spoil(container);
    container.wallMs = initMs + Math.min(durationMs, timeoutMs);
    this.#stage.after(2 * this.#world.linkMs + container.wallMs, container);
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
      this.#tellFinished(lease, "agentFault", false, 0);
    });
  }

  #executed(container: SimulatedContainer): void {
    const { instance, lease, outcome, staysUsable, wallMs } = container;
    if (lease === undefined) return violated(`container ${container.id} ran without a lease`);
    instance.finish(container);
    if (instance.isLinked) this.#tellFinished(lease, outcome, staysUsable, wallMs);
    else if (lease.invocation.mode === "asynchronous") this.#keep(instance, { lease, outcome, wallMs });
    if (!staysUsable) this.#endLater(container, this.#world.destroyMs, "not usable any more");
    else this.#planDeath(container);
  }

  #tellFinished(lease: Lease, outcome: Outcome, containerUsable: boolean, wallMs: number): void {
    this.#sink.finished(lease, outcome);
    this.#stage.tell({ kind: "InvocationFinished", leaseId: lease.id, outcome, containerUsable, wallMs });
  }

  #keep(instance: SimulatedInstance, result: KeptResult): void {
    const kept = this.#kept.get(instance);
    if (kept === undefined) this.#kept.set(instance, [result]);
    else kept.push(result);
  }
}
