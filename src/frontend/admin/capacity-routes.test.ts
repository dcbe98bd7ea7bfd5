// biome-ignore-all lint/style/noRestrictedImports: a signed request is made as the command line makes it.
import { beforeEach, describe, expect, test } from "vitest";
import { signedHeaders } from "../../cli/signature.ts";
import { type AccountId, DEFAULT_ACCOUNT_ID, type FunctionKey, type InvocationId } from "../../model/ids.ts";
import type { Invocation, InvocationMode } from "../../model/invocation.ts";
import type { WaitEntry } from "../../model/snapshot.ts";
import { systemClock } from "../../ports/clock.ts";
import {
  explanations,
  keys,
  ledger,
  region,
  serveCapacityRoutes,
  stranger,
  tenant,
  url,
  waits,
} from "./capacity-fixture.ts";

const variable = { class: "variable", constraints: [{ kind: "price", usdPerHourMax: 0.03 }] };

serveCapacityRoutes();

/** @param as signs as this account; undefined: unsigned, which is the operator on this machine. */
async function ask(
  path: string,
  as?: AccountId,
  body?: unknown,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const method = body === undefined ? "GET" : "PUT";
  const bytes =
    body === undefined ? Buffer.alloc(0) : Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
  const key = as === undefined ? undefined : keys.get(as);
  const request = { method, path, host: new URL(url).host, headers: {}, body: bytes } as const;
  const headers = key === undefined ? {} : signedHeaders(request, key, region, Date.now());
  const answer = await fetch(url + path, { method, headers, ...(body === undefined ? {} : { body: bytes }) });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

const capacity = `/_hearth/accounts/${tenant}/capacity`;

describe("capacity settings", () => {
  test("are shown, set and set again, with who did it", async () => {
    expect((await ask(capacity)).body).toEqual({ accountId: tenant, capacity: { class: "fixed" }, changes: [] });
    const set = await ask(capacity, DEFAULT_ACCOUNT_ID, variable);
    const after = { ...variable, onShortage: { kind: "wait" } };
    const changedBy = keys.get(DEFAULT_ACCOUNT_ID)?.accessKeyId;
    const change = { changedMs: expect.any(Number), changedBy, before: { class: "fixed" }, after };
    expect(set).toEqual({ status: 200, body: { accountId: tenant, capacity: after, changes: [change] } });
    const again = await ask(capacity, undefined, { class: "dedicated", dedicatedInstances: 2 });
    expect(again.body["changes"]).toMatchObject([{ changedBy: "unsigned", before: after }, change]);
    // What is shown can be put back as it is.
    expect((await ask(capacity, undefined, after)).body["capacity"]).toEqual(after);
  });

  test("what is wrong is refused by its field; nothing changes", async () => {
    const bad = await ask(capacity, undefined, {
      class: "variable",
      constraints: [{ kind: "price", usdPerHourMax: -1 }],
    });
    expect(bad).toMatchObject({
      status: 400,
      body: { message: expect.stringMatching(/^constraints\[0\]\.usdPerHourMax: -1/) },
    });
    for (const body of ["", "{", "null", '"variable"', "[1e999]"]) {
      expect((await ask(capacity, undefined, body)).status, body).toBe(400);
    }
    expect((await ask(capacity)).body["capacity"]).toEqual({ class: "fixed" });
    expect((await ask("/_hearth/accounts/404404404404/capacity")).status).toBe(404);
    expect((await ask("/_hearth/accounts/404404404404/capacity", undefined, variable)).status).toBe(404);
  });

  test("are the operator's: the account itself may neither see nor set them", async () => {
    expect((await ask(capacity, tenant)).status).toBe(403);
    expect((await ask(capacity, tenant, variable)).status).toBe(403);
  });
});

function waitOf(id: string, accountId: AccountId, place: number): WaitEntry {
  return {
    invocationId: id as InvocationId,
    accountId,
    functionKey: `${accountId}/f/$LATEST/r` as FunctionKey,
    mode: "synchronous",
    sinceMs: systemClock.monotonicMs() - 5000,
    place,
    waitsFor: [{ kind: "price", text: "0.05 USD/h is above 0.03" }],
  };
}

describe("waits", () => {
  beforeEach(() => {
    waits.push(waitOf("w-1", tenant, 1), waitOf("w-2", stranger, 2), waitOf("w-3", tenant, 3));
  });
  const seen = async (path: string, as?: AccountId) => {
    const { status, body } = await ask(path, as);
    return status === 200 ? (body["entries"] as WaitEntry[]).map(({ invocationId }) => invocationId) : status;
  };

  test("the operator sees all or one account's, others their own", async () => {
    expect(await seen("/_hearth/waits")).toEqual(["w-1", "w-2", "w-3"]);
    expect(await seen(`/_hearth/waits?account=${tenant}`)).toEqual(["w-1", "w-3"]);
    expect(await seen("/_hearth/waits", tenant)).toEqual(["w-1", "w-3"]);
    expect(await seen(`/_hearth/waits?account=${tenant}`, tenant)).toEqual(["w-1", "w-3"]);
    expect(await seen(`/_hearth/waits?account=${stranger}`, tenant)).toBe(403);
    expect(await ask("/_hearth/waits?account=404404404404")).toMatchObject({
      status: 404,
      body: { message: "There is no account 404404404404." },
    });
  });

  test("an answer has a bound, and tells that there is more", async () => {
    expect((await ask("/_hearth/waits?limit=1")).body).toMatchObject({
      hasMore: true,
      entries: [{ invocationId: "w-1" }],
    });
    expect((await ask("/_hearth/waits?limit=3")).body).toMatchObject({ hasMore: false });
    for (const limit of ["-1", "x", "1001", "1e3"]) expect(await seen(`/_hearth/waits?limit=${limit}`)).toBe(400);
  });
});

describe("explain", () => {
  const invocationOf = (id: string, mode: InvocationMode): Invocation => ({
    id: id as InvocationId,
    accountId: tenant,
    functionKey: `${tenant}/f/$LATEST/r` as FunctionKey,
    runtime: "nodejs24.x",
    memoryMiB: 128,
    mode,
  });

  test("the operator and its account see it; for others it does not exist", async () => {
    explanations.refused(invocationOf("r-1", "synchronous"), "NO_VARIABLE_CAPACITY", 17);
    for (const as of [undefined, tenant]) {
      expect(await ask("/_hearth/explain/r-1", as)).toMatchObject({
        status: 200,
        body: { functionName: "f", attempts: [{ kind: "refused", code: "NO_VARIABLE_CAPACITY", atMs: 17 }] },
      });
    }
    const hidden = await ask("/_hearth/explain/r-1", stranger);
    const unknown = await ask("/_hearth/explain/r-2", stranger);
    expect([hidden.status, unknown.status]).toEqual([404, 404]);
    expect(String(hidden.body["message"]).replace("r-1", "r-2")).toBe(unknown.body["message"]);
  });

  test("one that waits, the first time or again", async () => {
    waits.push(waitOf("w-1", tenant, 7));
    const waiting = { place: 7, waitsFor: [{ kind: "price" }], sinceMs: expect.any(Number) };
    const first = await ask("/_hearth/explain/w-1", tenant);
    expect(first.body).toMatchObject({ functionName: "f", version: "$LATEST", attempts: [], waiting });
    expect(Math.abs(Number((first.body["waiting"] as { sinceMs: number }).sinceMs) - Date.now() + 5000)).toBeLessThan(
      2000,
    );
    explanations.refused(invocationOf("w-1", "asynchronous"), "NO_CAPACITY", 17);
    const again = await ask("/_hearth/explain/w-1", tenant);
    expect(again.body).toMatchObject({ mode: "asynchronous", attempts: [{ kind: "refused" }], waiting });
    expect((await ask("/_hearth/explain/w-1", stranger)).status).toBe(404);
  });
});

describe("costs", () => {
  const run = (accountId: AccountId, functionName: string, wallMs: number) =>
    ledger.execute(
      {
        accountId,
        functionName,
        subPool: "variable",
        offerId: "unknown" as never,
        shape: { memoryMiB: 1024, cpuMilli: 1000 },
        memoryMiB: 1024,
        priceUsdPerHour: 0.1,
        wallMs,
      },
      systemClock.monotonicMs(),
    );
  const rowsOf = (body: Record<string, unknown>) => body["rows"] as Record<string, unknown>[];

  test("what was counted this moment is there, by account; summed or by day", async () => {
    run(tenant, "f", 3_600_000);
    run(stranger, "g", 1000);
    const { body } = await ask("/_hearth/costs");
    expect(body).toMatchObject({ fixedUsdPerGiBHour: 0.01, omittedRows: 0 });
    expect(rowsOf(body).map((row) => [row["accountId"], row["functionName"], row["invocations"]])).toEqual(
      expect.arrayContaining([
        [tenant, "f", 1],
        [stranger, "g", 1],
      ]),
    );
    run(tenant, "f", 3_600_000);
    const own = await ask("/_hearth/costs?by=day", tenant);
    expect(rowsOf(own.body)).toMatchObject([
      { day: expect.any(String), functionName: "f", invocations: 2, fixedUsd: 0.02 },
    ]);
    expect((await ask(`/_hearth/costs?account=${stranger}`, tenant)).status).toBe(403);
    expect((await ask("/_hearth/costs?account=404404404404")).status).toBe(404);
  });

  test("days are checked", async () => {
    expect((await ask("/_hearth/costs?from=2026-01-01&to=2026-01-31")).body).toMatchObject({ rows: [] });
    for (const query of ["from=x", "to=2026-02-30", "from=2026-01-02&to=2026-01-01", "from=2020-01-01", "by=hour"]) {
      const { status, body } = await ask(`/_hearth/costs?${query}`);
      expect([status, body["message"]], query).toEqual([400, expect.stringMatching(/^(from|to|by): /)]);
    }
  });
});
