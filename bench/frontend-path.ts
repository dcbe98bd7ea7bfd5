/**
 * What the frontend adds to a bare node:http server on the path of Invoke, in CPU time of the
 * process: the load comes from a process of its own, so only the server's work is counted. Rounds of
 * both sides alternate; the median of the rounds' differences is the result.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { Agent, createServer, request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createHttpServer } from "../src/frontend/http-server.ts";
import { addLambdaRoutes } from "../src/frontend/lambda/lambda-routes.ts";
import { policyDocument } from "../src/frontend/lambda/policy-document.ts";
import { UrlAddress } from "../src/frontend/url/url-address.ts";
import { DEFAULT_ACCOUNT_ID } from "../src/model/ids.ts";
import { UNMEASURED } from "../src/model/invocation.ts";
import { systemClock } from "../src/ports/clock.ts";
import { zipOfEntries } from "../src/ports/contract/zip-fixture.ts";
import type { Invoker } from "../src/ports/invoker.ts";
import { createAccessKeyRing } from "../src/server/catalog/access-key-ring.ts";
import { createCatalog } from "../src/server/catalog/catalog.ts";
import { createLayerCatalog } from "../src/server/layers/layer-catalog.ts";
import { createResourcePolicies } from "../src/server/policies/resource-policies.ts";
import { createFunctionUrls } from "../src/server/urls/function-urls.ts";
import { createFilesCodeStore } from "../src/store/files/code-store.ts";
import { createMemoryStore } from "../src/store/memory/memory-store.ts";
import { loadEventInvokeConfigs } from "../src/triggers/event-invoke-configs.ts";
import { EventSourceMappings } from "../src/triggers/sources/event-source-mappings.ts";
import { writeResult } from "./report.ts";

const REQUESTS_PER_ROUND = 20_000;
const ROUNDS = 7;
const CALLERS = 16;
const TARGET_US = 10;
const PATH = "/2015-03-31/functions/f/invocations";

if (process.argv[2] === "load") await load(Number(process.argv[3]));
else await measure();

/** The load: CALLERS connections, each with one request after another; prints nothing, exits when done. */
async function load(port: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: CALLERS });
  const body = Buffer.from('{"key":"value"}');
  // The headers that an SDK sends.
  const headers = {
    "content-type": "application/json",
    "content-length": body.length,
    "user-agent": "aws-sdk-js/3 os/linux lang/js md/nodejs api/lambda",
    "x-amz-date": "20261121T000000Z",
    authorization:
      "AWS4-HMAC-SHA256 Credential=any/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=00",
    "amz-sdk-invocation-id": "0d7c2d1e-8a0f-4b0c-9a55-000000000000",
    "amz-sdk-request": "attempt=1; max=3",
  };
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const call = httpRequest({ host: "127.0.0.1", port, method: "POST", path: PATH, agent, headers }, (response) => {
        response.resume();
        response.on("end", resolve);
      });
      call.on("error", reject);
      call.end(body);
    });
  const caller = async () => {
    for (let count = 0; count < REQUESTS_PER_ROUND / CALLERS; count++) await one();
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  agent.destroy();
}

async function measure(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "hearth-bench-"));
  const bare = await startBare();
  const frontend = await startFrontend(dir);
  const cpuUs = { bare: [] as number[], frontend: [] as number[] };
  for (let round = -1; round < ROUNDS; round++) {
    const bareUs = await cpuUsPerRequest(bare.port);
    const frontendUs = await cpuUsPerRequest(frontend.port);
    if (round < 0) continue; // Warm-up.
    cpuUs.bare.push(bareUs);
    cpuUs.frontend.push(frontendUs);
  }
  await Promise.all([bare.close(), frontend.close()]);
  rmSync(dir, { recursive: true });
  const overheadUs = median(cpuUs.frontend.map((us, round) => us - (cpuUs.bare[round] as number)));
  const { targets } = writeResult("frontend-path", {
    figures: { cpuUsPerRequest: cpuUs, callers: CALLERS, requestsPerRound: REQUESTS_PER_ROUND },
    targets: [
      {
        id: "frontend.overhead",
        says: "The Lambda API adds at most this much CPU time to a bare node:http server, for each Invoke",
        bound: "atMost",
        target: TARGET_US,
        measured: Number(overheadUs.toFixed(2)),
        unit: "µs",
      },
    ],
  });
  for (const { says, measured, unit, met } of targets)
    console.log(`${says}: ${measured} ${unit}${met ? "" : " (missed)"}`);
}

async function cpuUsPerRequest(port: number): Promise<number> {
  const child = fork(fileURLToPath(import.meta.url), ["load", String(port)]);
  const before = process.cpuUsage();
  const [status] = await once(child, "exit");
  const used = process.cpuUsage(before);
  if (status !== 0) throw new Error("the load failed");
  return (used.user + used.system) / REQUESTS_PER_ROUND;
}

/** Reads the body and sends it back. */
async function startBare(): Promise<{ port: number; close: () => Promise<unknown> }> {
  const server = createServer({ noDelay: true }, (req, res) => {
    let body: Buffer;
    req.on("data", (chunk: Buffer) => {
      body = chunk;
    });
    req.on("end", () => {
      res.writeHead(200, ["Content-Type", "application/json", "Content-Length", String(body.length)]);
      res.end(body);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  return { port, close: () => new Promise((resolve) => server.close(resolve)) };
}

/** The whole Lambda API, with an invoker that answers in the next microtask. */
async function startFrontend(dir: string): Promise<{ port: number; close: () => Promise<unknown> }> {
  const store = createMemoryStore();
  const codeStore = await createFilesCodeStore(dir);
  const region = "us-east-1";
  const options = { clock: systemClock, region };
  const catalog = await createCatalog({
    ...options,
    store,
    codeStore,
    random: Math.random,
    accountConcurrencyMax: 1000,
    onDamage: fail,
  });
  const layers = await createLayerCatalog({ ...options, table: store.layers, codeStore });
  const hangingOn = { catalog, onFailure: fail };
  const show = policyDocument(region);
  const policies = await createResourcePolicies({ ...hangingOn, table: store.policies, show });
  const urls = await createFunctionUrls({ ...hangingOn, table: store.functionUrls, clock: systemClock });
  const urlAddress = new UrlAddress({ region, serverUrl: "http://127.0.0.1", domain: "localhost" });
  const settings = {
    runtime: "nodejs24.x" as const,
    handler: "index.handler",
    role: "",
    description: "",
    timeoutMs: 3000,
    memoryMiB: 128,
    ephemeralStorageMiB: 512,
    architecture: "x86_64" as const,
    environment: undefined,
    tracingMode: "PassThrough" as const,
    snapStart: "None" as const,
    logGroup: "/aws/lambda/f",
  };
  await catalog.create(DEFAULT_ACCOUNT_ID, "f", settings, zipOfEntries([{ name: "index.js" }]), {});
  const accessKeys = await createAccessKeyRing(store);
  const server = createHttpServer({
    ...options,
    host: "127.0.0.1",
    port: 0,
    accessKeys,
    onError: (error) => fail("", error),
  });
  const { port } = await server.listen();
  const usage = { ...UNMEASURED, wallUs: 1 };
  const invoker: Invoker = {
    invoke(request, answer) {
      queueMicrotask(() =>
        answer({
          kind: "finished",
          outcome: "ok",
          payload: request.payload,
          exit: undefined,
          usage,
          logTail: undefined,
        }),
      );
      return () => {};
    },
    enqueue: async () => {},
  };
  const eventInvokeConfigs = await loadEventInvokeConfigs(store.eventInvokeConfigs, options.clock, () => true);
  const effectiveMemoryMiB = () => 0; // Not on the path of an invocation.
  const eventSources = new EventSourceMappings({
    table: store.eventSources,
    open: () => ({ start() {}, change() {}, stop: async () => {} }),
    check: async () => undefined,
    clock: options.clock,
    log: { debug() {}, info() {}, warn() {}, error() {} },
  });
  const unused = () => {
    throw new Error("this is not measured");
  };
  addLambdaRoutes(server, {
    ...options,
    catalog,
    layers,
    policies,
    urls,
    urlAddress,
    codeStore,
    invoker,
    url: "",
    provisionedState: unused,
    objects: { read: unused },
    secret: "s",
    effectiveMemoryMiB,
    eventInvokeConfigs,
    eventSources,
    isAwsShared: false,
  });
  const close = async () => {
    catalog.close();
    await server.close(0);
  };
  return { port, close };
}

function fail(what: string, error: unknown): void {
  throw new Error(what, { cause: error });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}
