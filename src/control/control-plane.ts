import type { RejectCode } from "../model/error-code.ts";
import type { Command, Event } from "../model/event.ts";
import type { AccountId, ContainerId, FunctionKey, InstanceId, InvocationId, LeaseId, OfferId } from "../model/ids.ts";
import type { InstanceReport, Shape, SubPool } from "../model/instance.ts";
import type { Invocation, Lease } from "../model/invocation.ts";
import type { RuntimeName } from "../model/runtime.ts";
import type { PoolCounters, PoolsSnapshot } from "../model/snapshot.ts";
import { Admission } from "./admission/admission.ts";
import { WaitQueue } from "./admission/wait-queue.ts";
import { audit } from "./audit.ts";
import { Backoff } from "./backoff.ts";
import { place } from "./placement/place.ts";
import { instanceFrom } from "./pool/adoption.ts";
import { evict } from "./pool/eviction.ts";
import { Container, Instance } from "./pool/instance.ts";
import { Inventory } from "./pool/inventory.ts";
import { isBelowTarget, missingBlanks, surplusIn } from "./pool/refill.ts";
import { Supply } from "./pool/supply.ts";
import type { Settings } from "./settings.ts";
import { snapshot } from "./snapshot.ts";

const SUB_POOLS: readonly SubPool[] = ["fixed", "variable"];

/**
 * The whole control plane: events in, commands out; no I/O, no clock, no randomness, no waiting. The
 * server feeds it what happens in the world and performs its commands; the simulator feeds it a
 * made-up world. See ARCHITECTURE.md.
 *
 * Every invocation that arrives leaves by exactly one of: a RunInvocation whose lease ends with
 * InvocationFinished, a RejectInvocation, or InvocationCancelled while it waited.
 */
export class ControlPlane {
  readonly #settings: Settings;
  readonly #inventory = new Inventory();
  readonly #queue = new WaitQueue();
  readonly #admission: Admission;
  readonly #supply: Supply;
  #commands: Command[] = [];
  #seq = 0;
  /** The time of the event that is being handled. */
  #nowMs = 0;
  /** Something changed that could let a waiting invocation run. */
  #mayDrain = false;
  #refillAtMs: number | undefined;
  #sweepAtMs: number | undefined;
  readonly #launches: Backoff;
  /** Changed or deleted functions whose old state some invocations still wait for: what runs them is not kept. */
  readonly #retiredWaiting = new Set<FunctionKey>();
  /** Until the first Tick instances of an earlier server may join; nothing is launched that they could stand for. */
  #isStarted = false;
  #isShuttingDown = false;
  readonly #counters: { -readonly [name in keyof PoolCounters]: number } = {
    launches: 0,
    launchFailures: 0,
    instancesLost: 0,
    coldStarts: 0,
    warmStarts: 0,
    evictions: 0,
  };

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#admission = new Admission(settings);
    this.#launches = new Backoff(settings.launchBackoffMs);
    this.#supply = new Supply(settings, this.#inventory, this.#queue, {
      createContainer: (instance, runtime) => this.#create(instance, runtime),
      destroyContainer: (container, reason) => this.#destroy(container, reason),
      assignInstance: (instance, { accountId }) => this.#assign(instance, accountId),
      launchInstance: (subPool, shape, reason) => this.#launch(subPool, shape, reason),
      terminateInstance: (instance, reason) => this.#terminate(instance, reason),
    });
  }

  /** When a Tick is wanted; undefined: not at all. May lie in the past when `handle` was called late. */
  get wakeAtMs(): number | undefined {
    if (this.#refillAtMs === undefined) return this.#sweepAtMs;
    return this.#sweepAtMs === undefined ? this.#refillAtMs : Math.min(this.#refillAtMs, this.#sweepAtMs);
  }

  /**
   * Tells the core what happened; the commands are to be performed in their order.
   * @param nowMs never smaller than in an earlier call.
   */
  handle(event: Event, nowMs: number): readonly Command[] {
    this.#commands = [];
    this.#nowMs = nowMs;
    this.#apply(event);
    if (this.#mayDrain) {
      this.#mayDrain = false;
      if (this.#queue.length > 0) this.#drain();
    }
    if (this.#refillAtMs !== undefined && this.#refillAtMs <= nowMs) this.#refill();
    this.#sweepAtMs ??= nowMs + this.#settings.sweepMs;
    return this.#commands;
  }

  /** What must hold between events; a full audit, for tests and simulations. @returns what is wrong. */
  brokenInvariant(): string | undefined {
    return audit(this.#inventory, this.#queue, this.#admission, this.#settings, subPoolOf);
  }

  /** Where everything is, as plain data. */
  snapshot(nowMs: number): PoolsSnapshot {
    return snapshot(this.#inventory, this.#queue, this.#counters, nowMs);
  }

  #apply(event: Event): void {
    switch (event.kind) {
      case "InvocationArrived":
        return this.#arrived(event.invocation);
      case "InvocationFinished":
        return this.#finished(event.leaseId, event.containerUsable);
      case "InvocationCancelled":
        return this.#cancelled(event.invocationId);
      case "InstanceJoined":
        return this.#joined(event.report);
      case "LaunchFailed":
        return this.#launchFailed(event.instanceId);
      case "InstanceLost":
        return this.#lost(event.instanceId);
      case "ContainerReady":
        return this.#containerReady(event.instanceId, event.containerId);
      case "ContainerGone":
        return this.#containerGone(event.instanceId, event.containerId);
      case "FunctionRetired":
        return this.#retired(event.functionKey);
      case "ShutdownBegan":
        return this.#shutdownBegan();
      case "OffersChanged":
      case "AccountCapacityChanged":
      case "InstanceAtRisk":
      case "ReclaimNoticed":
      case "WallClockSet":
      case "ContainerPrewarmed":
        return;
      case "Tick":
        return this.#tick();
      default:
        event satisfies never;
    }
  }

  // Invocations

  #arrived(invocation: Invocation): void {
    if (this.#isShuttingDown) return this.#reject(invocation, "SHUTTING_DOWN");
    const refusal = this.#admission.admit(invocation, this.#queue.length);
    if (refusal !== undefined) return this.#reject(invocation, refusal);
    // Whoever waits for the same function was here first.
    if (this.#queue.lengthOf(invocation.functionKey) === 0) {
      const container = place(this.#inventory, invocation, subPoolOf(invocation));
      if (container !== undefined) return this.#lease(container, invocation);
    }
    this.#queue.push(invocation, this.#nowMs);
    this.#mayDrain = true;
  }

  #lease(container: Container, invocation: Invocation): void {
    const { instance } = container;
    const start = container.state === "idle" ? "warm" : "cold";
    if (start === "warm") {
      this.#counters.warmStarts++;
      this.#inventory.forgetIdle(container);
    } else {
      this.#counters.coldStarts++;
      // Only now has a launch led to anything: an instance may join and yet be of no use.
      this.#launches.succeeded();
      if (instance.place === "warming") this.#assign(instance, invocation.accountId);
      instance.resize(container, invocation.memoryMiB);
      instance.usedRuntimes.add(container.runtime);
      container.functionKey = invocation.functionKey;
      this.#wantRefill(this.#nowMs + this.#settings.refillDelayMs);
    }
    const lease: Lease = {
      id: this.#newId("l") as LeaseId,
      invocation,
      instanceId: instance.id,
      containerId: container.id,
      start,
      placement: {
        subPool: instance.subPool,
        offerId: instance.offerId,
        priceUsdPerHour: undefined,
        why: "",
        waitedMs: 0,
        waitedFor: [],
      },
    };
    container.lease = lease;
    container.isRetired = this.#retiredWaiting.has(invocation.functionKey);
    instance.enter(container, "running", this.#nowMs);
    this.#inventory.leases.set(lease.id, container);
    this.#commands.push({ kind: "RunInvocation", lease });
  }

  /** The one place where a lease is given back. */
  #endLease(container: Container): Invocation | undefined {
    const { lease } = container;
    if (lease === undefined) return undefined;
    container.lease = undefined;
    container.instance.lastUsedMs = this.#nowMs;
    this.#inventory.leases.delete(lease.id);
    this.#admission.release(lease.invocation.accountId);
    this.#mayDrain = true;
    return lease.invocation;
  }

  #finished(leaseId: LeaseId, containerUsable: boolean): void {
    const container = this.#inventory.leases.get(leaseId);
    if (container === undefined) return; // The instance went first; the invocation was answered then.
    this.#endLease(container);
    if (!containerUsable) return container.instance.enter(container, "leaving", this.#nowMs);
    container.instance.enter(container, "idle", this.#nowMs);
    this.#inventory.rememberIdle(container);
    if (container.isRetired) this.#destroy(container, "its function was changed or deleted");
  }

  #cancelled(invocationId: InvocationId): void {
    const invocation = this.#queue.remove(invocationId);
    if (invocation !== undefined) this.#admission.release(invocation.accountId);
  }

  #reject(invocation: Invocation, code: RejectCode): void {
    this.#commands.push({ kind: "RejectInvocation", invocation, code });
  }

  #rejectAdmitted(invocation: Invocation, code: RejectCode): void {
    this.#admission.release(invocation.accountId);
    this.#reject(invocation, code);
  }

  /** Places what waits, one of each function per round, and brings about room for the rest. */
  #drain(): void {
    let waiting = [...this.#queue.functionKeys()];
    while (waiting.length > 0) {
      waiting = waiting.filter((functionKey) => this.#placeHead(functionKey));
    }
    if (this.#queue.length > 0 && !this.#isShuttingDown) {
      const launchAllowed = this.#isStarted && this.#launches.allows(this.#nowMs);
      this.#supply.run(subPoolOf, launchAllowed, this.#nowMs);
    }
  }

  /** @returns whether an invocation of the function was placed and the next one may be tried. */
  #placeHead(functionKey: FunctionKey): boolean {
    const head = this.#queue.head(functionKey);
    if (head === undefined) return false;
    const container = place(this.#inventory, head, subPoolOf(head));
    if (container === undefined) return false;
    this.#queue.take(functionKey);
    this.#lease(container, head);
    return true;
  }

  // Containers

  #create(instance: Instance, runtime: RuntimeName): void {
    const id = this.#newId("c") as ContainerId;
    instance.add(new Container(id, instance, runtime, this.#settings.blankMemoryMiB, this.#nowMs));
    this.#commands.push({ kind: "CreateContainer", instanceId: instance.id, containerId: id, runtime, reason: "" });
  }

  #destroy(container: Container, reason: string): void {
    const { instance } = container;
    if (container.state === "idle") {
      this.#counters.evictions++;
      this.#inventory.forgetIdle(container);
    }
    instance.enter(container, "leaving", this.#nowMs);
    this.#commands.push({ kind: "DestroyContainer", instanceId: instance.id, containerId: container.id, reason });
  }

  #containerReady(instanceId: InstanceId, containerId: ContainerId): void {
    const instance = this.#inventory.instances.get(instanceId);
    if (instance === undefined || instance.place === "draining") return;
    const container = instance.containers.get(containerId);
    if (container === undefined) {
      // An earlier server asked for it and nobody counts it: it goes.
      const reason = "no server of now asked for it";
      this.#commands.push({ kind: "DestroyContainer", instanceId, containerId, reason });
      return;
    }
    if (container.state !== "creating") return; // Told to go before it was there.
    instance.enter(container, "blank", this.#nowMs);
    instance.creations.succeeded();
    this.#mayDrain = true;
    this.#wantRefill(this.#nowMs);
  }

  #containerGone(instanceId: InstanceId, containerId: ContainerId): void {
    const container = this.#inventory.containerOf(instanceId, containerId);
    if (container === undefined) return;
    const { instance } = container;
    if (container.state === "creating") this.#backOffCreation(instance);
    if (container.state === "idle") this.#inventory.forgetIdle(container);
    const cutOff = this.#endLease(container);
    instance.remove(container);
    if (cutOff !== undefined) this.#reject(cutOff, "INSTANCE_LOST");
    this.#mayDrain = true;
    this.#wantRefill(this.#nowMs);
  }

  #backOffCreation(instance: Instance): void {
    instance.creations.failed(this.#nowMs);
    const isHopeless = instance.creations.failures >= this.#settings.createFailuresMax && instance.runningCount === 0;
    if (!isHopeless || instance.place === "draining") return;
    this.#terminate(instance, "it cannot make containers");
    this.#backOffLaunch(); // The next one may fare no better.
  }

  #retired(functionKey: FunctionKey): void {
    for (const container of [...this.#inventory.idleOf(functionKey)]) {
      this.#destroy(container, "its function was changed or deleted");
    }
    for (const container of this.#inventory.leases.values()) {
      if (container.functionKey === functionKey) container.isRetired = true;
    }
    if (this.#queue.lengthOf(functionKey) > 0) this.#retiredWaiting.add(functionKey);
  }

  // Instances

  #launch(subPool: SubPool, shape: Shape, reason: string): Instance {
    const instance = new Instance(
      this.#newId("i") as InstanceId,
      subPool,
      "host" as OfferId,
      shape,
      this.#settings,
      this.#nowMs,
    );
    this.#inventory.add(instance);
    this.#counters.launches++;
    this.#commands.push({
      kind: "LaunchInstance",
      instanceId: instance.id,
      offerId: instance.offerId,
      subPool,
      shape,
      bidUsdPerHour: undefined,
      reason,
    });
    return instance;
  }

  /** From warming to active, for one account and for good. */
  #assign(instance: Instance, accountId: AccountId): void {
    this.#inventory.assign(instance, accountId, this.#nowMs);
    instance.lastUsedMs = this.#nowMs;
    this.#commands.push({ kind: "AssignInstance", instanceId: instance.id, accountId });
    this.#wantRefill(this.#nowMs + this.#settings.refillDelayMs);
  }

  #terminate(instance: Instance, reason: string): void {
    for (const container of [...instance.containers.values()]) {
      if (container.state === "idle") this.#inventory.forgetIdle(container);
      if (container.state !== "leaving" && container.state !== "running") {
        instance.enter(container, "leaving", this.#nowMs);
      }
    }
    this.#inventory.move(instance, "draining", this.#nowMs);
    this.#commands.push({ kind: "TerminateInstance", instanceId: instance.id, reason });
  }

  #joined(report: InstanceReport): void {
    const known = this.#inventory.instances.get(report.instanceId);
    if (known?.place === "launching") return this.#launched(known);
    // An agent that was told to end, or that comes back after its loss was answered for: it is of no more use.
    if (known !== undefined) return;
    this.#adopt(report);
  }

  #launched(instance: Instance): void {
    this.#inventory.move(instance, "warming", this.#nowMs);
    this.#mayDrain = true;
    this.#wantRefill(this.#nowMs);
  }

  /** Takes over an instance of an earlier server with all it holds and runs. */
  #adopt(report: InstanceReport): void {
    const instance = instanceFrom(report, this.#settings, this.#nowMs);
    this.#inventory.add(instance);
    if (report.accountId !== undefined) this.#inventory.assign(instance, report.accountId, this.#nowMs);
    for (const container of instance.containers.values()) {
      if (container.state === "idle") this.#inventory.rememberIdle(container);
      if (container.lease === undefined) continue;
      this.#inventory.leases.set(container.lease.id, container);
      this.#admission.adopt(container.lease.invocation.accountId);
    }
    // Two servers in a row may have ordered more than fits, each unaware of what the other had under way.
    for (const container of evict(instance, undefined, -instance.freeMemoryMiB) ?? []) {
      this.#destroy(container, "the instance holds more than its size");
    }
    this.#mayDrain = true;
    this.#wantRefill(this.#nowMs);
  }

  #launchFailed(instanceId: InstanceId): void {
    const instance = this.#inventory.instances.get(instanceId);
    if (instance?.place !== "launching") return;
    this.#inventory.remove(instance);
    this.#backOffLaunch();
  }

  #backOffLaunch(): void {
    this.#counters.launchFailures++;
    this.#launches.failed(this.#nowMs);
    this.#wantRefill(this.#launches.notBeforeMs);
  }

  #lost(instanceId: InstanceId): void {
    const instance = this.#inventory.instances.get(instanceId);
    if (instance === undefined) return;
    const wasAsked = instance.place === "draining";
    const wasLaunching = instance.place === "launching";
    for (const { lease } of this.#inventory.remove(instance)) {
      if (lease !== undefined) this.#rejectAdmitted(lease.invocation, "INSTANCE_LOST");
    }
    if (wasLaunching) this.#backOffLaunch();
    if (!wasAsked && !wasLaunching) this.#counters.instancesLost++;
    // What is left of it (a process, a cgroup) must go, whatever happened.
    if (!wasAsked) this.#commands.push({ kind: "TerminateInstance", instanceId, reason: "it was lost" });
    this.#mayDrain = true;
    this.#wantRefill(this.#nowMs);
  }

  // Time

  #wantRefill(atMs: number): void {
    if (this.#refillAtMs === undefined || atMs < this.#refillAtMs) this.#refillAtMs = atMs;
  }

  /** Brings blank containers and warming instances back to their targets; those who wait come first. */
  #refill(): void {
    this.#refillAtMs = undefined;
    if (this.#isShuttingDown) return;
    for (const place of ["active", "warming"] as const) {
      for (const instance of this.#inventory.at(place)) this.#refillBlanks(instance);
    }
    if (this.#queue.length > 0 || !this.#isStarted) return;
    if (!this.#launches.allows(this.#nowMs)) return this.#wantRefill(this.#launches.notBeforeMs);
    for (const subPool of SUB_POOLS) {
      while (isBelowTarget(this.#inventory, subPool, this.#settings)) {
        this.#launch(subPool, this.#settings.defaultShape, "the warming pool is below its target");
      }
    }
  }

  #refillBlanks(instance: Instance): void {
    for (;;) {
      const runtime = missingBlanks(instance, this.#settings, this.#nowMs);
      if (runtime === undefined) return;
      this.#create(instance, runtime);
    }
  }

  #tick(): void {
    if (!this.#isStarted) {
      this.#isStarted = true;
      this.#mayDrain = true;
      this.#wantRefill(this.#nowMs);
    }
    if (this.#sweepAtMs === undefined || this.#nowMs < this.#sweepAtMs) return;
    this.#sweepAtMs = undefined;
    this.#refuseOverdue();
    for (const functionKey of this.#retiredWaiting) {
      if (this.#queue.lengthOf(functionKey) === 0) this.#retiredWaiting.delete(functionKey);
    }
    if (this.#isShuttingDown) return;
    this.#endIdleContainers();
    this.#endIdleInstances();
    this.#endOverdueLaunches();
    this.#mayDrain = true;
    this.#wantRefill(this.#nowMs);
  }

  #refuseOverdue(): void {
    const code = this.#launches.failures > 0 ? "LAUNCH_FAILED" : "NO_CAPACITY";
    for (const invocation of this.#queue.takeOlderThan(this.#nowMs - this.#settings.waitMsMax)) {
      this.#rejectAdmitted(invocation, code);
    }
  }

  #endIdleContainers(): void {
    const beforeMs = this.#nowMs - this.#settings.keepAliveMs;
    for (const idle of [...this.#inventory.idleFunctions()]) {
      for (const container of [...idle]) {
        if (container.sinceMs > beforeMs) break; // The least recently used stand first.
        this.#destroy(container, "idle for longer than it is kept");
      }
    }
  }

  #endIdleInstances(): void {
    const { instanceIdleMs } = this.#settings;
    for (const instance of [...this.#inventory.at("active")]) {
      const isIdle = instance.runningCount === 0 && instance.idleCount === 0 && instance.creatingTotal() === 0;
      if (isIdle && this.#nowMs - instance.lastUsedMs >= instanceIdleMs) {
        this.#terminate(instance, "idle for longer than it is kept");
      }
    }
    for (const subPool of SUB_POOLS) {
      const surplus = surplusIn(this.#inventory, subPool, this.#settings, this.#nowMs);
      if (surplus !== undefined) this.#terminate(surplus, "the warming pool is above its target");
    }
  }

  #endOverdueLaunches(): void {
    for (const instance of [...this.#inventory.at("launching")]) {
      if (this.#nowMs - instance.sinceMs < this.#settings.launchMsMax) continue;
      this.#terminate(instance, "its agent did not join in time");
      this.#backOffLaunch();
    }
  }

  #shutdownBegan(): void {
    this.#isShuttingDown = true;
    for (const invocation of this.#queue.takeOlderThan(this.#nowMs)) this.#rejectAdmitted(invocation, "SHUTTING_DOWN");
  }

  #newId(kind: "i" | "c" | "l"): string {
    return `${kind}-${this.#settings.idPrefix}${(this.#seq++).toString(36)}`;
  }
}

/** Which sub-pool serves an account is the account's setting alone (A7); all are fixed until accounts can say otherwise. */
function subPoolOf(_invocation: Invocation): SubPool {
  return "fixed";
}
