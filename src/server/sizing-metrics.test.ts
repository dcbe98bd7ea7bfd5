import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { executeLean, executeOnce } from "../control/sizing/execution-fixture.ts";
import { Sizing } from "../control/sizing/sizing.ts";
import type { SizedVersion } from "../model/grant.ts";
import type { AccountId } from "../model/ids.ts";
import { type Invocation, UNMEASURED } from "../model/invocation.ts";
import { sizingKeyOf } from "../model/sizing.ts";
import { FUNCTIONS_LABELLED_MAX, registerSizing } from "./sizing-metrics.ts";

const accountId = "111111111111" as AccountId;
const versionOf = (functionName: string): SizedVersion => ({
  key: sizingKeyOf(accountId, functionName, "$LATEST@ab", "x86_64"),
  accountId,
  functionName,
  memoryMiB: 1024,
});

const keyOf = (version: number) => sizingKeyOf(accountId, "f", String(version), "x86_64");

function metricsOf() {
  const sizing = new Sizing();
  const registry = new Registry();
  const counts = registerSizing(registry, { keys: () => sizing.keys(), storyOf: (key) => sizing.storyOf(key) });
  const figure = async (name: string, functionName: string, more = "") =>
    Number(
      new RegExp(`^${name}{account="[^"]+",function="${functionName}"${more}} (\\S+)$`, "m").exec(
        await registry.metrics(),
      )?.[1],
    );
  return { sizing, registry, counts, figure };
}

test("sizes are told in bytes, and follow what is learned", async () => {
  const { sizing, figure } = metricsOf();
  const of = versionOf("f");
  executeLean(sizing, of, 1);
  expect(await figure("hearth_function_memory_requested_bytes", "f")).toBe(1024 * 2 ** 20);
  expect(await figure("hearth_function_memory_reserved_bytes", "f")).toBe(1024 * 2 ** 20);
  executeLean(sizing, of, 300);
  const story = sizing.storyOf(of.key);
  expect(await figure("hearth_function_memory_reserved_bytes", "f")).toBe((story?.reservationMiB ?? 0) * 2 ** 20);
  expect(await figure("hearth_function_memory_reserved_bytes", "f")).toBeLessThan(200 * 2 ** 20);
  expect(await figure("hearth_function_memory_limit_bytes", "f")).toBe(1024 * 2 ** 20);
  expect(await figure("hearth_function_memory_peak_bytes", "f")).toBe(91 * 2 ** 20);
  expect(await figure("hearth_function_memory_usual_bytes", "f")).toBeLessThan(92 * 2 ** 20);
});

test("all figures of a scrape are of one collection, whoever scrapes beside it", async () => {
  const { sizing, registry } = metricsOf();
  const count = 1_200;
  for (let i = 0; i < count; i++) executeLean(sizing, { ...versionOf("f"), key: keyOf(i) }, 1);
  const texts = await Promise.all([registry.metrics(), registry.metrics()]);
  for (const text of texts) {
    for (const name of ["requested", "limit", "reserved"]) {
      expect(text).toContain(
        `hearth_function_memory_${name}_bytes{account="${accountId}",function="f"} ${count * 2 ** 30}\n`,
      );
    }
  }
});

test("kills, rescues, decisions and rollbacks are counted by function", async () => {
  const { sizing, counts, figure } = metricsOf();
  const of = versionOf("f");
  const invocation = { sized: of } as unknown as Invocation;
  const usage = { ...UNMEASURED, wallUs: 1 };
  counts.countExecution(invocation, "ok", usage);
  counts.countExecution(invocation, "outOfMemory", undefined);
  counts.countExecution(invocation, "ok", { ...usage, rescues: 2 });
  expect(await figure("hearth_function_out_of_memory_total", "f")).toBe(1);
  expect(await figure("hearth_function_rescues_total", "f")).toBe(1);
  executeOnce(sizing, of, 1024, { outcome: "outOfMemory" });
  for (const decision of sizing.decisionsOf(of.key)) counts.countDecision(of.key, decision);
  expect(await figure("hearth_sizing_decisions_total", "f", ',condition="outOfMemory"')).toBe(1);
  expect(await figure("hearth_sizing_rollbacks_total", "f")).toBe(1);
});

test("beyond the bound functions are added up as other, so that no number of them makes more series", async () => {
  const { sizing, registry, figure } = metricsOf();
  const count = FUNCTIONS_LABELLED_MAX + 1500;
  for (let i = 0; i < count; i++) executeLean(sizing, versionOf(`f${i}`), 1);
  await registry.metrics();
  const lines = (await registry.metrics()).split("\n");
  const requested = lines.filter((line) => line.startsWith("hearth_function_memory_requested_bytes{"));
  expect(requested).toHaveLength(FUNCTIONS_LABELLED_MAX + 1);
  expect(await figure("hearth_function_memory_requested_bytes", "other")).toBe(1500 * 1024 * 2 ** 20);
});
