import { expect, test } from "vitest";
import type { InvocationId, LeaseId } from "../model/ids.ts";
import { KeptResults } from "./kept-results.ts";

const MEBIBYTE = 1024 * 1024;
const lease = (n: number) => `l-${n}` as LeaseId;
const invocation = (n: number) => `v-${n}` as InvocationId;

test("kept in order until acknowledged", () => {
  const results = new KeptResults();
  for (const n of [1, 2, 3]) results.keep(lease(n), invocation(n), Buffer.from([n]));
  results.acknowledge(lease(2));
  results.acknowledge(lease(2));
  expect(results.invocationIds()).toEqual([invocation(1), invocation(3)]);
  expect(results.frames()).toEqual([Buffer.from([1]), Buffer.from([3])]);
});

test("beyond 64 MiB the oldest go", () => {
  const results = new KeptResults();
  const frame = Buffer.alloc(8 * MEBIBYTE);
  for (let n = 1; n <= 10; n += 1) results.keep(lease(n), invocation(n), frame);
  expect(results.invocationIds()).toEqual([3, 4, 5, 6, 7, 8, 9, 10].map(invocation));
  for (let n = 1; n <= 10; n += 1) results.acknowledge(lease(n));
  for (let n = 11; n <= 18; n += 1) results.keep(lease(n), invocation(n), frame);
  expect(results.invocationIds()).toHaveLength(8);
});
