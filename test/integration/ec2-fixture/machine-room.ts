import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Instance } from "@aws-sdk/client-ec2";
import { leftoversOf } from "../server-fixture/leftovers.ts";
import { keepImages, takeImages } from "../server-fixture/made-images.ts";
import type { Ec2Place } from "./ec2-place.ts";
import { powerOff } from "./power-off.ts";

const COMMAND = fileURLToPath(new URL("../../../bin/hearth.mjs", import.meta.url));
const LOG_FILE = process.env["HEARTH_TEST_LOG"];
const LOOK_MS = 100;
const OUR_TAG = "hearth:instance-id";

/** Into a host agent's configuration, in place of what only holds on a machine of EC2. */
type ChangesFor = (instanceId: string) => Readonly<Record<string, unknown>>;

type Machine = { readonly instanceId: string; readonly directory: string; readonly hostAgent: ChildProcess };

/**
 * Runs what EC2's machines would run, here: for each machine that moto reports, the host agent that its user data
 * starts; when moto has ended it, or the host agent ends, everything of it is ended, as when the power goes.
 */
export class MachineRoom {
  readonly #place: Ec2Place;
  readonly #changesFor: ChangesFor;
  /** By EC2's id. */
  readonly #machines = new Map<string, Machine>();
  #isOpen = true;
  readonly #rounds: Promise<void>;

  private constructor(place: Ec2Place, changesFor: ChangesFor) {
    this.#place = place;
    this.#changesFor = changesFor;
    this.#rounds = this.#goRound();
  }

  static open(place: Ec2Place, changesFor: ChangesFor): MachineRoom {
    return new MachineRoom(place, changesFor);
  }

  /** EC2's id of the machine of an instance, if there is one. */
  machineOf(instanceId: string): string | undefined {
    return [...this.#machines].find(([, machine]) => machine.instanceId === instanceId)?.[0];
  }

  /** What there is of all machines on this host; a line for each. */
  traces(): string[] {
    return [...this.#machines.values()].flatMap(({ instanceId, directory }) => [
      `machine of ${instanceId}`,
      ...leftoversOf(directory).map((trace) => `${instanceId}: ${trace}`),
    ]);
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    await this.#rounds;
    for (const machineId of this.#machines.keys()) await this.#end(machineId);
  }

  async #goRound(): Promise<void> {
    while (this.#isOpen) {
      const there = (await this.#place.running()).filter((machine) => instanceIdOf(machine) !== undefined);
      const ids = new Set(there.map(({ InstanceId }) => InstanceId));
      for (const machineId of this.#machines.keys()) if (!ids.has(machineId)) await this.#end(machineId);
      for (const machine of there) if (!this.#machines.has(machine.InstanceId!)) await this.#boot(machine);
      await delay(LOOK_MS);
    }
  }

  async #boot(machine: Instance): Promise<void> {
    const machineId = machine.InstanceId!;
    const script = await this.#place.userDataOf(machineId);
    const config = /'END_OF_CONFIG'\n(.*)\nEND_OF_CONFIG\n/.exec(script)?.[1];
    if (config === undefined) return; // It runs something else, and nothing of ours.
    const directory = mkdtempSync(join(tmpdir(), "hearth-ec2-machine-"));
    const path = join(directory, "host.json");
    const instanceId = instanceIdOf(machine) ?? "";
    const changes = { dataDir: join(directory, "data"), ...this.#changesFor(instanceId) };
    writeFileSync(path, JSON.stringify({ ...JSON.parse(config), ...changes }), { mode: 0o600 });
    takeImages(changes.dataDir);
    const hostAgent = spawn(process.execPath, [COMMAND, "agent", "--config", path], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    hostAgent.stderr?.on("data", (text: Buffer) => {
      if (LOG_FILE !== undefined) appendFileSync(LOG_FILE, text);
    });
    // What the unit in the user data does: the machine ends with it, and shutdown means termination.
    hostAgent.once("exit", () => {
      this.#place.ec2.terminateInstances({ InstanceIds: [machineId] }).catch(() => {});
    });
    this.#machines.set(machineId, { instanceId, directory, hostAgent });
  }

  async #end(machineId: string): Promise<void> {
    const machine = this.#machines.get(machineId);
    if (machine === undefined) return;
    const { hostAgent, directory } = machine;
    hostAgent.removeAllListeners("exit");
    if (hostAgent.exitCode === null && hostAgent.signalCode === null) {
      const ended = new Promise((resolve) => hostAgent.once("exit", resolve));
      hostAgent.kill("SIGKILL");
      await ended;
    }
    keepImages(join(directory, "data"));
    await powerOff(join(directory, "data"));
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    this.#machines.delete(machineId);
  }
}

function instanceIdOf(machine: Instance): string | undefined {
  return machine.Tags?.find(({ Key }) => Key === OUR_TAG)?.Value;
}
