import { expect, test } from "vitest";
import type { Command, Event } from "../../model/event.ts";
import type { AccountId, FunctionKey, InvocationId } from "../../model/ids.ts";
import { hostOffer } from "../../simulator/world.ts";
import { ControlPlane } from "../control-plane.ts";
import { DEFAULT_SETTINGS } from "../settings.ts";

const HOUR_MS = 3_600_000;
const INIT_MS = 3_000;

/** A core in a world that does at once what it is told, and keeps what it was told. */
class Bench {
  readonly control = new ControlPlane({
    ...DEFAULT_SETTINGS,
    blankTarget: { "nodejs24.x": 1 },
    keepAliveMinMs: 1_000,
  });
  readonly orders: Command[] = [];
  nowMs = HOUR_MS;

  constructor() {
    const size = { memoryMiB: 4096, cpuMilli: 2000 };
    this.feed({ kind: "OffersChanged", offers: [hostOffer({ memoryMiB: 16_384, cpuMilli: 4000 }, size)] });
    this.feed({ kind: "Tick" });
  }

  feed(event: Event): void {
    const commands = this.control.handle(event, this.nowMs);
    expect(this.control.brokenInvariant()).toBeUndefined();
    this.orders.push(...commands);
    for (const command of commands) this.#perform(command);
  }

  passUntil(untilMs: number): void {
    for (let at = this.control.wakeAtMs; at !== undefined && at <= untilMs; at = this.control.wakeAtMs) {
      this.nowMs = Math.max(this.nowMs, at);
      this.feed({ kind: "Tick" });
    }
    this.nowMs = untilMs;
  }

  /** @returns how the call started. */
  call(n: number): string | undefined {
    const before = this.orders.length;
    const invocation = {
      id: `v${n}` as InvocationId,
      accountId: "a" as AccountId,
      functionKey: "a/hourly/$LATEST/1" as FunctionKey,
      runtime: "nodejs24.x",
      memoryMiB: 1024,
      mode: "synchronous",
    } as const;
    this.feed({ kind: "InvocationArrived", invocation });
    const run = this.orders.slice(before).find((order) => order.kind === "RunInvocation");
    if (run === undefined) return undefined;
    const { id: leaseId, start } = run.lease;
    const initMs = start === "cold" ? INIT_MS : undefined;
    this.nowMs += 100;
    this.feed({ kind: "InvocationFinished", leaseId, outcome: "ok", containerUsable: true, wallMs: 100, initMs });
    return start;
  }

  #perform(command: Command): void {
    switch (command.kind) {
      case "LaunchInstance": {
        const { instanceId, subPool, offerId, shape } = command;
        const report = { instanceId, subPool, offerId, shape, accountId: undefined, containers: [] };
        return this.feed({ kind: "InstanceJoined", report });
      }
      case "TerminateInstance":
        return this.feed({ kind: "InstanceLost", instanceId: command.instanceId, reason: "ended" });
      case "CreateContainer":
      case "PrewarmContainer": {
        const { instanceId, containerId } = command;
        const kind = command.kind === "CreateContainer" ? "ContainerReady" : "ContainerPrewarmed";
        return this.feed({ kind, instanceId, containerId });
      }
      case "DestroyContainer": {
        const { instanceId, containerId, reason } = command;
        return this.feed({ kind: "ContainerGone", instanceId, containerId, reason });
      }
    }
  }
}

test("a function that is called every hour is let go in between and loaded again just before its call", () => {
  const bench = new Bench();
  const starts: (string | undefined)[] = [];
  for (let n = 0; n < 30; n++) {
    bench.passUntil((n + 2) * HOUR_MS);
    starts.push(bench.call(n));
  }
  expect(starts[0]).toBe("cold");
  expect(starts.slice(-10)).toEqual(Array(10).fill("warm"));
  const prewarms = bench.orders.filter((order) => order.kind === "PrewarmContainer");
  expect(prewarms.length).toBeGreaterThanOrEqual(10);
  expect(prewarms.every(({ reason }) => reason !== "")).toBe(true);
  expect(bench.control.snapshot(bench.nowMs).counters.prewarms).toBe(prewarms.length);
});
