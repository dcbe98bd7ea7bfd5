import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { pino } from "pino";
import { Terminal } from "../../src/cli/terminal.ts";
import { demoOptions } from "../options.ts";
import { Operator } from "./client.ts";
import { Caller } from "./load.ts";
import { report } from "./report.ts";
import { FIXED, HOG_MIB, NOTICE_MS, SPARE, startSpareHost } from "./spare-host.ts";
import { View } from "./view.ts";

/**
 * Two accounts on one host: `steady` has fixed capacity and always starts at once, `thrifty` runs on what the host can spare,
 * at a price, and waits for it. The price spikes, other work takes the host's memory and the harvested instances are
 * reclaimed; in the end every invocation was answered. All of it is real: sandboxes, memory, notices.
 */
const values = demoOptions(`npm run demo:capacity [-- --quick] [-- --json]

Shows fixed and variable capacity on this machine for about two minutes; needs root for the sandbox.
  --quick   half as long
  --json    only the result, as JSON
`);

const FIXED_USD = 0.1;
const SPARE_USD = 0.02;
const SPIKE_USD = 0.09;
const PRICE_USD_MAX = 0.05;
const SHORT_MS = 200;
/** Longer than the notice: one that has just begun is cut off. */
const LONG_MS = 12_000;

const pace = values.quick ? 0.5 : 1;
const directory = mkdtempSync(join(tmpdir(), "hearth-demo-"));
const log = pino({ level: "warn", base: null }, pino.destination({ dest: join(directory, "server.log"), sync: true }));
const hearth = await startSpareHost(join(directory, "data"), log);
const operator = new Operator(hearth.url, join(directory, "data"));
const hogs = new Set<ReturnType<typeof spawn>>();
const ending = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => void end(130));

async function end(status: number): Promise<never> {
  ending.abort();
  for (const hog of hogs) hog.kill("SIGKILL");
  await hearth.stop(0);
  rmSync(directory, { recursive: true, force: true });
  process.exit(status);
}

try {
  await operator.setPrice(FIXED, FIXED_USD);
  await operator.setPrice(SPARE, SPARE_USD);
  const code = readFileSync(join(import.meta.dirname, "function.mjs"), "utf8");
  const steady = await openAccount("steady", { class: "fixed" });
  const thrifty = await openAccount("thrifty", {
    class: "variable",
    constraints: [{ kind: "price", usdPerHourMax: PRICE_USD_MAX }],
    onShortage: { kind: "wait" },
  });
  async function openAccount(name: string, capacity: Parameters<Operator["account"]>[1]): Promise<Caller> {
    const { accountId, key } = await operator.account(name, capacity);
    const caller = new Caller(name, accountId, hearth.url, key);
    await caller.deploy(code);
    return caller;
  }

  const terminal = new Terminal(process.stdout, process.stderr);
  const view = new View({ operator, callers: [steady, thrifty], terminal, isQuiet: values.json === true });
  view.says("waiting until this host has something to spare");
  view.start();
  await view.until(async () => (await spare())?.isAvailable === true, 600_000);

  const load = new AbortController();
  const sent = [
    steady.keepCalling("synchronous", 250, SHORT_MS, load.signal),
    thrifty.keepCalling("synchronous", 400, SHORT_MS, load.signal),
    thrifty.keepCalling("asynchronous", 1_000, SHORT_MS, load.signal),
    thrifty.keepCalling("asynchronous", 5_000, LONG_MS, load.signal),
  ];

  view.says("the host is calm: each account runs on its own kind of capacity");
  await view.until(async () => (await runsOn(thrifty)).has("variable"), 300_000);
  await delay(15_000 * pace);

  view.says(
    `the price of spare capacity rises to ${SPIKE_USD} USD/h: thrifty pays ${PRICE_USD_MAX} at most, and waits`,
  );
  await operator.setPrice(SPARE, SPIKE_USD);
  await delay(10_000 * pace);

  view.says("the price falls again: what waits runs");
  await operator.setPrice(SPARE, SPARE_USD);
  await delay(15_000 * pace);

  view.says(
    `other work takes the host's memory: harvested instances are given back, with ${NOTICE_MS / 1000} s of notice`,
  );
  const hog = spawn(process.execPath, [join(import.meta.dirname, "hog.mjs"), String(HOG_MIB)], {
    stdio: "ignore",
  });
  hogs.add(hog);
  await view.until(async () => (await spare())?.isAvailable !== true, 30_000);
  await view.until(async () => (await instancesOf(thrifty)) === 0, 60_000);
  await delay(5_000 * pace);

  view.says("the other work ends: capacity comes back, and what waited runs");
  hog.kill("SIGKILL");
  hogs.delete(hog);
  await view.until(async () => (await runsOn(thrifty)).has("variable"), 300_000);
  await delay(10_000 * pace);

  view.says("no more calls; the last ones are answered");
  load.abort();
  await Promise.all(sent);
  await view.until(async () => steady.open + thrifty.open === 0 && (await operator.queuedEvents()) === 0, 600_000);
  view.stop();

  const result = await report(operator, [steady, thrifty]);
  if (values.json) process.stdout.write(`${JSON.stringify(result.json, undefined, 2)}\n`);
  else for (const line of result.lines) process.stdout.write(`${line}\n`);
  await end(result.isKept ? 0 : 1);

  async function runsOn({ accountId }: Caller): Promise<ReadonlySet<string>> {
    const { instances } = await operator.pools();
    return new Set(instances.filter((i) => i.accountId === accountId && i.state === "active").map((i) => i.subPool));
  }
  async function instancesOf({ accountId }: Caller): Promise<number> {
    return (await operator.pools()).instances.filter((instance) => instance.accountId === accountId).length;
  }
  async function spare() {
    return (await operator.offers()).find(({ id }) => id === SPARE);
  }
} catch (error) {
  process.stderr.write(`error: ${(error as Error).stack}\n`);
  process.stderr.write(readFileSync(join(directory, "server.log"), "utf8"));
  await end(1);
}
