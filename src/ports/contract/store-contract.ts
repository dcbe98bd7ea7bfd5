import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DEFAULT_CAPACITY } from "../../model/capacity.ts";
import type { CostRow } from "../../model/cost.ts";
import type { AccountId, InstanceId, InvocationId, OfferId } from "../../model/ids.ts";
import { sizingKeyOf } from "../../model/sizing.ts";
import type { AliasRecord } from "../alias-catalog.ts";
import { CAPACITY_CHANGES_KEPT, type CapacityChange } from "../capacity-change.ts";
import type { QueuedEvent } from "../event-store.ts";
import type { FunctionRecord, PublishedRecord } from "../function-catalog.ts";
import type { HostRecord, JoinTokenRecord } from "../remote-host.ts";
import { type ServerSizingScope, SIZING_CHANGES_KEPT, type SizingChange } from "../sizing-change.ts";
import type { StoredSize } from "../sizing-store.ts";
import type { Store } from "../store.ts";

const accountA = "000000000000" as AccountId;
const accountB = "111111111111" as AccountId;

/** What every store promises. @param reopen closes it and opens it again; undefined when it forgets. */
export function describeStore(
  name: string,
  open: () => Promise<Store>,
  reopen: ((store: Store) => Promise<Store>) | undefined,
): void {
  describe(`${name} keeps the store's contract`, () => {
    let store: Store;
    beforeEach(async () => {
      store = await open();
    });
    afterEach(() => store.close());

    const afterRestart = async () => {
      if (reopen !== undefined) store = await reopen(store);
    };

    test("functions are inserted, replaced and removed, by account and name", async () => {
      await store.functions.put(functionRecord(accountA, "f", "1"));
      await store.functions.put(functionRecord(accountB, "f", "2"));
      await store.functions.put(functionRecord(accountA, "f", "3"));
      await store.functions.put(functionRecord(accountA, "g", "4"));
      await store.functions.delete(accountA, "g");
      await store.functions.delete(accountA, "never was");
      await afterRestart();
      const { functions } = await store.functions.load();
      expect(functions).toHaveLength(2);
      expect(functions).toEqual(
        expect.arrayContaining([functionRecord(accountA, "f", "3"), functionRecord(accountB, "f", "2")]),
      );
    });

    test("versions and aliases outlive changes of their function, and go with it", async () => {
      const owner = functionRecord(accountA, "f", "1");
      for (const accountId of [accountA, accountB]) await store.functions.put(functionRecord(accountId, "f", "1"));
      // More than nine: their order is that of numbers.
      for (let number = 1; number <= 11; number++) {
        await store.functions.putVersion(publishedRecord(owner, number), { ...owner, lastVersion: number });
      }
      await store.functions.deleteVersion("10", { ...owner, lastVersion: 11 });
      await store.functions.deleteVersion("99", { ...owner, lastVersion: 11 });
      const other = functionRecord(accountB, "f", "1");
      await store.functions.putVersion(publishedRecord(other, 1), { ...other, lastVersion: 1 });
      await store.functions.putAlias(aliasRecord(accountA, "live", "1"));
      await store.functions.putAlias(aliasRecord(accountA, "live", "2"));
      await store.functions.putAlias(aliasRecord(accountB, "live", "1"));
      await store.functions.putAlias(aliasRecord(accountA, "gone", "1"));
      await store.functions.deleteAlias("gone", owner);
      await store.functions.deleteAlias("never was", owner);
      await store.functions.put({ ...owner, lastVersion: 11, tags: {} });
      await afterRestart();
      const { functions, versions, aliases } = await store.functions.load();
      expect(functions).toContainEqual({ ...owner, lastVersion: 11, tags: {} });
      expect(versions.filter(({ accountId }) => accountId === accountA).map(({ version }) => version)).toEqual(
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 11].map(String),
      );
      expect(versions).toContainEqual(publishedRecord(owner, 11));
      expect(new Set(aliases)).toEqual(
        new Set([aliasRecord(accountA, "live", "2"), aliasRecord(accountB, "live", "1")]),
      );
      await store.functions.delete(accountA, "f");
      await afterRestart();
      const left = await store.functions.load();
      expect([...left.functions, ...left.versions, ...left.aliases].map(({ accountId }) => accountId)).toEqual([
        accountB,
        accountB,
        accountB,
      ]);
    });

    test("records are inserted, replaced and removed, by their ids", async () => {
      const layer = { accountId: accountA, name: "l", version: 1, isDeleted: true } as const;
      await store.layers.put("a", layer);
      await store.layers.put("b", layer);
      await store.layers.put("a", { ...layer, version: 2 });
      await store.layers.delete("b");
      await store.layers.delete("never was");
      await afterRestart();
      expect(await store.layers.load()).toEqual([{ ...layer, version: 2 }]);
    });

    test("accounts, access keys and facts come back", async () => {
      const account = { accountId: accountB, name: "somebody", createdMs: 17 };
      const key = { accessKeyId: "AKIA1", secretAccessKey: "s", accountId: accountB };
      await store.putAccount(account);
      await store.putAccessKey(key);
      await store.putAccessKey({ ...key, accessKeyId: "AKIA2" });
      await store.deleteAccessKey("AKIA2");
      await store.putMeta("secret", "1");
      await store.putMeta("secret", "2");
      await afterRestart();
      expect(await store.loadAccounts()).toEqual([account]);
      expect(await store.loadAccessKeys()).toEqual([key]);
      expect(await store.meta("secret")).toBe("2");
      expect(await store.meta("never put")).toBeUndefined();
    });

    test("the latest change of an account is its capacity; earlier ones are kept up to a bound", async () => {
      const change = (accountId: AccountId, changedMs: number): CapacityChange => ({
        accountId,
        changedMs,
        changedBy: "AKIA'--",
        before: DEFAULT_CAPACITY,
        after: {
          ...DEFAULT_CAPACITY,
          class: "variable",
          constraints: [{ kind: "price", usdPerHourMax: changedMs / 7 }],
          onShortage: { kind: "fail", afterMs: 30_000 },
        },
      });
      expect(await store.loadCapacities()).toEqual([]);
      expect(await store.capacityChanges(accountA)).toEqual([]);
      await store.putCapacity(change(accountB, 1));
      const count = CAPACITY_CHANGES_KEPT + 3;
      for (let n = 1; n <= count; n++) await store.putCapacity(change(accountA, n));
      await afterRestart();
      expect(await store.loadCapacities()).toEqual(
        expect.arrayContaining([change(accountA, count), change(accountB, 1)]),
      );
      expect(await store.loadCapacities()).toHaveLength(2);
      const kept = Array.from({ length: CAPACITY_CHANGES_KEPT }, (_, i) => change(accountA, count - i));
      expect(await store.capacityChanges(accountA)).toEqual(kept);
      expect(await store.capacityChanges(accountB)).toEqual([change(accountB, 1)]);
    });

    test("costs are added up by day, account, function and sub-pool, and read by days", async () => {
      const figures = { invocations: 2 ** 40, busyMs: 0.5, runUsd: 2 ** -30, heldMs: 0.25, heldUsd: 3, fixedUsd: 4.5 };
      const row = (day: string, more: Partial<CostRow> = {}): CostRow => ({
        day,
        accountId: accountA,
        functionName: "f",
        subPool: "variable",
        ...figures,
        ...more,
      });
      const nobody = row("2026-11-21", { accountId: undefined, functionName: undefined });
      const own = row("2026-11-21", { functionName: undefined });
      const fixed = row("2026-11-21", { subPool: "fixed" });
      await store.addCosts([row("2026-11-20"), row("2026-11-21"), fixed, own, nobody, row("2026-11-22")]);
      const more = { invocations: 1, busyMs: 0.25, runUsd: 0, heldMs: 1, heldUsd: 0.5, fixedUsd: 0.125 };
      await store.addCosts([{ ...nobody, ...more }]);
      await store.addCosts([row("2026-11-21", more)]);
      await store.addCosts([]);
      await afterRestart();
      const sum = {
        invocations: 2 ** 40 + 1,
        busyMs: 0.75,
        runUsd: 2 ** -30,
        heldMs: 1.25,
        heldUsd: 3.5,
        fixedUsd: 4.625,
      };
      const expected = [{ ...nobody, ...sum }, own, fixed, row("2026-11-21", sum)];
      expect(await store.loadCosts("2026-11-21", "2026-11-21")).toEqual(expected);
      expect(await store.loadCosts("2026-11-19", "2026-11-20")).toEqual([row("2026-11-20")]);
      await store.deleteCosts("2026-11-22");
      expect(await store.loadCosts("2000-01-01", "2100-01-01")).toEqual([row("2026-11-22")]);
    });

    test("the latest change of a scope is what is said of sizes there; earlier ones are kept up to a bound", async () => {
      const { sizing } = store;
      const everywhere = { kind: "everywhere" } as const;
      const account = { kind: "account", accountId: accountA } as const;
      const inAccount = (functionName: string) => ({ kind: "function", accountId: accountA, functionName }) as const;
      const change = (scope: ServerSizingScope, changedMs: number): SizingChange => ({
        scope,
        changedMs,
        changedBy: "AKIA'--",
        before: {},
        after: changedMs % 2 === 0 ? {} : { mode: "suggest", sloMs: changedMs / 7 },
      });
      expect(await sizing.loadSettings()).toEqual([]);
      expect(await sizing.changes(everywhere)).toEqual([]);
      await sizing.putSettings(change(everywhere, 1));
      await sizing.putSettings(change(account, 2));
      await sizing.putSettings(change(inAccount("g"), 3));
      const count = SIZING_CHANGES_KEPT + 3;
      for (let n = 1; n <= count; n++) await sizing.putSettings(change(inAccount("f"), n));
      await afterRestart();
      const latest = [
        change(everywhere, 1),
        change(account, 2),
        change(inAccount("g"), 3),
        change(inAccount("f"), count),
      ];
      expect(await store.sizing.loadSettings()).toHaveLength(latest.length);
      expect(await store.sizing.loadSettings()).toEqual(expect.arrayContaining(latest));
      const kept = Array.from({ length: SIZING_CHANGES_KEPT }, (_, i) => change(inAccount("f"), count - i));
      expect(await store.sizing.changes(inAccount("f"))).toEqual(kept);
      expect(await store.sizing.changes(account)).toEqual([change(account, 2)]);
    });

    test("what was learned of sizes is inserted, replaced and deleted, and comes in the order of its last change", async () => {
      const size = (name: string, mark: number): StoredSize => ({
        key: sizingKeyOf(accountA, name, "$LATEST@ab", "x86_64"),
        record: { mark, counts: [1.5, -2, 1e-9], text: "ünï '; --", nested: { none: null } },
        decidedMs: [mark, mark + 0.5],
      });
      const many = Array.from({ length: 300 }, (_, i) => size(`many-${i}`, i));
      await store.sizing.putSizes([size("a", 1), size("b", 2), size("c", 3)]);
      await store.sizing.putSizes(many);
      await store.sizing.putSizes([]);
      await store.sizing.putSizes([size("b", 4)]);
      await store.sizing.deleteSizes([size("c", 0).key, size("never was", 0).key]);
      await store.sizing.deleteSizes([]);
      await afterRestart();
      expect(await store.sizing.loadSizes()).toEqual([size("a", 1), ...many, size("b", 4)]);
    });

    test("hosts and join tokens are inserted, replaced and removed", async () => {
      const first = hostRecord("h-1", []);
      const second = { ...hostRecord("h-2", ["i-9" as InstanceId]), instance: undefined };
      await store.hosts.putHost(first);
      await store.hosts.putHost(second);
      await store.hosts.putHost({ ...first, instanceIds: ["i-1" as InstanceId] });
      await store.hosts.putHost(hostRecord("h-3", []));
      await store.hosts.deleteHost("h-3");
      await store.hosts.deleteHost("never was");
      const used = { ...joinToken("aa"), usedBy: { hostId: "h-1", keySha256: "k" } };
      const unused = { ...joinToken("bb"), instance: undefined };
      await store.hosts.putJoinToken(joinToken("aa"));
      await store.hosts.putJoinToken(unused);
      await store.hosts.putJoinToken(used);
      await store.hosts.putJoinToken(joinToken("cc"));
      await store.hosts.deleteJoinToken("cc");
      await store.hosts.deleteJoinToken("never was");
      await afterRestart();
      const hosts = await store.hosts.loadHosts();
      expect(hosts).toHaveLength(2);
      expect(hosts).toEqual(expect.arrayContaining([{ ...first, instanceIds: ["i-1"] }, second]));
      const tokens = await store.hosts.loadJoinTokens();
      expect(tokens).toHaveLength(2);
      expect(tokens).toEqual(expect.arrayContaining([used, unused]));
    });

    test("an event comes back byte for byte until it is finished", async () => {
      const payload = fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes));
      const text = fc.option(fc.string(), { nil: undefined });
      const deadline = fc.option(fc.nat(8.64e15), { nil: undefined });
      await fc.assert(
        fc.asyncProperty(payload, text, text, deadline, async (bytes, clientContext, traceId, deadlineMs) => {
          const event = { ...queuedEvent(), payload: bytes, clientContext, traceId, deadlineMs };
          await store.events.append(event);
          expect(await store.events.load()).toEqual([event]);
          await store.events.finish(event.id);
          expect(await store.events.load()).toEqual([]);
        }),
        { numRuns: 40 },
      );
    });

    test("events come oldest first, with what was recorded of their attempts", async () => {
      const events = Array.from({ length: 20 }, queuedEvent);
      await Promise.all(events.map((event) => store.events.append(event)));
      await store.events.beginAttempt(events[3]?.id as InvocationId, 1);
      await store.events.reschedule(events[4]?.id as InvocationId, {
        attempts: 2,
        functionFailures: 1,
        nextAttemptMs: 99,
      });
      await store.events.finish(events[5]?.id as InvocationId);
      await store.events.finish(events[5]?.id as InvocationId);
      await store.events.beginAttempt("never appended" as InvocationId, 1);
      await afterRestart();
      const expected = events.toSpliced(5, 1);
      expected[3] = { ...(events[3] as QueuedEvent), attempts: 1 };
      expected[4] = { ...(events[4] as QueuedEvent), attempts: 2, functionFailures: 1, nextAttemptMs: 99 };
      expect(await store.events.load()).toEqual(expected);
    });

    test("an event that is appended twice is there once, as it was first", async () => {
      const event = queuedEvent();
      await store.events.append(event);
      await store.events.append({ ...event, attempts: 7 });
      expect(await store.events.load()).toEqual([event]);
    });

    test("an event has one outcome, and is kept with it until everybody was told", async () => {
      const [event, other] = [queuedEvent(), queuedEvent()];
      const { id, accountId, functionName, qualifier, invokedArn } = event;
      await store.events.append(event);
      await store.events.append(other);
      const response = Buffer.from([1, 0, 255]);
      const first = { condition: "Success", endedMs: 5, invokeCount: 1, execution: undefined } as const;
      const deliveries = [
        { kind: "destination", to: "https://a.example/", attempts: 0, nextAttemptMs: 5 },
        { kind: "deadLetter", to: "arn:aws:sqs:us-east-1:000000000000:q", attempts: 0, nextAttemptMs: 5 },
      ] as const;
      await store.events.conclude(id, first, response, deliveries);
      await store.events.conclude(id, { ...first, condition: "RetriesExhausted" }, undefined, []);
      await store.events.conclude("never appended" as InvocationId, first, undefined, deliveries);
      await afterRestart();
      expect(await store.events.load()).toEqual([other]);
      const concluded = { id, accountId, functionName, qualifier, invokedArn, outcome: first, deliveries };
      expect(await store.events.loadConcluded()).toEqual([concluded]);
      expect(await store.events.payloadsOf(id)).toEqual({ payload: event.payload, response });
      expect(await store.events.payloadsOf(other.id)).toBeUndefined();
      const left = [{ ...deliveries[1], attempts: 3, nextAttemptMs: 77 }];
      await store.events.setDeliveries(id, left);
      await afterRestart();
      expect(await store.events.loadConcluded()).toEqual([{ ...concluded, deliveries: left }]);
      await store.events.finish(id);
      expect(await store.events.loadConcluded()).toEqual([]);
    });

    test("event-invoke configs are kept by function and qualifier", async () => {
      const config = (accountId: AccountId, functionName: string, qualifier: string, retriesMax: number) => {
        const rest = { lastModifiedMs: 1, ageMsMax: 60_000, onSuccess: "arn:s", onFailure: "arn:f" };
        return { accountId, functionName, qualifier, retriesMax, ...rest };
      };
      for (const [accountId, retriesMax] of [[accountA, 1] as const, [accountB, 2] as const]) {
        for (const qualifier of ["$LATEST", "1", "live"]) {
          await store.eventInvokeConfigs.put(config(accountId, "f", qualifier, retriesMax));
        }
      }
      await store.eventInvokeConfigs.put(config(accountA, "f", "1", 0));
      await store.eventInvokeConfigs.delete(accountA, "f", "live");
      await store.eventInvokeConfigs.delete(accountB, "f", undefined);
      await store.eventInvokeConfigs.delete(accountB, "never was", "1");
      await afterRestart();
      expect(await store.eventInvokeConfigs.load()).toEqual([
        config(accountA, "f", "$LATEST", 1),
        config(accountA, "f", "1", 0),
      ]);
    });

    test("schedules are kept by account and name; a tick is recorded with its event", async () => {
      const schedule = (accountId: AccountId, name: string, lastTickMs: number) => {
        const target = { functionName: "f", qualifier: "live", input: '{"a":1}' };
        const when = { expression: "rate(1 hour)", timezone: "UTC", onMissed: "latest", createdMs: 5 } as const;
        return { accountId, name, isPaused: false, lastTickMs, ...target, ...when };
      };
      for (const accountId of [accountA, accountB]) {
        for (const name of ["a", "b"]) await store.schedules.put(schedule(accountId, name, 10));
      }
      const event = queuedEvent();
      await store.events.append(event, { accountId: accountA, name: "a", tickMs: 20 });
      await store.schedules.skip({ accountId: accountA, name: "b", tickMs: 30 });
      await store.schedules.skip({ accountId: accountA, name: "b", tickMs: 25 });
      await store.schedules.skip({ accountId: accountA, name: "never was", tickMs: 1 });
      await store.schedules.delete(accountB, "b");
      await afterRestart();
      expect(await store.events.load()).toEqual([event]);
      expect(await store.schedules.load()).toEqual([
        schedule(accountA, "a", 20),
        schedule(accountA, "b", 30),
        schedule(accountB, "a", 10),
      ]);
    });

    test("what a caller does to its bytes afterwards changes nothing", async () => {
      const event = { ...queuedEvent(), payload: Buffer.from("before") };
      await store.events.append(event);
      event.payload.fill("x");
      expect((await store.events.load())[0]?.payload.toString()).toBe("before");
    });
  });
}

function hostRecord(hostId: string, instanceIds: readonly InstanceId[]): HostRecord {
  const shape = { memoryMiB: 4096, cpuMilli: 2000 };
  const { terms, instance } = joinToken("");
  const said = { name: "ünï", zone: "rack", offered: shape, isolation: "'; --", version: "1" };
  return { hostId, terms, keySha256: "k", joinedMs: 1, ...said, instanceIds, instance };
}

function joinToken(secretSha256Hex: string): JoinTokenRecord {
  const terms = { provider: "static", zone: "rack", subPool: "variable", priceUsdPerHour: 0.25 } as const;
  return {
    secretSha256Hex,
    expiresMs: 17,
    terms: { ...terms, name: undefined, noticeMs: 120_000 },
    instance: {
      instanceId: "i-1" as InstanceId,
      offerId: "static/rack/a/spare" as OfferId,
      subPool: "variable",
      shape: { memoryMiB: 1024, cpuMilli: 1000 },
      token: "t",
    },
    usedBy: undefined,
  };
}

export function functionRecord(accountId: AccountId, name: string, revisionId: string): FunctionRecord {
  return {
    accountId,
    name,
    version: "$LATEST",
    revisionId,
    buildId: `build of ${revisionId}`,
    code: { sha256Hex: "ab".repeat(32), codeSizeBytes: 3 },
    settings: {
      runtime: "nodejs24.x",
      handler: "index.handler",
      role: "arn:aws:iam::000000000000:role/r",
      description: "ünï",
      timeoutMs: 3000,
      memoryMiB: 128,
      ephemeralStorageMiB: 512,
      architecture: "x86_64",
      environment: { A: "'; DROP TABLE function; --" },
      tracingMode: "PassThrough",
      snapStart: "None",
      logGroup: `/aws/lambda/${name}`,
    },
    tags: { team: "a" },
    lastVersion: 0,
    lastModifiedMs: 1,
  };
}

function publishedRecord(
  { tags: _tags, lastVersion: _last, ...record }: FunctionRecord,
  number: number,
): PublishedRecord {
  return { ...record, version: String(number), sourceSha256Hex: "cd".repeat(32) };
}

function aliasRecord(accountId: AccountId, alias: string, version: string): AliasRecord {
  const route = { version: "2", weight: 0.25 };
  return { accountId, name: "f", alias, version, description: "'; --", route, revisionId: "r" };
}

let acceptedMs = 0;

export function queuedEvent(): QueuedEvent {
  acceptedMs++;
  return {
    id: randomUUID() as InvocationId,
    accountId: accountA,
    functionName: "f",
    qualifier: "$LATEST",
    payload: Buffer.from("{}"),
    invokedArn: "arn:aws:lambda:us-east-1:000000000000:function:f",
    clientContext: undefined,
    traceId: undefined,
    traceState: undefined,
    trigger: "other",
    acceptedMs,
    attempts: 0,
    functionFailures: 0,
    nextAttemptMs: acceptedMs,
    deadlineMs: undefined,
  };
}
