import { expect, test } from "vitest";
import type { ProvisionedState } from "../model/concurrency.ts";
import type { Event } from "../model/event.ts";
import type { FunctionVersion } from "../model/function-version.ts";
import type { AccountId, FunctionKey } from "../model/ids.ts";
import type { ConcurrencyCatalog, FunctionConcurrency } from "../ports/concurrency-catalog.ts";
import { feedConcurrency } from "./function-concurrency.ts";
import { provisionedStateOf } from "./provisioned-state.ts";

const A = "111111111111" as AccountId;
const [ONE, TWO] = ["a/f/1/x", "a/f/2/y"] as [FunctionKey, FunctionKey];

function versionOf(key: FunctionKey): FunctionVersion {
  const known = { key, accountId: A, name: "f", version: "1", runtime: "nodejs24.x", memoryMiB: 256 };
  return { ...known, codeSha256Hex: "0".repeat(64) } as FunctionVersion;
}

type Provisioned = FunctionConcurrency["provisioned"][number];

const alias = (qualifier: string, count: number, ...weights: [FunctionKey, number][]): Provisioned => ({
  qualifier,
  count,
  versions: weights.map(([key, weight]) => ({ version: versionOf(key), weight })),
});

function catalogOf(provisioned: readonly Provisioned[], reserved?: number) {
  return {
    of: () => ({ reserved, provisioned }),
    all: () => [{ accountId: A, name: "f" }],
    onChanged: () => {},
  } as unknown as ConcurrencyCatalog;
}

function told(provisioned: readonly Provisioned[], reserved?: number) {
  const events: Event[] = [];
  feedConcurrency(catalogOf(provisioned, reserved), { feed: (event) => events.push(event), remember: () => {} });
  const [event] = events;
  return event?.kind === "ConcurrencyConfigured" ? event.settings : undefined;
}

const state = (changes: Partial<ProvisionedState>): ProvisionedState => ({
  count: 0,
  allocated: 0,
  available: 0,
  running: 0,
  starts: 0,
  spillovers: 0,
  isFailing: false,
  shortMs: 0,
  ...changes,
});

const shown = (states: ReadonlyMap<FunctionKey, ProvisionedState>, provisioned: readonly Provisioned[], name: string) =>
  provisionedStateOf(catalogOf(provisioned), (key) => states.get(key), A, "f", name);

test("what is provisioned of an alias is split as its calls are, and of a version added up over its aliases", () => {
  expect(told([alias("live", 10, [ONE, 0.75], [TWO, 0.25])], 20)).toMatchObject({
    reserved: 20,
    provisioned: [
      { functionKey: ONE, count: 7, runtime: "nodejs24.x", memoryMiB: 256 },
      { functionKey: TWO, count: 3 },
    ],
  });
  expect(told([alias("live", 1, [ONE, 0.9], [TWO, 0.1])])?.provisioned).toMatchObject([{ functionKey: ONE, count: 1 }]);
  expect(told([alias("a", 2, [ONE, 1]), alias("b", 3, [ONE, 1])])?.provisioned).toMatchObject([{ count: 5 }]);
  expect(told([])).toBeUndefined();
});

test("the state is that of what is made: in progress, ready, failed with the reason", () => {
  const live = [alias("live", 2, [ONE, 1])];
  const of = (changes: Partial<ProvisionedState>) => shown(new Map([[ONE, state(changes)]]), live, "live");
  expect(shown(new Map(), live, "live")).toEqual({ allocated: 0, available: 0, status: "IN_PROGRESS" });
  expect(of({ allocated: 2, available: 1 })).toEqual({ allocated: 2, available: 1, status: "IN_PROGRESS" });
  expect(of({ allocated: 2, available: 2 })).toEqual({ allocated: 2, available: 2, status: "READY" });
  expect(of({ isFailing: true })).toMatchObject({ status: "FAILED", reason: "FUNCTION_ERROR_INIT_FAILURE" });
  expect(of({ allocated: 1, available: 1, shortMs: 59_000 })).toMatchObject({ status: "IN_PROGRESS" });
  expect(of({ allocated: 1, available: 1, shortMs: 61_000 })).toMatchObject({
    status: "FAILED",
    reason: expect.stringMatching(/room/),
  });
});

test("aliases of one version share what is held of it, the first by name first", () => {
  const both = [alias("a", 2, [ONE, 1]), alias("b", 2, [ONE, 1])];
  const states = new Map([[ONE, state({ allocated: 3, available: 3 })]]);
  expect(shown(states, both, "a")).toMatchObject({ available: 2, status: "READY" });
  expect(shown(states, both, "b")).toMatchObject({ available: 1, status: "IN_PROGRESS" });
});
