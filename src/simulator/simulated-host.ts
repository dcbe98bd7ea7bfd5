import type { RejectCode } from "../model/error-code.ts";
import type { Command } from "../model/event.ts";
import type { AccountId, FunctionKey, InstanceId, InvocationId } from "../model/ids.ts";
import type { Lease } from "../model/invocation.ts";
import { ContainerWork, containerOf, type ResultSink } from "./container-work.ts";
import type { Known } from "./known.ts";
import { LaunchChecks } from "./launch-checks.ts";
import { checkPlacement } from "./placement-checks.ts";
import type { Random } from "./random.ts";
import type { Report } from "./report.ts";
import { SimulatedInstance } from "./simulated-instance.ts";
import type { SimulatedMarket } from "./simulated-market.ts";
import type { SimulatedSizes } from "./simulated-sizes.ts";
import type { Stage } from "./stage.ts";
import { violated } from "./violation.ts";
import type { World } from "./world.ts";

/** Agents without a server dial again after at most this long. */
const REDIAL_MS_MAX = 2000;

/** Who hears of executions, and of what agents that join bring with them. */
export type HostSink = ResultSink & {
  /** An agent that joins says that it executes the invocation, or holds its result. */
  adopted(invocationId: InvocationId): void;
};

export type HostParts = {
  readonly world: World;
  readonly random: Random;
  readonly stage: Stage;
  readonly report: Report;
  readonly known: Known;
  readonly market: SimulatedMarket;
  readonly sizes: SimulatedSizes;
  readonly sink: HostSink;
};

/**
 * All instances, wherever they come from: boots them, lets agents join, dies, cuts links, and tells the server
 * what the agents see. Every message takes `linkMs`; an instance with a cut link goes on by itself.
 */
export class SimulatedHost {
  readonly instances = new Map<InstanceId, SimulatedInstance>();
  readonly #world: World;
  readonly #stage: Stage;
  readonly #report: Report;
  readonly #known: Known;
  readonly #market: SimulatedMarket;
  readonly #sink: HostSink;
  readonly #work: ContainerWork;
  readonly #launchChecks: LaunchChecks;
  readonly #launches: Random;
  readonly #lives: Random;
  /** Functions of which the core of now was told that they serve nobody any more. */
  readonly #retired = new Set<FunctionKey>();
  isShuttingDown = false;
  /** A booted instance begins its life. */
  onBooted: (instance: SimulatedInstance) => void = () => {};
  /** An instance of an earlier server has joined this one. */
  onAdopted: (instance: SimulatedInstance) => void = () => {};

  constructor({ world, random, stage, report, known, market, sizes, sink }: HostParts) {
    this.#world = world;
    this.#stage = stage;
    this.#report = report;
    this.#known = known;
    this.#market = market;
    this.#sink = sink;
    this.#work = new ContainerWork(world, random, stage, report, known, sizes, sink);
    this.#launchChecks = new LaunchChecks(world, stage, report, known, this.instances);
    this.#launches = random.fork("launches");
    this.#lives = random.fork("lives");
  }

  perform(command: Exclude<Command, { kind: "RejectInvocation" }>): void {
    if ("reason" in command && command.reason.trim() === "") violated(`a ${command.kind} has no reason`);
    switch (command.kind) {
      case "RunInvocation":
        return this.#run(command.lease);
      case "LaunchInstance":
        return this.#launch(command);
      case "TerminateInstance":
        return this.#terminate(command.instanceId);
      case "AssignInstance":
        return this.#assign(command.instanceId, command.accountId);
      case "CreateContainer": {
        const instance = this.#usable(command.instanceId, command.kind);
        return instance.isLinked ? this.#work.create(instance, command) : undefined;
      }
      case "PrewarmContainer": {
        const instance = this.#usable(command.instanceId, command.kind);
        const { containerId, functionKey, grant } = command;
        if (this.#retired.has(functionKey)) violated(`${functionKey} was to be loaded, which is retired`);
        return instance.isLinked ? this.#work.prewarm(instance, containerId, functionKey, grant) : undefined;
      }
      case "DestroyContainer": {
        const instance = this.#joined(command.instanceId);
        return instance.isLinked ? this.#work.destroy(instance, command.containerId) : undefined;
      }
      default:
        command satisfies never;
    }
  }

  /** The core answers for an execution of which it was told no end. */
  answeredFor(lease: Lease, code: RejectCode): void {
    const { id } = lease;
    const instance = this.instances.get(lease.instanceId);
    const container = containerOf(this.instances, lease);
    if (instance === undefined || !instance.isKnown) {
      const expected = instance?.deadlineToldMs === undefined ? "INSTANCE_LOST" : "RECLAIMED";
      if (instance !== undefined && code !== expected) violated(`lease ${id} on a lost instance ended with ${code}`);
      return;
    }
    if (container?.isGoneTold !== false) {
      if (code !== "INSTANCE_LOST") violated(`lease ${id} of a container that is gone ended with ${code}`);
      return;
    }
    this.#checkCutOff(instance, id, code);
    instance.countNoMore(container);
    this.#work.release(lease);
  }

  /** The same for an execution that an earlier server began. */
  answeredForAdopted(invocationId: InvocationId, code: RejectCode): void {
    for (const instance of this.instances.values()) {
      if (instance.knownLeases === 0) continue;
      for (const { knownLease } of instance.containers.values()) {
        if (knownLease?.invocation.id === invocationId) return this.answeredFor(knownLease, code);
      }
    }
  }

  /** The core was just told that the function was changed. */
  retire(functionKey: FunctionKey): void {
    this.#retired.add(functionKey);
    for (const instance of this.instances.values()) {
      if (!instance.isLinked) continue;
      for (const container of instance.containers.values()) {
        if (container.functionKey === functionKey) container.isRetired = true;
      }
    }
  }

  /** The server was killed: links are cut, and nobody knows the instances any more. */
  serverDied(): void {
    this.#retired.clear();
    for (const instance of this.instances.values()) {
      this.#unlink(instance);
      instance.forget();
      instance.earlyDeadlineMs = undefined;
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
    this.#retired.clear();
    for (const instance of this.instances.values()) this.#die(instance);
    this.instances.clear();
  }

  serverCame(): void {
    for (const instance of this.instances.values()) if (instance.isBooted) this.#dial(instance);
  }

  /** Whoever lent the instance takes it back. */
  takeAway(instance: SimulatedInstance): void {
    if (!instance.isAlive) return;
    this.#report.taken++;
    this.#die(instance);
    this.#detect(instance);
  }

  #launch(command: Extract<Command, { kind: "LaunchInstance" }>): void {
    const { instanceId, subPool, offerId, shape } = command;
    const { faults, settings, bootMsMean } = this.#world;
    if (this.isShuttingDown) violated(`instance ${instanceId} was launched after the shutdown began`);
    if (this.instances.has(instanceId)) violated(`instance ${instanceId} exists already`);
    const instance = new SimulatedInstance(instanceId, subPool, offerId, shape, this.#stage.nowMs);
    this.instances.set(instanceId, instance);
    this.#report.launched++;
    this.#launchChecks.check(command);
    const hasFaults = this.#stage.hasFaults;
    if (this.#market.isRefused(offerId) || !this.#isRoom(instance)) {
      return this.#failLaunch(instance, "INSUFFICIENT_CAPACITY");
    }
    if (hasFaults && this.#launches.chance(faults.launchFailure)) return this.#failLaunch(instance, "LAUNCH_FAILED");
    if (hasFaults && this.#launches.chance(faults.launchHang)) return;
    const bootMs = Math.min(settings.launchMsMax / 2, this.#launches.exponential(bootMsMean));
    const isLate = hasFaults && faults.launchLate > 0 && this.#launches.chance(faults.launchLate);
    this.#boot(instance, isLate ? settings.launchMsMax + bootMs : bootMs);
  }

  #boot(instance: SimulatedInstance, bootMs: number): void {
    this.#stage.later(bootMs, () => {
      if (!instance.isAlive) return;
      instance.isBooted = true;
      this.onBooted(instance);
      if (this.#stage.isServerUp) this.#join(instance);
    });
  }

  #isRoom({ offerId }: SimulatedInstance): boolean {
    let takenMiB = 0;
    for (const { isAlive, offerId: own, shape } of this.instances.values()) {
      if (isAlive && own === offerId) takenMiB += shape.memoryMiB;
    }
    return takenMiB <= this.#market.capacityMiBOf(offerId);
  }

  /** A ghost was said to have failed and comes all the same. */
  #failLaunch(instance: SimulatedInstance, code: "LAUNCH_FAILED" | "INSUFFICIENT_CAPACITY"): void {
    const { launchGhost, echoes } = this.#world.faults;
    const isGhost = code === "LAUNCH_FAILED" && launchGhost > 0 && this.#launches.chance(launchGhost);
    instance.isAlive = isGhost;
    if (isGhost) this.#boot(instance, 2 * this.#world.linkMs + this.#launches.exponential(this.#world.bootMsMean));
    const { serverRun } = this.#stage;
    this.#stage.later(this.#world.linkMs, () => {
      if (this.#stage.serverRun !== serverRun || !instance.isKnown) return;
      if (!instance.isJoined) instance.forget(); // It may as well have come before the word that it never will.
      if (!isGhost) this.instances.delete(instance.id);
      this.#known.failed(instance.offerId, this.#stage.nowMs);
      this.#stage.tell({ kind: "LaunchFailed", instanceId: instance.id, code });
      if (echoes) this.#stage.tell({ kind: "LaunchFailed", instanceId: instance.id, code });
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
    // The server refuses the agents of instances that it is ending, and a second one until the loss of the first was noticed.
    if (!instance.isAlive || instance.isJoined || instance.isTerminating) return;
    const isAdopted = !instance.isKnown;
    if (isAdopted) instance.beAdopted();
    instance.isLinked = true;
    instance.isKnown = true;
    instance.isJoined = true;
    this.#report.joined++;
    this.#planEnd(instance);
    const kept = this.#work.takeKept(instance);
    for (const { lease } of kept) this.#sink.adopted(lease.invocation.id);
    const report = instance.report(this.#world.settings.blankMemoryMiB);
    this.#countRunning(instance);
    this.#stage.tell({ kind: "InstanceJoined", report });
    for (const { lease, outcome, wallMs } of kept) {
      this.#sink.finishedLate(lease, outcome);
      this.#stage.tell({ kind: "InvocationFinished", leaseId: lease.id, outcome, containerUsable: true, wallMs });
    }
    if (isAdopted) this.onAdopted(instance);
  }

  /** What an agent says that it executes, the core counts from now on. */
  #countRunning(instance: SimulatedInstance): void {
    for (const container of instance.containers.values()) {
      const { lease } = container;
      if (lease === undefined) continue;
      this.#sink.adopted(lease.invocation.id);
      instance.count(container, lease);
      this.#known.adopted(lease.invocation);
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
    for (const container of instance.containers.values()) {
      const lease = instance.countNoMore(container);
      if (lease !== undefined) this.#work.release(lease);
    }
    instance.forget();
    this.#known.failed(instance.offerId, this.#stage.nowMs);
    this.#stage.tell({ kind: "InstanceLost", instanceId: instance.id, reason });
    if (!instance.isAlive) this.instances.delete(instance.id);
  }

  #terminate(instanceId: InstanceId): void {
    const instance = this.instances.get(instanceId);
    // A lost instance is told to end once more, in case that something of it is left.
    if (instance === undefined || instance.isTerminating || (!instance.isAlive && !instance.isKnown)) return;
    if (instance.knownLeases > 0 && !this.isShuttingDown) {
      violated(`instance ${instanceId} was told to end while ${instance.knownLeases} executions run`);
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
    const instance = this.#unnoticed(instanceId, "AssignInstance");
    if (instance.isAlive) instance.assign(accountId);
    instance.assignedAtEvent = this.#report.events;
  }

  #run(lease: Lease): void {
    const instance = this.#joined(lease.instanceId);
    checkPlacement(lease, instance, this.instances, this.#known, this.#stage.nowMs, this.#report);
    if (instance.isLinked) this.#work.run(instance, lease);
    else this.#work.orderLost(instance, lease);
  }

  #die(instance: SimulatedInstance): void {
    if (!instance.isAlive) return;
    this.#unlink(instance);
    instance.isAlive = false;
    this.#work.endAll(instance);
    if (!instance.isKnown) this.instances.delete(instance.id);
  }

  #unlink(instance: SimulatedInstance): void {
    instance.isLinked = false;
    instance.link++;
  }

  /** The instance of a command: the core must not speak to what it was told is gone. */
  #joined(instanceId: InstanceId): SimulatedInstance {
    const instance = this.instances.get(instanceId);
    if (instance?.isJoined !== true) {
      violated(`a command for instance ${instanceId}, which has not joined or is lost`);
    }
    if (instance.isTerminating) violated(`a command for instance ${instanceId}, which was told to end`);
    return instance;
  }

  #unnoticed(instanceId: InstanceId, what: Command["kind"]): SimulatedInstance {
    const instance = this.#joined(instanceId);
    if (instance.deadlineToldMs !== undefined) violated(`a ${what} for instance ${instanceId} after its notice`);
    return instance;
  }

  /** Of a command that puts something new on it. */
  #usable(instanceId: InstanceId, what: Command["kind"]): SimulatedInstance {
    const instance = this.#unnoticed(instanceId, what);
    if (instance.isAtRiskTold) violated(`a ${what} for instance ${instanceId}, which is at risk`);
    if (instance.isPressedTold) violated(`a ${what} for instance ${instanceId}, whose memory is nearly used up`);
    return instance;
  }

  /** Only what would not end in time is cut off, and not before its time. */
  #checkCutOff({ id, deadlineToldMs }: SimulatedInstance, leaseId: string, code: string): void {
    if (code !== "RECLAIMED") violated(`lease ${leaseId} was refused with ${code} while it runs`);
    if (deadlineToldMs === undefined) return violated(`lease ${leaseId} was cut off on ${id}, which nobody takes away`);
    const { reclaimReserveMs } = this.#world.settings;
    if (this.#stage.nowMs < deadlineToldMs - reclaimReserveMs) {
      violated(`lease ${leaseId} was cut off ${deadlineToldMs - this.#stage.nowMs} ms before the end of ${id}`);
    }
  }
}
