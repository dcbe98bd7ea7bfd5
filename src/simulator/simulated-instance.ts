import type { Grant } from "../model/grant.ts";
import type { AccountId, ContainerId, FunctionKey, InstanceId, OfferId } from "../model/ids.ts";
import type { ContainerReport, InstanceReport, Shape, SubPool } from "../model/instance.ts";
import type { Lease, Outcome } from "../model/invocation.ts";
import type { RuntimeName } from "../model/runtime.ts";
import type { Happening } from "./stage.ts";
import { violated } from "./violation.ts";

/** `ending`: on its way out, its memory still taken. `gone`: nothing of it is left. */
export type SimulatedContainerState = "creating" | "blank" | "prewarming" | "running" | "idle" | "ending" | "gone";

/** A container as its agent has it. Due when it is ready, or when its execution ends. */
export class SimulatedContainer implements Happening {
  readonly id: ContainerId;
  readonly instance: SimulatedInstance;
  readonly runtime: RuntimeName;
  readonly #onDue: (container: SimulatedContainer) => void;
  state: SimulatedContainerState = "creating";
  functionKey: FunctionKey | undefined = undefined;
  /** What it is counted with. */
  memoryMiB: number;
  /** What its function states; 0 while it is blank. */
  requestedMiB = 0;
  limitMiB: number;
  /** What it got when it became a function's; undefined: it is blank. */
  grant: Grant | undefined = undefined;
  /** What it may need beyond what it is counted with, as the core of now was told. */
  swingMiB = 0;
  /** What it really holds; of the execution that runs, or of the last one. */
  usedMiB = 0;
  /** How often its limit was raised in the execution that runs. */
  rescues = 0;
  isStalled = false;
  /** What it takes on a whole processor; undefined: nobody can tell. */
  computedMs: number | undefined = undefined;
  lease: Lease | undefined = undefined;
  /** What the core believes to run in it: ordered or reported, and neither ended nor answered for as far as it was told. */
  knownLease: Lease | undefined = undefined;
  /** How the execution that runs will end. */
  outcome: Outcome = "ok";
  staysUsable = true;
  wallMs = 0;
  /** Of it, for what a cold start adds. */
  initMs: number | undefined = undefined;
  /** It loaded its function ahead of a call. */
  isInitializedAhead = false;
  /** The core was told that its function was changed. */
  isRetired = false;
  /** Ordered by an earlier server and still being made when the agent joined this one, which knows nothing of it. */
  isStray = false;
  /** The core was told that it is gone. */
  isGoneTold = false;

  constructor(
    id: ContainerId,
    instance: SimulatedInstance,
    runtime: RuntimeName,
    memoryMiB: number,
    onDue: (container: SimulatedContainer) => void,
  ) {
    this.id = id;
    this.instance = instance;
    this.runtime = runtime;
    this.memoryMiB = memoryMiB;
    this.limitMiB = memoryMiB;
    this.#onDue = onDue;
  }

  happen(): void {
    this.#onDue(this);
  }
}

/**
 * An instance with its agent and containers: does what the core commands, and swears that no
 * command breaks what must hold. It knows nothing of the core's own books, so an error that the
 * core makes in them consistently shows here.
 */
export class SimulatedInstance {
  readonly id: InstanceId;
  readonly subPool: SubPool;
  readonly offerId: OfferId;
  readonly shape: Shape;
  readonly bornMs: number;
  readonly containers = new Map<ContainerId, SimulatedContainer>();
  accountId: AccountId | undefined = undefined;
  heldMiB = 0;
  runningCount = 0;
  creatingCount = 0;
  /** It exists on the host. */
  isAlive = true;
  /** Its agent has a link to the server that is up now. */
  isLinked = false;
  /** The core counts on it: launched or joined, and not reported as failed or lost. */
  isKnown = true;
  /** The core was told that it joined, and not that it is lost. */
  isJoined = false;
  /** Its agent has started; it dials whenever it has no link. */
  isBooted = false;
  isTerminating = false;
  /** Executions on it that the core counts. */
  knownLeases = 0;
  /** When it is really taken away; undefined: nobody has decided that yet. */
  endsAtMs: number | undefined = undefined;
  /** The core of now was told that its memory is nearly used up, and has not been told otherwise. */
  isPressedTold = false;
  /** What the core of now was told: that it may go soon, and when it goes. */
  isAtRiskTold = false;
  deadlineToldMs: number | undefined = undefined;
  /** The same, told while the core knew nothing of it: it holds from when it joins. */
  earlyDeadlineMs: number | undefined = undefined;
  /** Number of the event upon which it was assigned. */
  assignedAtEvent = -1;
  /** Links so far; a message on an earlier one does not arrive. */
  link = 0;

  constructor(id: InstanceId, subPool: SubPool, offerId: OfferId, shape: Shape, bornMs: number) {
    this.bornMs = bornMs;
    this.id = id;
    this.subPool = subPool;
    this.offerId = offerId;
    this.shape = shape;
  }

  /** The core forgets it, or a new core knows nothing of it. */
  forget(): void {
    this.isKnown = false;
    this.isJoined = false;
    this.knownLeases = 0;
    for (const container of this.containers.values()) container.knownLease = undefined;
  }

  /** It joins as one of which nothing is known but what was said since it was known last. */
  beAdopted(): void {
    this.isAtRiskTold = false;
    this.isPressedTold = false;
    this.deadlineToldMs = this.earlyDeadlineMs;
    this.earlyDeadlineMs = undefined;
  }

  /** The core counts an execution in this container. */
  count(container: SimulatedContainer, lease: Lease): void {
    container.knownLease = lease;
    this.knownLeases++;
  }

  /** @returns the execution that the core counts no more; undefined: it counted none. */
  countNoMore(container: SimulatedContainer): Lease | undefined {
    const { knownLease } = container;
    if (knownLease === undefined) return undefined;
    container.knownLease = undefined;
    this.knownLeases--;
    return knownLease;
  }

  /** What the core must take for free: what is gone counts until it was told so. */
  get freeMiBTold(): number {
    let free = this.shape.memoryMiB;
    for (const { isGoneTold, isStray, memoryMiB } of this.containers.values()) {
      if (!isGoneTold && !isStray) free -= memoryMiB;
    }
    return free;
  }

  /** What it keeps free, so that one container at a time may be at its most. */
  get swingMiBTold(): number {
    let largest = 0;
    for (const { isGoneTold, isStray, swingMiB } of this.containers.values()) {
      if (!isGoneTold && !isStray) largest = Math.max(largest, swingMiB);
    }
    return largest;
  }

  /** What its containers really hold. @param idleShare of what idle ones needed last. */
  usedMiB(idleShare: number): number {
    let usedMiB = 0;
    for (const { state, usedMiB: own } of this.containers.values()) {
      if (state === "running") usedMiB += own;
      else if (state === "idle") usedMiB += own * idleShare;
    }
    return usedMiB;
  }

  assign(accountId: AccountId): void {
    if (this.accountId !== undefined)
      violated(`instance ${this.id} of ${this.accountId} was assigned again, to ${accountId}`);
    this.accountId = accountId;
  }

  create(container: SimulatedContainer, creationsMax: number): void {
    if (this.containers.has(container.id)) violated(`container ${container.id} exists already`);
    this.containers.set(container.id, container);
    this.creatingCount++;
    if (this.creatingCount > creationsMax)
      violated(`instance ${this.id} was told to start ${this.creatingCount} containers at once`);
    this.#hold(container.memoryMiB);
  }

  /** @returns the container that runs it; a `gone` one when it died before the core knew. */
  run(lease: Lease): SimulatedContainer {
    const { invocation, start } = lease;
    const container = this.#container(lease.containerId);
    if (container.isGoneTold)
      violated(`lease ${lease.id} is for container ${container.id}, which the core knew to be gone`);
    if (this.accountId !== invocation.accountId) {
      violated(
        `instance ${this.id} of ${this.accountId ?? "nobody"} was told to run ${invocation.id} of ${invocation.accountId}`,
      );
    }
    const { grant } = lease;
    if (container.state === "gone") return this.#believed(container, grant, start);
    const wanted = start === "cold" ? "blank" : "idle";
    if (container.state !== wanted)
      violated(`a ${start} start in container ${container.id}, which is ${container.state}`);
    if (container.runtime !== invocation.runtime)
      violated(`container ${container.id} has runtime ${container.runtime}`);
    if (start === "cold") {
      container.functionKey = invocation.functionKey;
      this.#become(container, grant, invocation.memoryMiB);
    } else {
      this.#checkWarm(container, lease);
    }
    container.state = "running";
    container.lease = lease;
    this.runningCount++;
    return container;
  }

  /** The container that the core means, in whatever state it is. */
  containerFor(containerId: ContainerId): SimulatedContainer {
    return this.#container(containerId);
  }

  /** @param requestedMiB what the function states. */
  prewarm(containerId: ContainerId, functionKey: FunctionKey, grant: Grant, requestedMiB: number): SimulatedContainer {
    const container = this.#container(containerId);
    if (container.isGoneTold) violated(`container ${containerId} was told to load a function after it was gone`);
    if (container.state === "gone") return this.#believed(container, grant, "cold");
    if (container.state !== "blank") violated(`${containerId} was told to load a function while ${container.state}`);
    container.functionKey = functionKey;
    container.isInitializedAhead = true;
    this.#become(container, grant, requestedMiB);
    container.state = "prewarming";
    return container;
  }

  /** @returns the container, or undefined when it ended by itself before. */
  destroy(containerId: ContainerId): SimulatedContainer | undefined {
    const container = this.#container(containerId);
    if (container.isGoneTold) violated(`container ${containerId} was told to go after it was gone`);
    if (container.state === "gone") return undefined;
    if (container.state === "running" || container.state === "ending") {
      violated(`container ${containerId} was told to go while ${container.state}`);
    }
    if (container.state === "creating") this.creatingCount--;
    container.state = "ending";
    return container;
  }

  ready(container: SimulatedContainer): void {
    if (!container.isStray) this.creatingCount--;
    container.state = "blank";
  }

  finish(container: SimulatedContainer): void {
    this.runningCount--;
    container.state = container.staysUsable ? "idle" : "ending";
    container.lease = undefined;
  }

  /** Whatever it did. Its memory is free. */
  end(container: SimulatedContainer): void {
    if (container.state === "gone") return;
    if (container.state === "creating" && !container.isStray) this.creatingCount--;
    if (container.state === "running") this.runningCount--;
    container.state = "gone";
    container.lease = undefined;
    if (!container.isStray) this.heldMiB -= container.memoryMiB;
  }

  /**
   * What the agent holds. What it is making is not in it: the server hears of that when it is ready.
   * @param blankMiB with which a core counts a blank container that it did not see start.
   */
  report(blankMiB: number): InstanceReport {
    for (const container of this.containers.values()) {
      if (container.state === "ending" || container.state === "prewarming") this.end(container);
      this.#reported(container, blankMiB);
      if (container.state === "gone") this.containers.delete(container.id);
      else this.#setStray(container, container.state === "creating");
    }
    return {
      instanceId: this.id,
      subPool: this.subPool,
      offerId: this.offerId,
      shape: this.shape,
      accountId: this.accountId,
      containers: [...this.containers.values()].filter(({ isStray }) => !isStray).map(reportOf),
    };
  }

  /** Its limit was raised while it ran, and the core is about to hear of it: it will be counted with that as far as there is room. */
  raise(container: SimulatedContainer, limitMiB: number): void {
    const isPackedByLimit = container.memoryMiB >= container.limitMiB;
    container.limitMiB = limitMiB;
    if (!isPackedByLimit || limitMiB <= container.memoryMiB) return;
    const moreMiB = Math.min(limitMiB - container.memoryMiB, Math.max(0, this.freeMiBTold));
    this.#hold(moreMiB);
    container.memoryMiB += moreMiB;
  }

  /** Nobody has told the core yet that it is gone; so it counts with what it was to become. */
  #believed(container: SimulatedContainer, grant: Grant | undefined, start: Lease["start"]): SimulatedContainer {
    if (start === "warm" || grant === undefined) return container;
    container.memoryMiB = grant.reservedMiB;
    container.swingMiB = grant.needMiB - grant.reservedMiB;
    return container;
  }

  /** A blank container becomes a function's. */
  #become(container: SimulatedContainer, grant: Grant | undefined, requestedMiB: number): void {
    if (grant === undefined) return violated(`nobody says what container ${container.id} gets`);
    const { memoryMiB, reservedMiB, needMiB } = grant;
    if (memoryMiB > this.shape.memoryMiB)
      violated(`container ${container.id} has a limit of ${memoryMiB} MiB on an instance of ${this.shape.memoryMiB}`);
    if (!(reservedMiB >= 1 && reservedMiB <= needMiB && needMiB <= memoryMiB && memoryMiB <= 2 * requestedMiB)) {
      violated(`container ${container.id} of ${requestedMiB} MiB was granted ${JSON.stringify(grant)}`);
    }
    this.#hold(reservedMiB - container.memoryMiB);
    container.memoryMiB = reservedMiB;
    container.limitMiB = memoryMiB;
    container.swingMiB = needMiB - reservedMiB;
    container.requestedMiB = requestedMiB;
    container.grant = grant;
  }

  /** An agent tells what was granted, which is not all that the server before knew. */
  #reported(container: SimulatedContainer, blankMiB: number): void {
    if (container.state === "gone") {
      container.swingMiB = 0;
      return;
    }
    // A limit that was raised meanwhile is told as it is; what the function may need as it was granted.
    container.swingMiB = container.grant === undefined ? 0 : container.grant.needMiB - container.grant.reservedMiB;
    const countedMiB = container.state === "blank" ? blankMiB : (container.grant?.reservedMiB ?? container.memoryMiB);
    if (!container.isStray) this.heldMiB += countedMiB - container.memoryMiB;
    container.memoryMiB = countedMiB;
  }

  #container(containerId: ContainerId): SimulatedContainer {
    return this.containers.get(containerId) ?? violated(`there is no container ${containerId} on instance ${this.id}`);
  }

  #setStray(container: SimulatedContainer, isStray: boolean): void {
    if (container.isStray === isStray) return;
    container.isStray = isStray;
    this.heldMiB += isStray ? -container.memoryMiB : container.memoryMiB;
    if (isStray) this.creatingCount--;
  }

  #checkWarm(container: SimulatedContainer, { id, invocation }: Lease): void {
    if (container.functionKey !== invocation.functionKey) {
      violated(
        `container ${container.id} holds ${container.functionKey}, and lease ${id} is for ${invocation.functionKey}`,
      );
    }
    if (container.requestedMiB !== invocation.memoryMiB)
      violated(`container ${container.id} is of a function of ${container.requestedMiB} MiB`);
    if (container.isRetired) violated(`container ${container.id} runs ${container.functionKey}, which is retired`);
  }

  #hold(memoryMiB: number): void {
    this.heldMiB += memoryMiB;
    if (this.heldMiB > this.shape.memoryMiB) {
      violated(`containers of ${this.heldMiB} MiB on instance ${this.id} of ${this.shape.memoryMiB} MiB`);
    }
  }
}

function reportOf(container: SimulatedContainer): ContainerReport {
  const { id: containerId, runtime, functionKey, limitMiB: memoryMiB, memoryMiB: reservedMiB, lease } = container;
  if (functionKey === undefined) return { state: "blank", containerId, runtime };
  const { isInitializedAhead } = container;
  const { needMiB, cpuMilli } = container.grant ?? {};
  const held = { containerId, runtime, functionKey, memoryMiB, reservedMiB, needMiB, cpuMilli, isInitializedAhead };
  if (lease === undefined) return { state: "idle", ...held };
  return { state: "running", ...held, leaseId: lease.id, invocationId: lease.invocation.id };
}
