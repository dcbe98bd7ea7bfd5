import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { findNodeBinaries } from "../src/images/node-binaries.ts";
import { buildVmImage } from "../src/images/vm/build-vm-image.ts";
import { median, rounded } from "./quantile.ts";
import { describeTarget, writeResult } from "./report.ts";
import { HearthServer } from "./sides/hearth.ts";
import { printTable } from "./table.ts";
import { inWorkspace } from "./workspace.ts";

/**
 * What a pool of booted machines hides: an account's first call on an instance from the pool, beside one that finds no
 * machine and waits for a boot. Each round has a new server, so that every call is the first of its machine.
 */
const { values: options } = parseArgs({ options: { quick: { type: "boolean", default: false } } });
const ROUNDS = options.quick ? 1 : 5;
/** Of the boot that a call waits for, as against what it takes out of the pool. */
const SPEEDUP_MIN = 5;
const WARM_CALLS = 20;
/** Room for one machine, so that nothing else boots while a call is timed. */
const MACHINE_MIB = 2_400;
const MEMORY_MIB = 256;
const CALL_MS_MAX = 180_000;
const BODY = '{"name":"world","n":1}';
const ECHO = readFileSync(join(import.meta.dirname, "sides/echo.mjs"));
const SETTINGS = {
  HEARTH_PROVIDER: "microvm",
  HEARTH_MICROVM_MEMORY: String(MACHINE_MIB),
  HEARTH_BLANKS: "1",
  HEARTH_AGENT_HOST: "127.0.0.1",
  HEARTH_AGENT_PORT: "0",
};

type Round = {
  readonly onDemandMs: number;
  readonly bootMs: number;
  readonly pooledMs: number;
  readonly warmMs: number;
};

await inWorkspace(async (folder) => {
  const directory = folder("hearth");
  const built = await buildVmImage({
    imagesDir: join(directory, "data/images"),
    nodePath: process.execPath,
    nodeBinaries: findNodeBinaries().paths,
    onStep: (text) => console.log(text),
  });
  console.log(`kernel ${built.manifest.kernelRelease}`);
  const rounds: Round[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push({ ...(await callOnDemand(directory)), ...(await callFromPool(directory)) });
    console.log(rounds.at(-1));
  }
  report(rounds);
});

/** The call comes with the server: no machine has booted. */
async function callOnDemand(directory: string): Promise<Pick<Round, "onDemandMs">> {
  const server = await start(directory);
  try {
    return { onDemandMs: await call(server) };
  } finally {
    await server.stop();
  }
}

async function callFromPool(directory: string): Promise<Omit<Round, "onDemandMs">> {
  const server = await start(directory);
  try {
    const bootMs = await server.until(({ instances }) =>
      instances.some(
        ({ state, containers }) =>
          state === "warming" && containers.length > 0 && containers.every((container) => container.state === "blank"),
      ),
    );
    const pooledMs = await call(server);
    const warm: number[] = [];
    for (let i = 0; i < WARM_CALLS; i++) warm.push(await call(server));
    return { bootMs, pooledMs, warmMs: median(warm) };
  } finally {
    await server.stop();
  }
}

async function start(directory: string): Promise<HearthServer> {
  const server = await HearthServer.start(directory, SETTINGS);
  await server.remove("echo").catch(() => {}); // Of the round before.
  await server.deploy({ name: "echo", memoryMiB: MEMORY_MIB, code: ECHO });
  return server;
}

/** A synchronous caller is sent away when no machine comes in half a minute, and calls again. @returns how long it had to. */
async function call(server: HearthServer): Promise<number> {
  const beganMs = performance.now();
  for (;;) {
    const answer = await fetch(server.invokeUrl("echo"), { method: "POST", body: BODY });
    await answer.arrayBuffer();
    const tookMs = performance.now() - beganMs;
    if (answer.status === 200) return tookMs;
    if (tookMs > CALL_MS_MAX) throw new Error(`no answer but ${answer.status} for ${Math.round(tookMs)} ms`);
    await delay(100);
  }
}

function report(rounds: readonly Round[]): void {
  const of = (figure: keyof Round) => rounded(median(rounds.map((round) => round[figure])), 1);
  const figures = {
    rounds: ROUNDS,
    onDemandMs: of("onDemandMs"),
    bootMs: of("bootMs"),
    pooledMs: of("pooledMs"),
    warmMs: of("warmMs"),
  };
  printTable(
    ["median of first calls", "ms"],
    [
      ["machine booted on demand", figures.onDemandMs],
      ["machine from the pool", figures.pooledMs],
      ["warm", figures.warmMs],
    ],
  );
  if (options.quick) return;
  const { targets } = writeResult("microvm", {
    figures: { ...figures, all: rounds },
    targets: [
      {
        id: "microvm.pool",
        says: "times that an account's first call is faster on a machine from the pool than on one that boots for it",
        bound: "atLeast",
        target: SPEEDUP_MIN,
        measured: rounded(figures.onDemandMs / figures.pooledMs, 1),
        unit: "×",
      },
    ],
  });
  for (const target of targets) console.log(describeTarget(target));
}
