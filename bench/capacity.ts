import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Operator } from "../demo/capacity/client.ts";
import { Caller } from "../demo/capacity/load.ts";
import { HOG_MIB, NOTICE_MS, SPARE, startSpareHost } from "../demo/capacity/spare-host.ts";
import type { Explanation } from "../src/model/explanation.ts";
import { quantile, rounded } from "./quantile.ts";
import { describeTarget, writeResult } from "./report.ts";
import { inWorkspace } from "./workspace.ts";

/**
 * What moving between the pools costs on a real host (P6): from the warming pool to an account's active one, and from a notice
 * until nothing is placed on the noticed instance any more. Callers use the unmodified AWS SDK.
 */
const { values: options } = parseArgs({ options: { quick: { type: "boolean", default: false } } });
const ACCOUNTS = options.quick ? 3 : 20;
const NOTICES = options.quick ? 1 : 3;
const CALL_MS = 20;
const POLL_MS = 100;
const READY_MS_MAX = 180_000;
const FUNCTION = readFileSync(join(import.meta.dirname, "../demo/capacity/function.mjs"), "utf8");
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

const { activationMs, warmMs, placedAfterMs } = await inWorkspace(async (folder) => {
  const dataDir = folder("capacity");
  const hearth = await startSpareHost(dataDir, SILENT);
  try {
    const operator = new Operator(hearth.url, dataDir);
    const moved = await measureActivations(operator, hearth.url);
    return { ...moved, placedAfterMs: await measureNotices(operator, hearth.url) };
  } finally {
    await hearth.stop(0);
  }
});

/** First calls of accounts: each takes the warming instance. What the function's own start and the SDK take is in it. */
async function measureActivations(operator: Operator, url: string) {
  const first: number[] = [];
  const warm: number[] = [];
  for (let at = 0; at < ACCOUNTS; at++) {
    const { accountId, key } = await operator.account(`account ${at}`, { class: "fixed" });
    const caller = new Caller(`account ${at}`, accountId, url, key);
    await caller.deploy(FUNCTION);
    await until(async () => {
      const { instances } = await operator.pools();
      const warming = instances.find(({ state, subPool }) => state === "warming" && subPool === "fixed");
      return warming?.containers.some(({ state }) => state === "blank") === true;
    });
    await caller.call("synchronous", 0);
    await caller.call("synchronous", 0);
    const [cold, second] = caller.calls;
    if (cold?.error !== undefined || cold === undefined || second === undefined) throw new Error(`${cold?.error}`);
    first.push(cold.tookMs);
    warm.push(second.tookMs);
  }
  return { activationMs: first, warmMs: warm };
}

/** Calls keep coming while other work takes the host's memory; how long after the notice was something still placed there? */
async function measureNotices(operator: Operator, url: string): Promise<number[]> {
  const { accountId, key } = await operator.account("variable", { class: "variable", onShortage: { kind: "wait" } });
  const caller = new Caller("variable", accountId, url, key);
  await caller.deploy(FUNCTION);
  const placedAfterMs: number[] = [];
  for (let notice = 0; notice < NOTICES; notice++) {
    await until(async () => (await operator.offers()).some(({ id, isAvailable }) => id === SPARE && isAvailable));
    const load = new AbortController();
    const calling = caller.keepCalling("synchronous", POLL_MS, CALL_MS, load.signal);
    await until(async () => (await ownInstances()).some(({ state }) => state === "active"));
    await delay(2_000);
    const hog = spawn(process.execPath, [join(import.meta.dirname, "../demo/capacity/hog.mjs"), String(HOG_MIB)]);
    const noticedMs = new Map<string, number>();
    try {
      await until(async () => {
        for (const { id, endsAtMs } of await ownInstances())
          if (endsAtMs !== undefined) noticedMs.set(id, endsAtMs - NOTICE_MS);
        return noticedMs.size > 0 && (await ownInstances()).length === 0;
      });
    } finally {
      hog.kill("SIGKILL");
      load.abort();
    }
    await calling;
    await until(async () => caller.open === 0);
    placedAfterMs.push(await lastPlacement(noticedMs));
  }
  return placedAfterMs;

  async function ownInstances() {
    return (await operator.pools()).instances.filter((instance) => instance.accountId === accountId);
  }

  /** The latest placement on a noticed instance, counted from its notice; negative: before it. */
  async function lastPlacement(noticedMs: ReadonlyMap<string, number>): Promise<number> {
    let last = Number.NEGATIVE_INFINITY;
    for (const { requestId } of caller.calls) {
      const known = requestId === undefined ? undefined : await operator.explain(requestId).catch(() => undefined);
      for (const { instanceId, begunMs } of executions(known)) {
        const at = noticedMs.get(instanceId);
        if (at !== undefined) last = Math.max(last, begunMs - at);
      }
    }
    return last;
  }
}

function executions(known: Explanation | undefined) {
  return (known?.attempts ?? []).filter((attempt) => attempt.kind === "executed");
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + READY_MS_MAX;
  while (!(await isSo())) {
    if (performance.now() > untilMs) throw new Error(`it did not happen within ${READY_MS_MAX / 1000} s`);
    await delay(POLL_MS);
  }
}

const figures = {
  accounts: ACCOUNTS,
  firstCallMs: { p50: rounded(quantile(activationMs, 0.5)), max: rounded(quantile(activationMs, 1)) },
  warmCallMs: { p50: rounded(quantile(warmMs, 0.5)), max: rounded(quantile(warmMs, 1)) },
  notices: NOTICES,
  lastPlacementAfterNoticeMs: placedAfterMs.map((ms) => rounded(ms)),
};
console.table(figures);
if (!options.quick) {
  const result = writeResult("capacity", {
    figures,
    targets: [
      {
        id: "capacity.activation",
        says: "first call of an account, by the AWS SDK: an instance moves from warming to active and a blank container starts the function, p50",
        bound: "atMost",
        target: 50,
        measured: quantile(activationMs, 0.5),
        unit: "ms",
      },
      {
        id: "capacity.notice",
        says: "from the notice of a reclaim to the last placement on the instance",
        bound: "atMost",
        target: 1_000,
        measured: Math.max(...placedAfterMs),
        unit: "ms",
      },
    ],
  });
  for (const target of result.targets) console.log(describeTarget(target));
}
process.exit(0);
