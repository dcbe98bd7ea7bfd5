import { expect, test } from "vitest";
import type { Placement } from "../model/capacity.ts";
import type { AccountId, ContainerId, FunctionKey, InstanceId, InvocationId, LeaseId, OfferId } from "../model/ids.ts";
import type { InvocationMode, Lease } from "../model/invocation.ts";
import { Explanations } from "./explanations.ts";

const accountId = "111111111111" as AccountId;
const idOf = (text: string) => text as InvocationId;

const placement: Placement = {
  subPool: "variable",
  offerId: "ec2/a/m7i.large/spot" as OfferId,
  priceUsdPerHour: 0.03,
  why: "a blank container of the fullest instance",
  waitedMs: 1200,
  waitedFor: [{ kind: "price", text: "0.05 USD/h is above 0.03" }],
};

function leaseOf(id: string, mode: InvocationMode = "synchronous"): Lease {
  return {
    id: `l-${id}` as LeaseId,
    invocation: {
      id: idOf(id),
      accountId,
      functionKey: `${accountId}/f/$LATEST/r` as FunctionKey,
      runtime: "nodejs24.x",
      memoryMiB: 128,
      mode,
    },
    instanceId: "i-1" as InstanceId,
    containerId: "c-1" as ContainerId,
    start: "cold",
    placement,
  };
}

test("an execution, while it runs and after", () => {
  const explanations = new Explanations();
  explanations.begun(leaseOf("a"), 17);
  const running = explanations.find(idOf("a"));
  expect(running).toMatchObject({
    invocationId: "a",
    accountId,
    functionName: "f",
    version: "$LATEST",
    mode: "synchronous",
    attempts: [{ kind: "executed", begunMs: 17, start: "cold", instanceId: "i-1", containerId: "c-1", placement }],
  });
  const end = { outcome: "ok", wallMs: 5, costUsd: 1e-9, fixedUsd: undefined } as const;
  explanations.finished(idOf("a"), end);
  explanations.finished(idOf("a"), { ...end, wallMs: 99 });
  expect(explanations.find(idOf("a"))?.attempts).toMatchObject([{ end: { kind: "finished", ...end } }]);
  expect(running?.attempts[0]).not.toHaveProperty("end");
});

const { invocation } = leaseOf("a", "asynchronous");

test("an asynchronous one with all its attempts: cut off, refused, done", () => {
  const explanations = new Explanations();
  explanations.begun(leaseOf("a", "asynchronous"), 1);
  explanations.refused(invocation, "RECLAIMED", 2);
  explanations.refused(invocation, "NO_CAPACITY", 3);
  explanations.begun(leaseOf("a", "asynchronous"), 4);
  expect(explanations.find(idOf("a"))?.attempts).toMatchObject([
    { kind: "executed", begunMs: 1, end: { kind: "cutOff", atMs: 2, code: "RECLAIMED" } },
    { kind: "refused", atMs: 3, code: "NO_CAPACITY", says: expect.stringMatching(/^No instance/) },
    { kind: "executed", begunMs: 4 },
  ]);
});

test("of very many attempts the first and the latest are kept", () => {
  const explanations = new Explanations();
  for (let i = 0; i < 50; i++) explanations.refused(invocation, "NO_CAPACITY", i);
  const attempts = explanations.find(idOf("a"))?.attempts ?? [];
  expect(attempts.map((attempt) => (attempt.kind === "refused" ? attempt.atMs : -1))).toEqual([
    0, 41, 42, 43, 44, 45, 46, 47, 48, 49,
  ]);
});

test("the oldest is forgotten first, and what was never heard of is unknown", () => {
  const explanations = new Explanations(3);
  for (const id of ["a", "b", "c", "d", "d"]) explanations.begun(leaseOf(id), 1);
  expect(["a", "b", "c", "d", "e"].map((id) => explanations.find(idOf(id)) !== undefined)).toEqual([
    false,
    true,
    true,
    true,
    false,
  ]);
  explanations.finished(idOf("a"), { outcome: "ok", wallMs: 1, costUsd: undefined, fixedUsd: undefined });
  expect(explanations.find(idOf("a"))).toBeUndefined();
});
