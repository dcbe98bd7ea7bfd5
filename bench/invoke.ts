import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { GENERATOR, load } from "./load/load.ts";
import type { LoadResult } from "./load/load-order.ts";
import { median, rounded } from "./quantile.ts";
import { describeTarget, type Target, writeResult } from "./report.ts";
import { throttledPeriods } from "./sandbox-groups.ts";
import { startBare } from "./sides/bare.ts";
import { HearthServer } from "./sides/hearth.ts";
import { startServerlessOffline } from "./sides/serverless-offline.ts";
import type { Side } from "./sides/side.ts";
import { startWorkerd } from "./sides/workerd.ts";
import { printTable } from "./table.ts";
import { inWorkspace } from "./workspace.ts";

/**
 * Warm calls of one small function: Hearth through the whole Lambda API, sandbox and measuring included,
 * beside servers that leave these out. Closed loop, rounds interleaved, medians of the rounds.
 */
const { values: options } = parseArgs({ options: { quick: { type: "boolean", default: false } } });
const ROUNDS = options.quick ? 1 : 7;
const SECONDS = options.quick ? 1 : 3;
const WARM_UP_SECONDS = options.quick ? 1 : 4;
const MANY = 32;
const BODY = Buffer.from('{"name":"world","n":1}');
/**
 * So much memory that a container's CPU quota is not what is measured: one caller gets a whole
 * vCPU; 32 containers of 256 MB get 4.6 together, on two processors. Throttled periods are counted.
 */
const MEMORY_MIB_OF_ONE = 1769;
const MEMORY_MIB_OF_MANY = 256;
const HEARTH = "hearth";
const SIGNED = "hearth, signed";
const ECHO = readFileSync(join(import.meta.dirname, "sides/echo.mjs"));

type Load = { readonly callers: number; readonly sides: readonly Side[] };
type Figures = Omit<LoadResult, "errors"> & { readonly rounds: readonly LoadResult[] };

await inWorkspace(async (folder) => {
  const hearth = await HearthServer.start(folder("hearth"));
  await hearth.deploy({ name: "one", memoryMiB: MEMORY_MIB_OF_ONE, code: ECHO });
  await hearth.deploy({ name: "many", memoryMiB: MEMORY_MIB_OF_MANY, code: ECHO });
  const peers = [
    await startBare(folder("bare")),
    await startWorkerd(folder("workerd")),
    await startServerlessOffline(folder("serverless-offline")),
  ];
  const withFunction = (name: string) => [
    ...peers,
    hearth.side(HEARTH, name),
    hearth.side(SIGNED, name, { body: BODY }),
  ];
  try {
    for (const side of withFunction("one")) await checkEcho(side);
    const one = await compare({ callers: 1, sides: withFunction("one") });
    await growPool(hearth, "many");
    const many = await compare({ callers: MANY, sides: withFunction("many") });
    report(one, many, throttledPeriods(hearth.dataDir));
  } finally {
    await Promise.all([hearth, ...peers].map((server) => server.stop()));
  }
});

/** What is compared must be the same work. */
async function checkEcho({ name, url, headers }: Side): Promise<void> {
  const answer = await fetch(url, { method: "POST", body: BODY, headers: headers() });
  const text = await answer.text();
  if (text !== BODY.toString()) throw new Error(`${name} answers ${answer.status} ${text} instead of the event`);
}

/** As many callers as later, until they find all the containers they want: none is made while it is measured. */
async function growPool(hearth: HearthServer, functionName: string): Promise<void> {
  const side = hearth.side(HEARTH, functionName);
  const count = async () => (await hearth.pools()).instances.flatMap(({ containers }) => containers).length;
  for (let before = -1, now = await count(); now > before; before = now, now = await count()) {
    await load({ side, body: BODY, callers: MANY, seconds: WARM_UP_SECONDS });
    await hearth.until(({ instances }) =>
      instances.every(({ containers }) => !containers.some(({ state }) => state === "creating")),
    );
  }
}

async function compare({ callers, sides }: Load): Promise<Map<string, Figures>> {
  const rounds = new Map<string, LoadResult[]>(sides.map(({ name }) => [name, []]));
  for (const side of sides) await load({ side, body: BODY, callers, seconds: WARM_UP_SECONDS });
  for (let round = 1; round <= ROUNDS; round++) {
    for (const side of sides) {
      const result = await load({ side, body: BODY, callers, seconds: SECONDS });
      rounds.get(side.name)?.push(result);
      const [rate, p50] = [Math.round(result.requestsPerSecond), Math.round(result.p50Us)];
      console.log(`${callers} callers, round ${round}/${ROUNDS}: ${side.name} ${rate} requests/s, p50 ${p50} µs`);
    }
  }
  return new Map([...rounds].map(([name, results]) => [name, mediansOf(results)]));
}

function mediansOf(rounds: readonly LoadResult[]): Figures {
  const of = (figure: keyof LoadResult) => rounded(median(rounds.map((round) => round[figure])));
  return {
    requests: of("requests"),
    requestsPerSecond: of("requestsPerSecond"),
    p50Us: of("p50Us"),
    p99Us: of("p99Us"),
    maxUs: of("maxUs"),
    rounds,
  };
}

function report(one: Map<string, Figures>, many: Map<string, Figures>, throttled: number): void {
  printSides("one caller", one);
  printSides(`${MANY} callers (latencies as wrk corrects them)`, many);
  console.log(`CPU quota: ${throttled} periods of Hearth's containers were throttled in all rounds`);
  if (options.quick) return;
  const figures = {
    generator: GENERATOR,
    rounds: ROUNDS,
    secondsPerRound: SECONDS,
    body: BODY.toString(),
    functionMemoryMiB: { oneCaller: MEMORY_MIB_OF_ONE, manyCallers: MEMORY_MIB_OF_MANY },
    throttledPeriods: throttled,
    oneCaller: Object.fromEntries(one),
    manyCallers: Object.fromEntries(many),
  };
  for (const target of writeResult("invoke", { figures, targets: targetsOf(one, many) }).targets) {
    console.log(describeTarget(target));
  }
}

function printSides(title: string, sides: Map<string, Figures>): void {
  const rows = [...sides].map(([name, { requestsPerSecond, p50Us, p99Us, maxUs }]) => [
    name,
    Math.round(requestsPerSecond),
    Math.round(p50Us),
    Math.round(p99Us),
    Math.round(maxUs),
  ]);
  printTable([title, "requests/s", "p50 µs", "p99 µs", "max µs"], rows);
}

function targetsOf(one: Map<string, Figures>, many: Map<string, Figures>): Target[] {
  const hearth = figuresOf(one, HEARTH);
  const workerd = figuresOf(one, "workerd");
  const rate = (name: string) => figuresOf(many, name).requestsPerSecond;
  const bareShare = roundRatios(figuresOf(many, HEARTH), figuresOf(many, "bare node:http"));
  const workerdShare = roundRatios(figuresOf(many, HEARTH), figuresOf(many, "workerd"));
  const toMs = (us: number) => rounded(us / 1000, 4);
  return [
    {
      id: "invoke.latency.p50",
      says: "warm Invoke, one caller: median of the rounds' medians",
      bound: "atMost",
      target: 0.2,
      measured: toMs(hearth.p50Us),
      unit: "ms",
    },
    {
      id: "invoke.latency.p50.workerd",
      says: "the same, not above workerd in the same run",
      bound: "atMost",
      target: toMs(workerd.p50Us),
      measured: toMs(hearth.p50Us),
      unit: "ms",
    },
    {
      id: "invoke.latency.p99",
      says: "warm Invoke, one caller: median of the rounds' 99th percentiles",
      bound: "atMost",
      target: 2,
      measured: toMs(hearth.p99Us),
      unit: "ms",
    },
    {
      id: "invoke.throughput.bare",
      says: `${MANY} callers: requests/s as a share of a bare node:http server's (${rate(HEARTH)} of ${rate("bare node:http")})`,
      bound: "atLeast",
      target: 0.6,
      measured: bareShare,
      unit: "×",
    },
    {
      id: "invoke.throughput.workerd",
      says: `${MANY} callers: requests/s as a multiple of workerd's (${rate(HEARTH)} of ${rate("workerd")})`,
      bound: "atLeast",
      target: 1.5,
      measured: workerdShare,
      unit: "×",
    },
  ];
}

function figuresOf(sides: Map<string, Figures>, name: string): Figures {
  const figures = sides.get(name);
  if (figures === undefined) throw new Error(`no side ${name}`);
  return figures;
}

/** Neighbours in time are compared, so that a machine that slows down and recovers does not decide. */
function roundRatios(ours: Figures, theirs: Figures): number {
  const ratios = ours.rounds.map(
    (round, at) => round.requestsPerSecond / (theirs.rounds[at]?.requestsPerSecond ?? Number.NaN),
  );
  return rounded(median(ratios), 3);
}
