import { describe, expect, test } from "vitest";
import type { Explanation } from "../../src/model/explanation.ts";
import type { CapacityDocument } from "../../src/ports/capacity-document.ts";
import type { CostsAnswer, WaitsAnswer } from "../../src/ports/capacity-view.ts";
import { eventually } from "./server-fixture/eventually.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";
import { LambdaCaller } from "./server-fixture/lambda-caller.ts";

/** Of a machine that others keep busy. */
const LONG_MS = 30_000;
const HOUR_MS = 3_600_000;
const capacityPath = "/_hearth/accounts/000000000000/capacity";
const invocations = (name: string) => `/2015-03-31/functions/${name}/invocations`;
const files = { "index.js": "exports.handler = async (event) => event;" };

/** A server whose only capacity is fixed, and what can be asked of it. */
async function serve(hearth: HearthProcess) {
  const lambda = new LambdaCaller(() => hearth.url);
  await lambda.deploy("f", { files });
  const get = async <T>(path: string) => (await (await fetch(hearth.url + path)).json()) as T;
  return {
    lambda,
    explain: (id: string) => get<Explanation>(`/_hearth/explain/${id}`),
    waits: () => get<WaitsAnswer>("/_hearth/waits"),
    costs: () => get<CostsAnswer>("/_hearth/costs"),
    metrics: async () => (await fetch(`${hearth.url}/metrics`)).text(),
    set: async (document: CapacityDocument) => {
      const { status, body } = await lambda.request("PUT", capacityPath, JSON.stringify(document));
      expect(status, body.toString()).toBe(200);
    },
    waiting: (count: number) =>
      eventually(
        () => get<WaitsAnswer>("/_hearth/waits"),
        ({ entries }) => entries.length === count,
        LONG_MS,
      ),
    ended: (id: string) =>
      eventually(
        () => get<Explanation>(`/_hearth/explain/${id}`),
        ({ attempts }) =>
          attempts?.some((attempt) => attempt.kind === "executed" && attempt.end !== undefined) === true,
        LONG_MS,
      ),
  };
}

describe("an account's capacity settings", () => {
  test("a variable account waits beside idle fixed instances, is explained, and is woken by its settings", async () => {
    await using hearth = await HearthProcess.start({ provider: "process" });
    const { lambda, explain, waits, set, waiting, metrics } = await serve(hearth);
    const first = await lambda.invoke("f", { a: 1 });
    expect(first.json).toEqual({ a: 1 });
    expect(await explain(first.requestId)).toMatchObject({
      functionName: "f",
      mode: "synchronous",
      attempts: [{ kind: "executed", placement: { subPool: "fixed" }, end: { kind: "finished", outcome: "ok" } }],
    });

    await set({ class: "variable", constraints: [{ kind: "price", usdPerHourMax: 0.03 }] });
    const answer = lambda.invoke("f", { a: 2 });
    const { entries } = await waiting(1);
    expect(entries).toMatchObject([{ accountId: "000000000000", mode: "synchronous", place: 1 }]);
    expect(entries[0]?.waitsFor.length).toBeGreaterThan(0);
    const id = entries[0]?.invocationId ?? "";
    expect(await explain(id)).toMatchObject({ attempts: [], waiting: { place: 1 } });
    expect(await metrics()).toMatch(/hearth_waiting_causes\{class="variable",cause="\w+"\} 1/);

    await set({ class: "fixed" });
    expect((await answer).json).toEqual({ a: 2 });
    expect((await answer).requestId).toBe(id);
    const [attempt] = (await explain(id)).attempts;
    expect(attempt).toMatchObject({ kind: "executed", placement: { subPool: "fixed" } });
    if (attempt?.kind === "executed") expect(attempt.placement.waitedMs).toBeGreaterThan(0);
    expect((await waits()).entries).toEqual([]);
  });

  test("patience that ends is a refusal with its code, explained; who hangs up leaves the queue", async () => {
    await using hearth = await HearthProcess.start({ provider: "process" });
    const { lambda, explain, set, waiting } = await serve(hearth);
    await set({ class: "variable", onShortage: { kind: "fail", after: "100ms" } });
    const refused = await lambda.invoke("f");
    expect([refused.status, refused.headers["x-hearth-error-code"]]).toEqual([429, "NO_VARIABLE_CAPACITY"]);
    expect((await explain(refused.requestId)).attempts).toMatchObject([
      { kind: "refused", code: "NO_VARIABLE_CAPACITY" },
    ]);

    await set({ class: "variable" });
    const hangUp = new AbortController();
    const abandoned = fetch(hearth.url + invocations("f"), { method: "POST", body: "{}", signal: hangUp.signal });
    expect((await waiting(1)).entries).toHaveLength(1);
    hangUp.abort();
    await expect(abandoned).rejects.toThrow();
    expect((await waiting(0)).entries).toEqual([]);
  });

  test("settings, waiting events, deadlines and costs survive kill -9; costs do not double", async () => {
    await using hearth = await HearthProcess.start({ provider: "process" });
    const { lambda, set, waiting, costs, ended } = await serve(hearth);
    const runs = async () =>
      (await costs()).rows.reduce((sum, row) => sum + (row.functionName === "f" ? row.invocations : 0), 0);
    for (let i = 0; i < 5; i++) await lambda.invoke("f");
    expect(await runs()).toBe(5);

    await set({ class: "variable" });
    const event = await lambda.invoke("f", {}, { type: "Event" });
    const deadline = { "x-amz-invocation-type": "Event", "x-hearth-deadline": "+3h" };
    expect((await lambda.request("POST", invocations("f"), "{}", deadline)).status).toBe(202);
    await waiting(2);
    await hearth.kill();
    await hearth.start();
    const { entries, nowMs } = await waiting(2);
    expect(entries.map(({ mode }) => mode)).toEqual(["asynchronous", "asynchronous"]);
    const held = entries.filter(({ deadlineMs }) => deadlineMs !== undefined);
    expect(held).toHaveLength(1);
    expect(Math.abs((held[0]?.deadlineMs ?? 0) - nowMs - 3 * HOUR_MS)).toBeLessThan(10 * 60_000);
    expect(await runs()).toBe(5);

    await set({ class: "fixed" });
    expect(await ended(event.requestId)).toMatchObject({ mode: "asynchronous" });
    await hearth.stop();
    await hearth.start();
    expect(await runs()).toBeGreaterThanOrEqual(6);
    expect((await costs()).rows.some(({ functionName, heldMs }) => functionName === undefined && heldMs > 0)).toBe(
      true,
    );
  });
});
