import { parseArgs } from "node:util";
import type { InstanceSnapshot, PoolsSnapshot } from "../src/model/snapshot.ts";
import { closeConnections, type FirstCall, firstCall } from "./first-call.ts";
import { median, quantile, rounded, sum } from "./quantile.ts";
import { describeTarget, type Target, writeResult } from "./report.ts";
import { HearthServer } from "./sides/hearth.ts";
import { printTable } from "./table.ts";
import { inWorkspace } from "./workspace.ts";

/**
 * First calls of functions that never ran here, seen by a caller: out of the pool of blank containers,
 * one at a time with the pool full again before each; without blanks, so that a container is made for
 * each; and 200 functions at once.
 */
const { values: options } = parseArgs({ options: { quick: { type: "boolean", default: false } } });
const POOLED_CALLS = options.quick ? 10 : 250;
const UNPOOLED_CALLS = options.quick ? 5 : 60;
const BURSTS = options.quick ? 1 : 3;
const FUNCTIONS_AT_ONCE = options.quick ? 20 : 200;
/** Calls whose figures are dropped: the server's own code warms up, and its first instance is assigned. */
const WARM_UP_CALLS = 5;
const MEMORY_MIB = 128;
const RUNTIME = "nodejs24.x";
/** The pool must have been full for so long before a call: what refilled it is over. */
const QUIET_MS = 100;

type Summary = {
  readonly calls: number;
  readonly failed: number;
  readonly wallMs: Spread;
  readonly initMs: Spread;
  /** What the caller waited beyond the module's own evaluation. */
  readonly beyondInitMs: Spread;
};
type Burst = Summary & {
  /** Statuses of answers that were no results. */
  readonly refused: readonly number[];
  readonly allAnsweredMs: number;
  /** From the last answer until nothing is being made any more. */
  readonly refillMs: number;
  readonly blanksAfter: number;
};
type Spread = { readonly p50: number; readonly p90: number; readonly p99: number; readonly max: number };

const pooled = await inWorkspace((folder) => withServer(folder("pooled"), {}, callOneByOne(POOLED_CALLS, isPoolFull)));
const unpooled = await inWorkspace((folder) =>
  withServer(folder("unpooled"), { HEARTH_BLANKS: "0" }, callOneByOne(UNPOOLED_CALLS, hasNoBlank)),
);
const bursts: Burst[] = [];
for (let at = 0; at < BURSTS; at++) {
  bursts.push(await inWorkspace((folder) => withServer(folder("at-once"), {}, callAtOnce)));
}
closeConnections();
report();

async function withServer<T>(
  directory: string,
  env: Readonly<Record<string, string>>,
  work: (server: HearthServer) => Promise<T>,
): Promise<T> {
  const server = await HearthServer.start(directory, env);
  try {
    return await work(server);
  } finally {
    await server.stop();
  }
}

/** Each function is called once and removed, so that containers of earlier ones do not fill the instance. */
function callOneByOne(count: number, isReady: (pools: PoolsSnapshot) => boolean) {
  return async (server: HearthServer): Promise<Summary> => {
    const calls: FirstCall[] = [];
    for (let at = -WARM_UP_CALLS; at < count; at++) {
      const name = `cold${at + WARM_UP_CALLS}`;
      await deploy(server, name);
      await stays(server, isReady);
      const call = await firstCall(server.invokeUrl(name));
      if (at >= 0) calls.push(call);
      await server.remove(name);
      if ((at + 1) % 50 === 0 && at > 0) console.log(`${at + 1} of ${count} cold starts, one at a time`);
    }
    return summaryOf(calls);
  };
}

async function callAtOnce(server: HearthServer): Promise<Burst> {
  const names = Array.from({ length: FUNCTIONS_AT_ONCE }, (_, at) => `burst${at}`);
  for (const name of names) await deploy(server, name);
  await stays(server, isPoolFull);
  const startMs = performance.now();
  const calls = await Promise.all(names.map((name) => firstCall(server.invokeUrl(name))));
  const allAnsweredMs = rounded(performance.now() - startMs);
  const refillMs = rounded(await server.until(isAtRest));
  const blanksAfter = sum((await server.pools()).instances.map(blanksOf));
  const refused = calls.filter(({ isOk }) => !isOk).map(({ status }) => status);
  console.log(`${FUNCTIONS_AT_ONCE} functions at once: all answered after ${allAnsweredMs} ms`);
  return { ...summaryOf(calls), refused, allAnsweredMs, refillMs, blanksAfter };
}

/** Small as most functions are: some parsing, one module of Node, and a text that no other has. */
function deploy(server: HearthServer, name: string): Promise<void> {
  const code = `import { createHash } from "node:crypto";
const name = ${JSON.stringify(name)};
export const tag = createHash("sha256").update(name).digest("hex");
export const handler = async (event) => event;
`;
  return server.deploy({ name, runtime: RUNTIME, memoryMiB: MEMORY_MIB, code });
}

async function stays(server: HearthServer, isReady: (pools: PoolsSnapshot) => boolean): Promise<void> {
  await server.until(isReady);
  await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  await server.until(isReady);
}

/** A blank container waits where the account's next call goes, and nothing is being made anywhere. */
function isPoolFull(pools: PoolsSnapshot): boolean {
  return isSettled(pools) && servingInstances(pools.instances).some((instance) => blanksOf(instance) > 0);
}

function hasNoBlank(pools: PoolsSnapshot): boolean {
  return isSettled(pools) && pools.instances.every((instance) => blanksOf(instance) === 0);
}

function isSettled(pools: PoolsSnapshot): boolean {
  return isAtRest(pools) && pools.instances.some(({ state }) => state === "warming");
}

/** Nothing is being made, runs or goes. After a burst the host may be too full for a warming instance. */
function isAtRest({ instances }: PoolsSnapshot): boolean {
  const isMoving = (state: string) => ["creating", "leaving", "running"].includes(state);
  return instances.every(
    ({ state, containers }) =>
      (state === "warming" || state === "active") && !containers.some((container) => isMoving(container.state)),
  );
}

/** The account's own instances; before there are any, those that wait for an account. */
function servingInstances(instances: readonly InstanceSnapshot[]): readonly InstanceSnapshot[] {
  const active = instances.filter(({ state }) => state === "active");
  return active.length > 0 ? active : instances;
}

function blanksOf({ containers }: InstanceSnapshot): number {
  return containers.filter(({ state, runtime }) => state === "blank" && runtime === RUNTIME).length;
}

function summaryOf(calls: readonly FirstCall[]): Summary {
  const cold = calls.filter(({ isOk, initMs }) => isOk && initMs !== undefined);
  return {
    calls: calls.length,
    failed: calls.length - cold.length,
    wallMs: spreadOf(cold.map(({ wallMs }) => wallMs)),
    initMs: spreadOf(cold.map(({ initMs = Number.NaN }) => initMs)),
    beyondInitMs: spreadOf(cold.map(({ wallMs, initMs = Number.NaN }) => wallMs - initMs)),
  };
}

function spreadOf(values: readonly number[]): Spread {
  const at = (share: number) => rounded(quantile(values, share), 2);
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

function report(): void {
  const row = (title: string, { calls, failed, wallMs, initMs, beyondInitMs }: Summary) => [
    title,
    calls,
    failed,
    wallMs.p50,
    wallMs.p99,
    initMs.p50,
    beyondInitMs.p50,
    beyondInitMs.p99,
  ];
  printTable(
    ["first calls", "calls", "failed", "wall p50 ms", "wall p99 ms", "init p50 ms", "beyond init p50 ms", "p99 ms"],
    [
      row("from a blank container", pooled),
      row("without blanks", unpooled),
      ...bursts.map((burst) => row(`${FUNCTIONS_AT_ONCE} functions at once`, burst)),
    ],
  );
  const ofBursts = (figure: (burst: Burst) => number) => median(bursts.map(figure));
  const [answeredMs, refillMs] = [ofBursts(({ allAnsweredMs }) => allAnsweredMs), ofBursts((burst) => burst.refillMs)];
  console.log(`bursts: all answered after ${answeredMs} ms, pools at rest ${refillMs} ms later (medians)`);
  if (options.quick) return;
  const figures = { runtime: RUNTIME, memoryMiB: MEMORY_MIB, pooled, unpooled, bursts };
  for (const target of writeResult("cold", { figures, targets: targets() }).targets) {
    console.log(describeTarget(target));
  }
}

function targets(): Target[] {
  const says = "first call of a function never run here, from a blank container, beyond its module's own evaluation";
  return [
    atMost("cold.pooled.p50", `${says}: median`, 5, pooled.beyondInitMs.p50, "ms"),
    atMost("cold.pooled.p99", `${says}: 99th percentile`, 20, pooled.beyondInitMs.p99, "ms"),
    atMost("cold.unpooled.p50", "the same without blank containers: median", 150, unpooled.beyondInitMs.p50, "ms"),
    atMost("cold.failed", "cold starts, one at a time, that failed", 0, pooled.failed + unpooled.failed, "calls"),
    atMost(
      "cold.burst.failed",
      `of ${FUNCTIONS_AT_ONCE} functions first called at once`,
      0,
      sum(bursts.map(({ failed }) => failed)),
      "calls",
    ),
  ];
}

function atMost(id: string, says: string, target: number, measured: number, unit: string): Target {
  return { id, says, bound: "atMost", target, measured, unit };
}
