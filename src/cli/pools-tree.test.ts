import { expect, test } from "vitest";
import type { AccountId, ContainerId, FunctionKey, InstanceId, InvocationId, OfferId } from "../model/ids.ts";
import type { PoolsSnapshot } from "../model/snapshot.ts";
import { poolsTree } from "./pools-tree.ts";

const NOW_MS = 10_000_000;
const shape = { memoryMiB: 4096, cpuMilli: 2000 };

const pools: PoolsSnapshot = {
  nowMs: NOW_MS,
  waiting: { count: 2, heldCount: 0, oldestSinceMs: NOW_MS - 1500 },
  counters: {
    launches: 2,
    launchFailures: 0,
    instancesLost: 0,
    instancesReclaimed: 0,
    coldStarts: 3,
    warmStarts: 40,
    prewarms: 0,
    provisionedStarts: 0,
    spillovers: 0,
    evictions: 0,
  },
  instances: [
    {
      id: "i-1" as InstanceId,
      subPool: "fixed",
      offerId: "sandbox/host/slice/on-demand" as OfferId,
      state: "warming",
      shape,
      usedMemoryMiB: 128,
      sinceMs: NOW_MS - 12_000,
      containers: [
        { id: "c-1" as ContainerId, runtime: "nodejs24.x", state: "blank", memoryMiB: 128, sinceMs: NOW_MS - 250 },
      ],
    },
    {
      id: "i-2" as InstanceId,
      subPool: "fixed",
      offerId: "sandbox/host/slice/on-demand" as OfferId,
      state: "active",
      accountId: "000000000000" as AccountId,
      shape,
      usedMemoryMiB: 640,
      sinceMs: NOW_MS - 200_000,
      containers: [
        {
          id: "c-2" as ContainerId,
          runtime: "nodejs24.x",
          state: "running",
          memoryMiB: 512,
          functionKey: "000000000000/hello/$LATEST/1" as FunctionKey,
          invocationId: "inv" as InvocationId,
          sinceMs: NOW_MS - 3,
        },
        { id: "c-3" as ContainerId, runtime: "provided.al2023", state: "creating", memoryMiB: 128, sinceMs: NOW_MS },
      ],
    },
  ],
};

test("shows each instance in its pool and each container in its instance", () => {
  expect(poolsTree(pools, (_style, text) => text)).toBe(
    [
      "warming pool, fixed  1 instance",
      "└─ i-1  warming  128 of 4096 MiB  2 vCPU  sandbox/host/slice/on-demand  12 s",
      "   └─ c-1  blank     nodejs24.x       128 MiB  250 ms",
      "warming pool, variable  0 instances",
      "active pool  1 instance",
      "└─ i-2  active  640 of 4096 MiB  2 vCPU  account 000000000000 (default)  sandbox/host/slice/on-demand  3 min",
      "   ├─ c-2  running   nodejs24.x       512 MiB  000000000000/hello/$LATEST/1  invocation inv  3 ms",
      "   └─ c-3  creating  provided.al2023  128 MiB  0 ms",
      "2 waiting, the oldest for 1 s; since the start 3 cold and 40 warm starts",
    ].join("\n"),
  );
});

test("every instance and container is shown once", () => {
  const text = poolsTree(pools, (_style, plain) => plain);
  for (const id of ["i-1", "i-2", "c-1", "c-2", "c-3"]) expect(text.split(`${id}  `)).toHaveLength(2);
});
