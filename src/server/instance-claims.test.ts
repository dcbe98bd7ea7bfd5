import { expect, test } from "vitest";
import type { AccountId, ContainerId, FunctionKey, InstanceId, InvocationId, LeaseId, OfferId } from "../model/ids.ts";
import type { InstanceReport } from "../model/instance.ts";
import { InstanceClaims } from "./instance-claims.ts";

const [one, two] = ["i-1", "i-2"] as InstanceId[] as [InstanceId, InstanceId];
const account = "000000000001" as AccountId;
const invocation = "an-invocation" as InvocationId;
const lease = "l-1" as LeaseId;

const report = (instanceId: InstanceId, said: Partial<InstanceReport> = {}): InstanceReport => ({
  instanceId,
  subPool: "variable",
  offerId: "static/default/raw/spare" as OfferId,
  shape: { memoryMiB: 1024, cpuMilli: 1000 },
  accountId: undefined,
  containers: [],
  ...said,
});
const running = (leaseId = lease) =>
  ({
    state: "running",
    containerId: "c-1" as ContainerId,
    runtime: "nodejs24.x",
    functionKey: "000000000001/f/1/1" as FunctionKey,
    memoryMiB: 128,
    leaseId,
    invocationId: invocation,
  }) as const;

test("an instance that was ordered is what it was ordered to be, whatever its agent claims", () => {
  const claims = new InstanceClaims();
  claims.ordered(report(one));
  const claimed = report(one, {
    subPool: "fixed",
    offerId: "sandbox/host/slice/on-demand" as OfferId,
    shape: { memoryMiB: 1e9, cpuMilli: 1e9 },
    accountId: account,
    containers: [running()],
  });
  const { report: believed, adopted } = claims.joined(claimed, [invocation]);
  expect(believed).toMatchObject({ subPool: "variable", shape: { memoryMiB: 1024 } });
  expect(adopted).toEqual([]);
  expect(claims.serves(one, account)).toBe(false);
  expect(claims.takeResult(one, invocation, lease)).toBeUndefined();
});

test("only who holds an execution of an earlier server tells its result, once", () => {
  const claims = new InstanceClaims();
  expect(claims.joined(report(one, { containers: [running()] }), []).adopted).toEqual([invocation]);
  claims.joined(report(two, { containers: [running()] }), []); // It names the other's.
  expect(claims.takeResult(two, invocation, lease)).toBeUndefined();
  expect(claims.takeResult(one, invocation, lease)).toBe("running");
  expect(claims.takeResult(one, invocation, lease)).toBeUndefined();
});

test("results that were announced and never came are told once, when their instance is lost", () => {
  const claims = new InstanceClaims();
  claims.joined(report(one, { accountId: account }), [invocation]);
  expect(claims.serves(one, account)).toBe(true);
  expect(claims.takeResult(two, invocation, lease)).toBeUndefined();
  expect(claims.forget(two)).toEqual([]);
  expect(claims.forget(one)).toEqual([invocation]);
  expect(claims.forget(one)).toEqual([]);
  expect(claims.serves(one, account)).toBe(false);
});

test("an instance may have the code that it was ordered to run while it is there", () => {
  const claims = new InstanceClaims();
  claims.given(one, ["aa", "dd"]);
  claims.given(one, ["bb"]);
  expect(claims.mayHave([two, one], "aa")).toBe(true);
  expect(claims.mayHave([one], "dd")).toBe(true);
  expect(claims.mayHave([two], "aa")).toBe(false);
  expect(claims.mayHave([one], "cc")).toBe(false);
  claims.forget(one);
  expect(claims.mayHave([one], "bb")).toBe(false);
});
