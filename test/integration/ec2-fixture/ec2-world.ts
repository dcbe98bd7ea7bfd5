import { setTimeout as delay } from "node:timers/promises";
import type { InstanceId } from "../../../src/model/ids.ts";
import type { CapacityProvider } from "../../../src/ports/capacity-provider.ts";
import { systemClock } from "../../../src/ports/clock.ts";
import type { ProviderWorld } from "../../../src/ports/contract/capacity-provider-contract.ts";
import { createEc2Provider } from "../../../src/provider/ec2/ec2-provider.ts";
import { openRemoteEndpoint, type RemoteEndpoint } from "../../../src/provider/remote/remote-endpoint.ts";
import { createMemoryStore } from "../../../src/store/memory/memory-store.ts";
import { type Hello, WelcomedAgents } from "../welcomed-agents.ts";
import type { Ec2Place } from "./ec2-place.ts";
import { MachineRoom } from "./machine-room.ts";

const JOIN_MS_MAX = 60_000;
const LOOK_MS = 20;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

/** A server's end for EC2 machines: they join its remote endpoint, and their agents are welcomed. */
export class Ec2World implements ProviderWorld {
  readonly serverSocketPath = "/nowhere";
  readonly #place: Ec2Place;
  readonly #room: MachineRoom;
  readonly #store = createMemoryStore();
  readonly #agents = new WelcomedAgents();
  #endpoint: RemoteEndpoint | undefined;
  #provider: CapacityProvider | undefined;
  #port = 0;

  constructor(place: Ec2Place) {
    this.#place = place;
    this.#room = MachineRoom.open(place, () => ({ provider: "process", notices: "none" }));
  }

  /** As after `kill -9` of the server before: machines dial again, and their agents with them. */
  async open(): Promise<CapacityProvider> {
    const before = this.#agents.instanceIds().filter((instanceId) => this.isJoined(instanceId));
    await this.#provider?.close();
    await this.#endpoint?.close();
    const endpoint = await openRemoteEndpoint({
      host: "127.0.0.1",
      port: this.#port,
      advertisedHost: undefined,
      dataDir: this.#place.dataDir,
      store: this.#store.hosts,
      heartbeatMs: 500,
      silenceMs: 10_000,
      readCode: () => Promise.reject(new Error("nobody runs anything here")),
      onAgent: (socket) => this.#agents.accept(socket),
      clock: systemClock,
      log: quiet,
    });
    this.#endpoint = endpoint;
    this.#provider = await createEc2Provider({
      settings: this.#place.settings(),
      dataDir: this.#place.dataDir,
      hosts: endpoint.hosts,
      clock: systemClock,
      log: quiet,
    });
    await this.#provider.list(); // As every server does before it does anything else.
    this.#port = (await endpoint.listen()).port;
    for (const instanceId of before) await this.#until(() => this.isJoined(instanceId), `${instanceId} did not return`);
    return this.#provider;
  }

  async joined(instanceId: InstanceId): Promise<Hello> {
    await this.#until(() => this.#agents.helloOf(instanceId) !== undefined, `the agent of ${instanceId} did not join`);
    return this.#agents.helloOf(instanceId) as Hello;
  }

  isJoined(instanceId: InstanceId): boolean {
    return this.#agents.isJoined(instanceId);
  }

  async crash(instanceId: InstanceId): Promise<void> {
    await this.#place.ec2.terminateInstances({ InstanceIds: [this.#room.machineOf(instanceId)!] });
  }

  async traces(): Promise<readonly string[]> {
    const machines = (await this.#place.running()).map(
      ({ InstanceId, Tags = [] }) => `${InstanceId} of ${Tags.map(({ Value }) => Value).join(" ")}`,
    );
    return [...machines, ...this.#room.traces()];
  }

  async close(): Promise<void> {
    await this.#endpoint?.close();
    await this.#room.close();
    this.#agents.close();
  }

  async #until(isSo: () => boolean, otherwise: string): Promise<void> {
    const untilMs = performance.now() + JOIN_MS_MAX;
    while (!isSo()) {
      if (performance.now() > untilMs) throw new Error(otherwise);
      await delay(LOOK_MS);
    }
  }
}
