import { expect } from "vitest";
import type { Offer } from "../model/capacity.ts";
import type { Command, Event } from "../model/event.ts";
import type { AccountId, FunctionKey, InvocationId, LeaseId } from "../model/ids.ts";
import type { Invocation } from "../model/invocation.ts";
import { hostOffer } from "../simulator/world.ts";
import { ControlPlane } from "./control-plane.ts";
import { DEFAULT_SETTINGS, type Settings } from "./settings.ts";

export const GIB = 1024;

export function hostOfGiB(capacity: number, shape: number): Offer {
  return hostOffer({ memoryMiB: capacity * GIB, cpuMilli: 2000 }, { memoryMiB: shape * GIB, cpuMilli: 2000 });
}

type Finished = Extract<Event, { kind: "InvocationFinished" }>;

/** The core with a clock that is set by hand, audited after every event. */
export class Bench {
  readonly control: ControlPlane;
  nowMs = 1_000;
  commands: Command[] = [];

  constructor(settings: Partial<Settings> = {}, host: Offer = hostOfGiB(4, 2)) {
    this.control = new ControlPlane({ ...DEFAULT_SETTINGS, blankTarget: { "nodejs24.x": 1 }, ...settings });
    this.feed({ kind: "OffersChanged", offers: [host] });
    this.feed({ kind: "Tick" });
  }

  feed(event: Event): Command[] {
    this.commands = [...this.control.handle(event, this.nowMs)];
    expect(this.control.brokenInvariant()).toBeUndefined();
    return this.commands;
  }

  /** Lets time pass as a shell would: a Tick whenever the core wants one. */
  pass(ms: number): Command[] {
    const untilMs = this.nowMs + ms;
    const all: Command[] = [];
    for (let at = this.control.wakeAtMs; at !== undefined && at <= untilMs; at = this.control.wakeAtMs) {
      this.nowMs = Math.max(this.nowMs, at);
      all.push(...this.feed({ kind: "Tick" }));
    }
    this.nowMs = untilMs;
    return all;
  }

  only<K extends Command["kind"]>(
    kind: K,
    commands: readonly Command[] = this.commands,
  ): Extract<Command, { kind: K }>[] {
    return commands.filter((command): command is Extract<Command, { kind: K }> => command.kind === kind);
  }

  /** Boots whatever was asked for and makes its containers. */
  boot(commands: readonly Command[]): Command[] {
    const later: Command[] = [];
    for (const command of commands) {
      if (command.kind === "LaunchInstance") {
        const { instanceId, subPool, offerId, shape } = command;
        later.push(
          ...this.boot(
            this.feed({
              kind: "InstanceJoined",
              report: { instanceId, subPool, offerId, shape, accountId: undefined, containers: [] },
            }),
          ),
        );
      } else if (command.kind === "CreateContainer") {
        const { instanceId, containerId } = command;
        later.push(...this.boot(this.feed({ kind: "ContainerReady", instanceId, containerId })));
      } else later.push(command);
    }
    return later;
  }

  arrive(id: string, account = "a", functionName = "f", memoryMiB = 128, more: Partial<Invocation> = {}): Command[] {
    const invocation: Invocation = {
      id: id as InvocationId,
      accountId: account as AccountId,
      functionKey: `${account}/${functionName}` as FunctionKey,
      runtime: "nodejs24.x",
      memoryMiB,
      mode: "synchronous",
      ...more,
    };
    return this.feed({ kind: "InvocationArrived", invocation });
  }

  finish(leaseId: LeaseId, containerUsable = true, more: Partial<Finished> = {}): Command[] {
    return this.feed({ kind: "InvocationFinished", leaseId, outcome: "ok", containerUsable, wallMs: 1, ...more });
  }
}

/** A bench with one warming instance that holds a blank container. */
export function warmed(settings: Partial<Settings> = {}, host?: Offer): Bench {
  const bench = new Bench(settings, host);
  expect(bench.only("LaunchInstance")).toHaveLength(1);
  bench.boot(bench.commands);
  return bench;
}
