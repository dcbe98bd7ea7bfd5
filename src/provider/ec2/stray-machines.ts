import type { Log } from "../../ports/log.ts";
import type { Ec2Client } from "./ec2-client.ts";
import { describe, launchFaultOf } from "./ec2-error.ts";

/** In one request; EC2 takes 1,000 and advises fewer. */
const BATCH_LENGTH = 100;

/** Terminates machines of ours that nobody knows. */
export class StrayMachines {
  readonly #client: Ec2Client;
  readonly #log: Log;
  /** EC2 refused to terminate them, which was said. */
  readonly #refused = new Set<string>();

  constructor(client: Ec2Client, log: Log) {
    this.#client = client;
    this.#log = log;
  }

  /**
   * One that EC2 refuses (it is protected, or not known everywhere yet) keeps none of the others alive, as it would in their
   * request: those are then asked for one by one.
   *
   * @param machineIds all strays of this moment.
   * @returns those that are taken on.
   * @throws the SDK's error, when EC2 does not answer or wants fewer requests.
   */
  async end(machineIds: readonly string[]): Promise<string[]> {
    for (const machineId of this.#refused) if (!machineIds.includes(machineId)) this.#refused.delete(machineId);
    const fresh = machineIds.filter((machineId) => !this.#refused.has(machineId));
    if (fresh.length > 0)
      this.#log.warn({ machineIds: fresh }, "EC2 machines of ours that nobody knows: terminating them");
    const ended: string[] = [];
    for (let at = 0; at < machineIds.length; at += BATCH_LENGTH) {
      ended.push(...(await this.#endBatch(machineIds.slice(at, at + BATCH_LENGTH))));
    }
    return ended;
  }

  async #endBatch(machineIds: readonly string[]): Promise<readonly string[]> {
    try {
      await this.#client.call(() => this.#client.ec2.terminateInstances({ InstanceIds: [...machineIds] }));
      for (const machineId of machineIds) this.#refused.delete(machineId);
      return machineIds;
    } catch (error) {
      if (launchFaultOf(error).kind === "unclear") throw error;
      const [machineId, ...others] = machineIds;
      if (machineId === undefined) return [];
      if (others.length === 0) {
        this.#tellRefused(machineId, error);
        return [];
      }
      const ended: string[] = [];
      for (const one of machineIds) ended.push(...(await this.#endBatch([one])));
      return ended;
    }
  }

  #tellRefused(machineId: string, error: unknown): void {
    if (this.#refused.has(machineId)) return;
    this.#refused.add(machineId);
    this.#log.error({ machineId, error }, `an EC2 machine that nobody knows cannot be terminated: ${describe(error)}`);
  }
}
