import { HearthError } from "../../model/error-code.ts";
import type { InstanceId } from "../../model/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { Ec2Client } from "./ec2-client.ts";
import { describe } from "./ec2-error.ts";
import { isNotEnded, isThere, type Machine, readMachines } from "./machine.ts";
import { StrayMachines } from "./stray-machines.ts";

/** A machine that EC2 lists in none of its states is gone after this long: a new one takes a while to be listed everywhere. */
const UNSEEN_MS_MAX = 60_000;

export type MachineWatchOptions = {
  readonly client: Ec2Client;
  readonly dataId: string;
  /** Between two looks. */
  readonly machinesMs: number;
  readonly joinMsMax: number;
  hasJoined(instanceId: InstanceId): boolean;
  /** The machine ended outside, or never joined. */
  onExit(instanceId: InstanceId, reason: string): void;
  /** A machine that nobody knew, or whose end had failed, was terminated. */
  onStrayEnded(instanceId: InstanceId): void;
  readonly clock: Clock;
  readonly log: Log;
};

/** An instance that is meant to exist. */
type Known = {
  /** Settles when its launch is through; undefined: it is. */
  launch: Promise<string> | undefined;
  /** It is being ended by us: its end is nobody's news. */
  isEnding: boolean;
  /** The last attempt to end it failed: whoever tried may have given up. */
  isEndOpen: boolean;
  /** EC2's id, of those that were launched by this process. */
  machineId: string | undefined;
  /** When its machine was listed last, or its launch was through. */
  seenMs: number;
  /** Until then its host must have joined. */
  joinUntilMs: number;
};

/**
 * Compares what is meant to exist with what EC2 lists, now and then. Whatever ended outside is told. A machine of
 * ours that nobody knows, or whose end failed, is a **stray**: of a launch whose answer came too late, or of an end that was not carried out;
 * it is terminated. Those
 * of an earlier server become known by `list`, before which nothing is a stray.
 */
export class MachineWatch {
  readonly #options: MachineWatchOptions;
  readonly #known = new Map<InstanceId, Known>();
  readonly #strays: StrayMachines;
  #wasListed = false;
  #isFailing = false;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: MachineWatchOptions) {
    this.#options = options;
    this.#strays = new StrayMachines(options.client, options.log);
  }

  start(): void {
    this.#timer = setTimeout(async () => {
      await this.#look();
      if (!this.#isStopped) this.start();
    }, this.#options.machinesMs);
    this.#timer.unref();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /**
   * Makes an instance known, from before its launch on.
   *
   * @param launch resolves to EC2's id.
   * @throws HearthError LAUNCH_FAILED: it is known already; INSUFFICIENT_CAPACITY: `knownMax` are; what `launch` throws.
   */
  async launching(instanceId: InstanceId, knownMax: number, launch: () => Promise<string>): Promise<void> {
    if (this.#known.has(instanceId)) throw new HearthError("LAUNCH_FAILED", `EC2: ${instanceId} exists already`);
    if (this.#known.size >= knownMax)
      throw new HearthError(
        "INSUFFICIENT_CAPACITY",
        `EC2: ${knownMax} machines are there, as many as machinesMax allows`,
      );
    const known = this.#fresh();
    this.#known.set(instanceId, known);
    known.launch = launch();
    try {
      known.machineId = await known.launch;
      const { clock, joinMsMax } = this.#options;
      known.seenMs = clock.monotonicMs();
      known.joinUntilMs = known.seenMs + joinMsMax;
    } catch (error) {
      this.#known.delete(instanceId);
      throw error;
    } finally {
      known.launch = undefined;
    }
  }

  /** Waits for a launch that is under way, then ends; known until `end` resolves. */
  async ending(instanceId: InstanceId, end: (machineId: string | undefined) => Promise<void>): Promise<void> {
    const known = this.#known.get(instanceId);
    await known?.launch?.catch(() => {}); // Told to whoever launches.
    if (known !== undefined) [known.isEnding, known.isEndOpen] = [true, false];
    try {
      await end(known?.machineId);
    } catch (error) {
      if (known !== undefined) known.isEndOpen = true;
      throw error;
    }
    this.#known.delete(instanceId);
  }

  forget(instanceId: InstanceId): void {
    if (this.#known.get(instanceId)?.launch === undefined) this.#known.delete(instanceId);
  }

  /** Those that EC2 lists as booting or up, and those that it does not list yet. @throws the SDK's error, the first time. */
  async list(): Promise<readonly InstanceId[]> {
    const { client, dataId, log } = this.#options;
    try {
      for (const { instanceId } of (await readMachines(client, dataId)).filter(isThere)) {
        if (!this.#known.has(instanceId)) this.#known.set(instanceId, this.#fresh());
      }
      this.#wasListed = true;
    } catch (error) {
      if (!this.#wasListed) throw error;
      log.warn({ error }, `EC2 machines cannot be listed; going by what is known: ${describe(error)}`);
    }
    return [...this.#known.keys()];
  }

  #fresh(): Known {
    const nowMs = this.#options.clock.monotonicMs();
    const joinUntilMs = nowMs + this.#options.joinMsMax;
    return { launch: undefined, isEnding: false, isEndOpen: false, machineId: undefined, seenMs: nowMs, joinUntilMs };
  }

  async #look(): Promise<void> {
    const { client, dataId, log } = this.#options;
    try {
      const machines = await readMachines(client, dataId);
      if (this.#isStopped) return;
      if (this.#isFailing) log.info({}, "EC2 machines are listed again");
      this.#isFailing = false;
      this.#tellExits(machines);
      if (this.#wasListed) await this.#endStrays(machines);
    } catch (error) {
      if (this.#isStopped) return;
      if (!this.#isFailing) log.warn({ error }, `EC2 machines cannot be looked after: ${describe(error)}`);
      this.#isFailing = true;
    }
  }

  #tellExits(machines: readonly Machine[]): void {
    const byInstance = Map.groupBy(machines, ({ instanceId }) => instanceId);
    for (const [instanceId, known] of this.#known) {
      if (known.launch !== undefined || known.isEnding) continue;
      const reason = this.#exitReason(instanceId, known, byInstance.get(instanceId) ?? []);
      if (reason !== undefined) this.#options.onExit(instanceId, reason);
    }
  }

  /** undefined: it is there, or may be. */
  #exitReason(instanceId: InstanceId, known: Known, machines: readonly Machine[]): string | undefined {
    const { clock, joinMsMax, hasJoined } = this.#options;
    const nowMs = clock.monotonicMs();
    if (machines.some(isThere)) {
      known.seenMs = nowMs;
      if (nowMs <= known.joinUntilMs || hasJoined(instanceId)) return undefined;
      return `its host agent did not join within ${joinMsMax} ms of the launch; \`aws ec2 get-console-output\` may show why`;
    }
    const ended = machines.at(-1);
    if (ended !== undefined) return `its EC2 machine ${ended.machineId} is ${ended.state}: ${ended.reason}`;
    return nowMs - known.seenMs > UNSEEN_MS_MAX ? "EC2 lists its machine no more" : undefined;
  }

  async #endStrays(machines: readonly Machine[]): Promise<void> {
    const isStray = ({ instanceId }: Machine) => this.#known.get(instanceId)?.isEndOpen ?? !this.#known.has(instanceId);
    const strays = machines.filter((machine) => isNotEnded(machine) && isStray(machine));
    if (strays.length === 0) return;
    const ended = new Set(await this.#strays.end(strays.map(({ machineId }) => machineId)));
    for (const { machineId, instanceId } of strays) {
      if (!ended.has(machineId)) continue;
      if (this.#known.get(instanceId)?.isEndOpen === true) this.#known.delete(instanceId);
      this.#options.onStrayEnded(instanceId);
    }
  }
}
