import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connectionFrom } from "../cli/connection.ts";
import { type FunctionManifest, readFunctionSource, runtimeOf } from "../cli/function-folder.ts";
import { invokeFunction } from "../cli/invocation.ts";
import { LambdaClient } from "../cli/lambda-client.ts";
import { ServerClient } from "../cli/server-client.ts";
import type { Terminal } from "../cli/terminal.ts";
import type { PoolsSnapshot } from "../model/snapshot.ts";
import type { Hearth } from "./hearth.ts";

const EXAMPLES_DIR = fileURLToPath(new URL("../../examples", import.meta.url));
/** The role of Lambda's API; Hearth has no cloud rights to hand out. */
const ROLE = "arn:aws:iam::000000000000:role/hearth-example";
const WARM_CALLS = 50;
/** A slow function is called less often: nobody waits for a table. */
const WARM_MS_MAX = 1_500;
/** How long the table waits for a blank container, so that its cold starts come out of the pool. */
const BLANK_MS_MAX = 10_000;
const BLANK_POLL_MS = 20;
const ANSWER_LENGTH_MAX = 48;

type Row = readonly [
  name: string,
  runtime: string,
  cold: string,
  warm: string,
  used: string,
  limit: string,
  answer: string,
];

/**
 * Deploys the functions under examples/ that are not there yet, invokes each once cold and a few times
 * warm through the Lambda API, and prints what happened. A function of the same name that somebody
 * changed is left as it is.
 */
export async function runExamples(hearth: Hearth, dataDir: string, terminal: Terminal): Promise<void> {
  const server = new ServerClient(connectionFrom(hearth.url, { HEARTH_DATA: dataDir }));
  const rows: Row[] = [];
  for (const folder of (await readdir(EXAMPLES_DIR, { withFileTypes: true })).filter((entry) => entry.isDirectory())) {
    const { zip, manifest } = await readFunctionSource(join(EXAMPLES_DIR, folder.name));
    const name = manifest.name ?? folder.name;
    const runtime = runtimeOf(manifest, Object.keys(hearth.pythons));
    if (runtime === undefined || hearth.missingRuntimes.includes(runtime)) {
      rows.push([name, runtime ?? "python", "-", "-", "-", "-", "skipped: this machine has no such runtime"]);
      continue;
    }
    try {
      // A blank container of some runtimes is made only when there is a function of it.
      await deployIfMissing(new LambdaClient(server), name, zip, { ...manifest, runtime });
      await blankOf(server, runtime);
      rows.push(await tryOut(server, name, runtime, Buffer.from(JSON.stringify(manifest.event ?? {}))));
    } catch (error) {
      // Somebody may have changed it, throttled it or made it his own: the server is none the worse for it.
      rows.push([name, runtime, "-", "-", "-", "-", `skipped: ${(error as Error).message}`]);
    }
  }
  print(hearth, terminal, rows);
}

async function deployIfMissing(
  lambda: LambdaClient,
  name: string,
  zip: Buffer,
  manifest: FunctionManifest,
): Promise<void> {
  if ((await lambda.find(name)) !== undefined) return;
  await lambda.create(name, zip, {
    Runtime: manifest.runtime ?? "nodejs24.x",
    Handler: manifest.handler ?? "index.handler",
    Role: ROLE,
    ...(manifest.memoryMiB === undefined ? {} : { MemorySize: manifest.memoryMiB }),
    ...(manifest.timeoutS === undefined ? {} : { Timeout: manifest.timeoutS }),
  });
  await lambda.settled(name);
}

async function blankOf(server: ServerClient, runtime: string): Promise<void> {
  for (let waitedMs = 0; waitedMs < BLANK_MS_MAX; waitedMs += BLANK_POLL_MS) {
    const { instances } = await server.json<PoolsSnapshot>({ method: "GET", path: "/_hearth/pools" });
    const containers = instances.flatMap((instance) => instance.containers);
    if (containers.some((container) => container.state === "blank" && container.runtime === runtime)) return;
    await new Promise((resolve) => setTimeout(resolve, BLANK_POLL_MS));
  }
}

async function tryOut(server: ServerClient, name: string, runtime: string, payload: Buffer): Promise<Row> {
  const call = async (withLog: boolean) => {
    const startMs = performance.now();
    const answer = await invokeFunction(server, name, payload, { isAsync: false, withLog });
    return { answer, tookMs: performance.now() - startMs };
  };
  const first = await call(true);
  const warmMs: number[] = [];
  const untilMs = performance.now() + WARM_MS_MAX;
  const isWorthwhile = () => warmMs.length < WARM_CALLS && performance.now() < untilMs;
  while (first.answer.functionError === undefined && isWorthwhile()) warmMs.push((await call(false)).tookMs);
  const report = first.answer.log ?? "";
  const isCold = report.includes("Init Duration");
  const figure = (label: string) => report.match(new RegExp(`${label}: ([0-9.]+ \\w+)`))?.[1] ?? "-";
  const text = first.answer.payload.toString();
  return [
    name,
    runtime,
    isCold ? `${first.tookMs.toFixed(1)} ms` : "was warm",
    warmMs.length === 0 ? "-" : `${median(warmMs).toFixed(2)} ms`,
    figure("Max Memory Used"),
    figure("Memory Size"),
    text.length <= ANSWER_LENGTH_MAX ? text : `${text.slice(0, ANSWER_LENGTH_MAX - 1)}…`,
  ];
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function print(hearth: Hearth, terminal: Terminal, rows: readonly Row[]): void {
  terminal.print(`\nprovider ${hearth.provider.kind}: ${hearth.provider.isolation}`);
  for (const [runtime, is] of Object.entries(hearth.pythons)) terminal.print(`${runtime}: ${is}`);
  terminal.print("");
  terminal.printTable(["function", "runtime", "cold start", "warm (median)", "used", "limit", "answer"], rows);
  terminal.print(`
The API is AWS Lambda's, at ${hearth.url}. With the AWS CLI:

  export AWS_ENDPOINT_URL=${hearth.url} AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local
  aws lambda invoke --function-name ${rows[0]?.[0] ?? "hello"} --cli-binary-format raw-in-base64-out --payload '{}' /dev/stdout

An older AWS CLI takes --endpoint-url ${hearth.url} instead. \`npx hearth --help\` shows the rest; Ctrl-C ends the server.`);
}
