import { parseArgs } from "node:util";
import type { RuntimeName } from "../src/model/runtime.ts";
import type { PoolsSnapshot } from "../src/model/snapshot.ts";
import { closeConnections, type FirstCall, firstCall } from "./first-call.ts";
import { GENERATOR, load } from "./load/load.ts";
import { median, quantile, rounded } from "./quantile.ts";
import { describeTarget, type Target, writeResult } from "./report.ts";
import { HearthServer } from "./sides/hearth.ts";
import { printTable } from "./table.ts";
import { inWorkspace } from "./workspace.ts";

/**
 * Python beside Node.js, on one server and interleaved, so that a machine that slows down and recovers does not decide: warm
 * calls of one caller, and first calls out of the pool of blank containers. Both functions do the same.
 */
const { values: options } = parseArgs({ options: { quick: { type: "boolean", default: false } } });
const ROUNDS = options.quick ? 1 : 7;
const SECONDS = options.quick ? 1 : 3;
const WARM_UP_SECONDS = options.quick ? 1 : 3;
const COLD_CALLS = options.quick ? 5 : 100;
/** Calls whose figures are dropped: the server's own code warms up, and its first instance is assigned. */
const WARM_UP_CALLS = 3;
/** The pool must have been full for so long before a call: what refilled it is over. */
const QUIET_MS = 100;
/** A whole vCPU, so that no quota is measured. */
const WARM_MEMORY_MIB = 1769;
const COLD_MEMORY_MIB = 128;
const BODY = Buffer.from('{"name":"world","n":1}');
const NODE = "nodejs24.x";

type Spread = { readonly p50: number; readonly p99: number };
type Figures = {
  readonly warmUs: Spread;
  readonly requestsPerSecond: number;
  readonly coldMs: Spread;
  readonly initMs: Spread;
};

await inWorkspace(async (folder) => {
  const server = await HearthServer.start(folder("hearth"));
  try {
    const python = await newestPython(server);
    const runtimes = [NODE, python] as const;
    for (const runtime of runtimes)
      await server.deploy(echo(`warm-${runtime.replace(".", "-")}`, runtime, WARM_MEMORY_MIB));
    const cold = await firstCalls(server, runtimes);
    const warm = await warmCalls(server, runtimes);
    report(
      python,
      new Map(runtimes.map((runtime) => [runtime, { ...figuresOf(cold, runtime), ...figuresOf(warm, runtime) }])),
    );
  } finally {
    closeConnections();
    await server.stop();
  }
});

async function newestPython(server: HearthServer): Promise<RuntimeName> {
  const pythons = Object.keys(await server.pythons()) as RuntimeName[];
  const newest = pythons.at(-1);
  if (newest === undefined) throw new Error("this machine has no Python of 3.11 or newer");
  return newest;
}

/** What a small function is: some parsing, one module of the standard library, and a text that no other has. */
function echo(name: string, runtime: RuntimeName, memoryMiB: number) {
  const python = `import hashlib\ntag = hashlib.sha256(b"${name}").hexdigest()\ndef handler(event, context):\n    return event\n`;
  const node = `import { createHash } from "node:crypto";\nexport const tag = createHash("sha256").update("${name}").digest("hex");\nexport const handler = async (event) => event;\n`;
  return { name, runtime, memoryMiB, code: runtime === NODE ? node : python };
}

async function firstCalls(server: HearthServer, runtimes: readonly RuntimeName[]) {
  const calls = new Map<RuntimeName, FirstCall[]>(runtimes.map((runtime) => [runtime, []]));
  for (let at = -WARM_UP_CALLS; at < COLD_CALLS; at++) {
    for (const runtime of runtimes) {
      const name = `cold${at + WARM_UP_CALLS}-${runtime.replace(".", "-")}`;
      await server.deploy(echo(name, runtime, COLD_MEMORY_MIB));
      await server.until((pools) => isReady(pools, runtimes));
      await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
      await server.until((pools) => isReady(pools, runtimes));
      const call = await firstCall(server.invokeUrl(name));
      if (at >= 0) calls.get(runtime)?.push(call);
      await server.remove(name);
    }
  }
  return new Map(
    [...calls].map(([runtime, all]) => {
      const cold = all.filter(({ isOk, initMs }) => isOk && initMs !== undefined);
      if (cold.length < all.length)
        throw new Error(`${all.length - cold.length} first calls of ${runtime} failed or were warm`);
      const initMs = spreadOf(cold.map((call) => call.initMs ?? Number.NaN));
      return [
        runtime,
        { coldMs: spreadOf(cold.map((call) => call.wallMs - (call.initMs ?? Number.NaN))), initMs },
      ] as const;
    }),
  );
}

/** A blank container of each runtime waits where the account's next call goes, and nothing is being made. */
function isReady({ instances }: PoolsSnapshot, runtimes: readonly RuntimeName[]): boolean {
  const containers = instances.flatMap((instance) => instance.containers);
  if (containers.some(({ state }) => ["creating", "leaving", "running"].includes(state))) return false;
  const active = instances.filter(({ state }) => state === "active");
  return (active.length > 0 ? active : instances).some((instance) =>
    runtimes.every((runtime) => instance.containers.some((held) => held.runtime === runtime && held.state === "blank")),
  );
}

async function warmCalls(server: HearthServer, runtimes: readonly RuntimeName[]) {
  const sides = runtimes.map((runtime) => ({
    runtime,
    side: server.side(runtime, `warm-${runtime.replace(".", "-")}`),
  }));
  for (const { side } of sides) await load({ side, body: BODY, callers: 1, seconds: WARM_UP_SECONDS });
  const rounds = new Map<RuntimeName, { p50: number[]; p99: number[]; rate: number[] }>();
  for (const runtime of runtimes) rounds.set(runtime, { p50: [], p99: [], rate: [] });
  for (let round = 0; round < ROUNDS; round++) {
    for (const { runtime, side } of sides) {
      const result = await load({ side, body: BODY, callers: 1, seconds: SECONDS });
      const of = rounds.get(runtime);
      of?.p50.push(result.p50Us);
      of?.p99.push(result.p99Us);
      of?.rate.push(result.requestsPerSecond);
    }
  }
  return new Map(
    [...rounds].map(([runtime, { p50, p99, rate }]) => [
      runtime,
      {
        warmUs: { p50: rounded(median(p50)), p99: rounded(median(p99)) },
        requestsPerSecond: rounded(median(rate)),
      },
    ]),
  );
}

function spreadOf(values: readonly number[]): Spread {
  return { p50: rounded(quantile(values, 0.5), 2), p99: rounded(quantile(values, 0.99), 2) };
}

function figuresOf<T>(all: ReadonlyMap<RuntimeName, T>, runtime: RuntimeName): T {
  const figures = all.get(runtime);
  if (figures === undefined) throw new Error(`no figures of ${runtime}`);
  return figures;
}

function report(python: RuntimeName, figures: ReadonlyMap<RuntimeName, Figures>): void {
  printTable(
    ["runtime", "warm p50 µs", "warm p99 µs", "requests/s", "cold beyond init p50 ms", "p99 ms", "init p50 ms"],
    [...figures].map(([runtime, { warmUs, requestsPerSecond, coldMs, initMs }]) => [
      runtime,
      warmUs.p50,
      warmUs.p99,
      requestsPerSecond,
      coldMs.p50,
      coldMs.p99,
      initMs.p50,
    ]),
  );
  if (options.quick) return;
  const { warmUs, coldMs } = figuresOf(figures, python);
  const targets: Target[] = [
    {
      id: "python.latency.p50",
      says: `warm Invoke of ${python}, one caller: median of the rounds' medians`,
      bound: "atMost",
      target: 0.3,
      measured: rounded(warmUs.p50 / 1000, 4),
      unit: "ms",
    },
    {
      id: "python.cold.p50",
      says: `first call of ${python} from a blank container, beyond its module's own evaluation: median`,
      bound: "atMost",
      target: 5,
      measured: coldMs.p50,
      unit: "ms",
    },
  ];
  const written = writeResult("python", { figures: { generator: GENERATOR, ...Object.fromEntries(figures) }, targets });
  for (const target of written.targets) console.log(describeTarget(target));
}
