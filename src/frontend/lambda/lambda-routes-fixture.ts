// biome-ignore-all lint/style/noRestrictedImports: the routes are tested on the real catalog and stores.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateFunctionCommand,
  type CreateFunctionCommandInput,
  LambdaClient,
  waitUntilFunctionUpdatedV2,
} from "@aws-sdk/client-lambda";
import { afterEach, beforeEach, expect } from "vitest";
import { HearthError } from "../../model/error-code.ts";
import { type Outcome, UNMEASURED } from "../../model/invocation.ts";
import type { AccessKeys } from "../../ports/access-keys.ts";
import { systemClock } from "../../ports/clock.ts";
import { zipOfEntries } from "../../ports/contract/zip-fixture.ts";
import type { FunctionCatalog, FunctionDescription } from "../../ports/function-catalog.ts";
import type { InvokeAnswer, InvokeRequest } from "../../ports/invoker.ts";
import { ObjectRefusal, type ObjectSource } from "../../ports/object-source.ts";
import type { ResourcePolicies } from "../../ports/resource-policies.ts";
import { createAccessKeyRing } from "../../server/catalog/access-key-ring.ts";
import { createCatalog } from "../../server/catalog/catalog.ts";
import { createLayerCatalog } from "../../server/layers/layer-catalog.ts";
import { createResourcePolicies } from "../../server/policies/resource-policies.ts";
import { createFunctionUrls } from "../../server/urls/function-urls.ts";
import { createFilesCodeStore } from "../../store/files/code-store.ts";
import { createMemoryStore } from "../../store/memory/memory-store.ts";
import { loadEventInvokeConfigs } from "../../triggers/event-invoke-configs.ts";
import { EventSourceMappings } from "../../triggers/sources/event-source-mappings.ts";
import { createHttpServer, type HttpServer } from "../http-server.ts";
import { UrlAddress } from "../url/url-address.ts";
import { addLambdaRoutes } from "./lambda-routes.ts";
import { policyDocument } from "./policy-document.ts";

export const region = "us-east-1";
export const role = "arn:aws:iam::000000000000:role/r";
export const arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
export const zip = zipOfEntries([{ name: "index.mjs", data: "export const handler = async (event) => event" }]);
export const otherZip = zipOfEntries([{ name: "index.mjs", data: "export const handler = async () => 2" }]);

/** Objects by bucket and key. */
export const buckets = new Map<string, Map<string, Buffer>>();
const objects: ObjectSource = {
  async read({ bucket, key }) {
    const found = buckets.get(bucket);
    if (found === undefined) throw new ObjectRefusal("NoSuchBucket", "The specified bucket does not exist");
    const object = found.get(key);
    if (object === undefined) throw new ObjectRefusal("NoSuchKey", "The specified key does not exist.");
    return object;
  },
};

let dir: string;
let server: HttpServer;
export let catalog: FunctionCatalog;
export let policies: ResourcePolicies;
export let accessKeys: AccessKeys;
export let client: LambdaClient;
export let url: string;
export let eventSources: EventSourceMappings;
let sourceFault: string | undefined;
/** What is wrong with every event source from now on; undefined: nothing. */
export const spoilSources = (says: string | undefined) => {
  sourceFault = says;
};
/** What the invoker was asked. */
export let requests: InvokeRequest[];
export let cancelled: string[];

export function finished(
  outcome: Outcome,
  payload: Buffer,
  more: { exit?: string; logTail?: Buffer } = {},
): InvokeAnswer {
  const usage = { ...UNMEASURED, wallUs: 1 };
  return { kind: "finished", outcome, payload, exit: more.exit, usage, logTail: more.logTail };
}

/** Starts a server before each test of a file; its invoker answers the payload unless the file says otherwise. */
export function serveLambdaRoutes(
  answerOf: (request: InvokeRequest) => InvokeAnswer | undefined = (request) => finished("ok", request.payload),
): void {
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), "hearth-api-"));
    requests = [];
    cancelled = [];
    sourceFault = undefined;
    const store = createMemoryStore();
    const codeStore = await createFilesCodeStore(join(dir, "code"));
    const layers = await createLayerCatalog({ table: store.layers, codeStore, clock: systemClock });
    catalog = await createCatalog({
      store,
      codeStore,
      clock: systemClock,
      region,
      random: Math.random,
      accountConcurrencyMax: 1000,
      onDamage: () => {},
    });
    policies = await createResourcePolicies({
      table: store.policies,
      catalog,
      show: policyDocument(region),
      onFailure: () => {},
    });
    const urls = await createFunctionUrls({
      table: store.functionUrls,
      catalog,
      clock: systemClock,
      onFailure: () => {},
    });
    accessKeys = await createAccessKeyRing(store);
    const onError = (error: unknown) => {
      if (!(error instanceof HearthError)) throw error;
    };
    server = createHttpServer({ host: "127.0.0.1", port: 0, region, accessKeys, clock: systemClock, onError });
    const { port } = await server.listen();
    url = `http://127.0.0.1:${port}`;
    const invoker = {
      invoke(request: InvokeRequest, answer: (answer: InvokeAnswer) => void) {
        requests.push(request);
        const given = answerOf(request);
        if (given !== undefined) setImmediate(() => answer(given));
        return () => void cancelled.push(request.id);
      },
      async enqueue(request: InvokeRequest) {
        requests.push(request);
        const answer = answerOf(request);
        if (answer?.kind === "rejected") throw new HearthError(answer.code);
      },
    };
    // As if half of it were enough.
    const effectiveMemoryMiB = ({ settings }: FunctionDescription) => settings.memoryMiB / 2;
    const eventInvokeConfigs = await loadEventInvokeConfigs(
      store.eventInvokeConfigs,
      systemClock,
      (accountId, name, qualifier) => catalog.get(accountId, name, qualifier) !== undefined,
    );
    eventSources = new EventSourceMappings({
      table: store.eventSources,
      open: () => ({ start() {}, change() {}, stop: async () => {} }),
      check: async () => sourceFault,
      clock: systemClock,
      log: { debug() {}, info() {}, warn() {}, error() {} },
    });
    eventSources.start();
    const provisionedState = () => ({ allocated: 0, available: 0, status: "IN_PROGRESS" as const });
    const routes = {
      eventSources,
      catalog,
      layers,
      policies,
      urls,
      urlAddress: new UrlAddress({ region, serverUrl: url, domain: "localhost" }),
      codeStore,
      objects,
      invoker,
      effectiveMemoryMiB,
      eventInvokeConfigs,
      isAwsShared: false,
      clock: systemClock,
      region,
      url,
      secret: "s",
    };
    addLambdaRoutes(server, { ...routes, provisionedState, allowDeprecatedRuntimes: false });
    client = new LambdaClient({
      endpoint: url,
      region,
      credentials: { accessKeyId: "any", secretAccessKey: "any" },
      maxAttempts: 1,
    });
  });

  afterEach(async () => {
    client.destroy();
    await server.close(0);
    catalog.close();
    rmSync(dir, { recursive: true, force: true });
  });
}

export const createInput: CreateFunctionCommandInput = {
  FunctionName: "f",
  Runtime: "nodejs24.x",
  Handler: "index.handler",
  Role: role,
  Code: { ZipFile: zip },
};
export const create = (input: Partial<CreateFunctionCommandInput> = {}) =>
  client.send(new CreateFunctionCommand({ ...createInput, ...input }));
export const settled = () =>
  waitUntilFunctionUpdatedV2({ client, maxWaitTime: 5, minDelay: 0.02, maxDelay: 0.05 } as never, {
    FunctionName: "f",
  });
export const createSettled = async (input: Partial<CreateFunctionCommandInput> = {}) => {
  await create(input);
  await settled();
};
export const failure = (name: string, message: string | RegExp, status = 400) =>
  expect.objectContaining({
    name,
    message: typeof message === "string" ? message : expect.stringMatching(message),
    $metadata: expect.objectContaining({ httpStatusCode: status }),
  });
export const call = (method: string, path: string, body?: string | Buffer, headers: Record<string, string> = {}) =>
  fetch(url + path, { method, headers, ...(body === undefined ? {} : { body: body as never }) });
export const invokePath = (name: string) => `/2015-03-31/functions/${name}/invocations`;
