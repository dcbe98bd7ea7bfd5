import { beforeEach, expect, test } from "vitest";
import { Ledger } from "../control/ledger/ledger.ts";
import type { Offer } from "../model/capacity.ts";
import type { Command } from "../model/event.ts";
import type { AccountId, ContainerId, FunctionKey, InstanceId, InvocationId, LeaseId, OfferId } from "../model/ids.ts";
import type { Invocation, Lease } from "../model/invocation.ts";
import { Bookkeeper } from "./bookkeeper.ts";
import { Explanations } from "./explanations.ts";

const HOUR_MS = 3_600_000;
const START_MS = Date.parse("2026-11-21T00:00:00Z");
const WALL_MS = 17;
const accountId = "111111111111" as AccountId;
const instanceId = "i-1" as InstanceId;
const offerId = "ec2/a/m/spot" as OfferId;
const shape = { memoryMiB: 1024, cpuMilli: 1000 };
const offer: Offer = {
  id: offerId,
  provider: "ec2",
  subPool: "variable",
  instanceType: "m",
  zone: "a",
  shape,
  isElastic: false,
  capacity: undefined,
  priceUsdPerHour: 0.1,
  demandLevel: 0,
  isAvailable: true,
  noticeMs: 0,
};
const near = (usd: number) => expect.closeTo(usd, 9);

let ledger: Ledger;
let explanations: Explanations;
let books: Bookkeeper;
beforeEach(() => {
  ledger = new Ledger({ fixedUsdPerGiBHour: 0.4 }, START_MS);
  explanations = new Explanations();
  books = new Bookkeeper(ledger, explanations, () => WALL_MS);
  books.observe({ kind: "OffersChanged", offers: [offer] }, [], START_MS);
});

function invocationOf(id: string): Invocation {
  return {
    id: id as InvocationId,
    accountId,
    functionKey: `${accountId}/f/$LATEST/r` as FunctionKey,
    runtime: "nodejs24.x",
    memoryMiB: 512,
    mode: "asynchronous",
  };
}

function runOf(id: string, leaseId: string): Command {
  const placement = {
    subPool: "variable",
    offerId,
    priceUsdPerHour: 0.1,
    why: "",
    waitedMs: 0,
    waitedFor: [],
  } as const;
  const lease: Lease = {
    id: leaseId as LeaseId,
    invocation: invocationOf(id),
    instanceId,
    containerId: "c-1" as ContainerId,
    start: "cold",
    placement,
  };
  return { kind: "RunInvocation", lease };
}

const finished = (leaseId: string, wallMs: number) =>
  ({ kind: "InvocationFinished", leaseId: leaseId as LeaseId, outcome: "ok", containerUsable: true, wallMs }) as const;

const launch: Command = {
  kind: "LaunchInstance",
  instanceId,
  subPool: "variable",
  offerId,
  shape,
  bidUsdPerHour: undefined,
  reason: "",
};
const joined = {
  kind: "InstanceJoined",
  report: { instanceId, subPool: "variable", offerId, shape, accountId: undefined, containers: [] },
} as const;
const tick = { kind: "Tick" } as const;
const lost = { kind: "InstanceLost", instanceId, reason: "" } as const;

test("the life of an instance and of an execution on it", () => {
  books.observe(tick, [launch], START_MS);
  books.observe(joined, [{ kind: "AssignInstance", instanceId, accountId }], START_MS + HOUR_MS);
  books.observe(tick, [runOf("a", "l-1")], START_MS + HOUR_MS);
  books.observe(finished("l-1", HOUR_MS / 2), [], START_MS + HOUR_MS * 1.5);
  books.observe(finished("l-1", HOUR_MS / 2), [], START_MS + HOUR_MS * 1.5);
  books.observe(lost, [], START_MS + 2 * HOUR_MS);
  books.observe(lost, [], START_MS + 3 * HOUR_MS);
  const end = { kind: "finished", outcome: "ok", wallMs: HOUR_MS / 2, costUsd: near(0.025), fixedUsd: near(0.1) };
  expect(explanations.find("a" as InvocationId)).toMatchObject({
    accountId,
    functionName: "f",
    attempts: [{ kind: "executed", begunMs: WALL_MS, end }],
  });
  expect(ledger.take(START_MS + 9 * HOUR_MS)).toMatchObject([
    { accountId: undefined, heldMs: HOUR_MS, heldUsd: near(0.1) },
    { accountId, functionName: "f", invocations: 1, busyMs: HOUR_MS / 2, runUsd: near(0.025) },
    { accountId, functionName: undefined, heldMs: HOUR_MS, heldUsd: near(0.1) },
  ]);
});

test("what a loss cuts off is paid for until then, and runs again as the next attempt", () => {
  books.observe(joined, [], START_MS);
  books.observe(tick, [runOf("a", "l-1")], START_MS);
  const refusal = { kind: "RejectInvocation", invocation: invocationOf("a"), code: "INSTANCE_LOST" } as const;
  books.observe(lost, [refusal], START_MS + HOUR_MS);
  books.observe(finished("l-1", HOUR_MS), [], START_MS + HOUR_MS); // Said by an agent that was given up.
  books.observe(tick, [{ ...refusal, code: "NO_CAPACITY" }], START_MS + HOUR_MS);
  expect(explanations.find("a" as InvocationId)?.attempts).toMatchObject([
    { kind: "executed", end: { kind: "cutOff", code: "INSTANCE_LOST" } },
    { kind: "refused", code: "NO_CAPACITY" },
  ]);
  const rows = ledger.take(START_MS + HOUR_MS);
  expect(rows.filter(({ functionName }) => functionName === "f")).toMatchObject([
    { invocations: 1, busyMs: HOUR_MS, runUsd: near(0.05) },
  ]);
});

test("a launch that failed costs nothing, and an adopted instance from now on", () => {
  books.observe(tick, [launch], START_MS);
  books.observe({ kind: "LaunchFailed", instanceId, code: "LAUNCH_FAILED" }, [], START_MS + HOUR_MS);
  expect(ledger.take(START_MS + HOUR_MS)).toEqual([]);
  books.observe({ ...joined, report: { ...joined.report, accountId } }, [], START_MS + 2 * HOUR_MS);
  books.observe(finished("of an earlier server", 5), [], START_MS + 2 * HOUR_MS);
  expect(ledger.take(START_MS + 3 * HOUR_MS)).toMatchObject([{ accountId, heldMs: HOUR_MS }]);
});
