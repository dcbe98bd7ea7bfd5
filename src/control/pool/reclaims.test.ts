import { expect, test } from "vitest";
import type { Offer } from "../../model/capacity.ts";
import type { Event } from "../../model/event.ts";
import type {
  AccountId,
  ContainerId,
  FunctionKey,
  InstanceId,
  InvocationId,
  LeaseId,
  OfferId,
} from "../../model/ids.ts";
import type { InstanceReport } from "../../model/instance.ts";
import { ControlPlane } from "../control-plane.ts";
import { DEFAULT_SETTINGS } from "../settings.ts";

const SHAPE = { memoryMiB: 1024, cpuMilli: 1000 };
const ACCOUNT = "a" as AccountId;
const INSTANCE = "i-earlier" as InstanceId;
const KEY = "a/f" as FunctionKey;
const OFFER: Offer = {
  id: "static/z/m/spare" as OfferId,
  provider: "static",
  subPool: "variable",
  instanceType: "m",
  zone: "z",
  shape: SHAPE,
  isElastic: true,
  capacity: SHAPE,
  priceUsdPerHour: 0.01,
  demandLevel: 0,
  isAvailable: true,
  noticeMs: 10_000,
};
/** Of an earlier server, with one execution and one idle container. */
const REPORT: InstanceReport = {
  instanceId: INSTANCE,
  subPool: "variable",
  offerId: OFFER.id,
  shape: SHAPE,
  accountId: ACCOUNT,
  containers: [
    {
      containerId: "c-busy" as ContainerId,
      state: "running",
      runtime: "nodejs24.x",
      functionKey: KEY,
      memoryMiB: 128,
      leaseId: "l-1" as LeaseId,
      invocationId: "before" as InvocationId,
    },
    { containerId: "c-idle" as ContainerId, state: "idle", runtime: "nodejs24.x", functionKey: KEY, memoryMiB: 128 },
  ],
};

function bench() {
  const control = new ControlPlane(DEFAULT_SETTINGS);
  const feed = (event: Event, nowMs: number) => {
    const commands = [...control.handle(event, nowMs)];
    expect(control.brokenInvariant()).toBeUndefined();
    return commands;
  };
  feed({ kind: "OffersChanged", offers: [OFFER] }, 0);
  const capacity = { class: "variable", dedicatedInstances: 0, constraints: [], onShortage: { kind: "wait" } } as const;
  feed({ kind: "AccountCapacityChanged", accountId: ACCOUNT, capacity }, 0);
  const arrive = (nowMs: number) => {
    const id = "after" as InvocationId;
    const who = { id, accountId: ACCOUNT, functionKey: KEY, runtime: "nodejs24.x", memoryMiB: 128 } as const;
    return feed({ kind: "InvocationArrived", invocation: { ...who, mode: "synchronous" } }, nowMs);
  };
  return { control, feed, arrive };
}

test("a notice that comes before an instance of an earlier server joins holds when it has joined", () => {
  const { control, feed, arrive } = bench();
  feed({ kind: "ReclaimNoticed", instanceId: INSTANCE, deadlineMs: 12_000, reason: "spot" }, 1_000);
  feed({ kind: "InstanceJoined", report: REPORT }, 2_000);
  expect(control.snapshot(2_000).instances).toMatchObject([{ state: "draining", endsAtMs: 12_000 }]);
  // An idle container is there, and is not used.
  expect(arrive(3_000).some(({ kind }) => kind === "RunInvocation")).toBe(false);
  const cutOff = feed({ kind: "Tick" }, 12_000 - DEFAULT_SETTINGS.reclaimReserveMs);
  expect(cutOff.filter(({ kind }) => kind === "RejectInvocation")).toMatchObject([
    { invocation: { id: "before" }, code: "RECLAIMED" },
  ]);
  expect(cutOff).toContainEqual(expect.objectContaining({ kind: "TerminateInstance", instanceId: INSTANCE }));
});

test("without one it serves again", () => {
  const { feed, arrive } = bench();
  feed({ kind: "ReclaimNoticed", instanceId: "i-other" as InstanceId, deadlineMs: 12_000, reason: "spot" }, 1_000);
  feed({ kind: "InstanceJoined", report: REPORT }, 2_000);
  expect(arrive(3_000)).toMatchObject([{ kind: "RunInvocation", lease: { containerId: "c-idle" } }]);
});
