import { createHmac, randomBytes } from "node:crypto";
import { join } from "node:path";
import type { RetrySettings } from "../control/retry/async-retry.ts";
import type { DeliverySettings } from "../control/retry/delivery-retry.ts";
import { DEFAULT_SETTINGS, type Settings } from "../control/settings.ts";
import { addAdminRoutes } from "../frontend/admin/admin-routes.ts";
import type { AddRoute } from "../frontend/admin/admitted.ts";
import { addCapacityRoutes } from "../frontend/admin/capacity-routes.ts";
import { addHostRoutes } from "../frontend/admin/host-routes.ts";
import { addOfferRoutes } from "../frontend/admin/offer-routes.ts";
import { routeAccess } from "../frontend/admin/route-access.ts";
import { addScheduleRoutes } from "../frontend/admin/schedule-routes.ts";
import { addSizingRoutes } from "../frontend/admin/sizing-routes.ts";
import { addSourceRoutes } from "../frontend/admin/source-routes.ts";
import { isLoopback } from "../frontend/auth/browser-guard.ts";
import { createHttpServer } from "../frontend/http-server.ts";
import { addLambdaRoutes } from "../frontend/lambda/lambda-routes.ts";
import { policyDocument } from "../frontend/lambda/policy-document.ts";
import { UrlAddress } from "../frontend/url/url-address.ts";
import { socketPathIn } from "../host/socket-path.ts";
import { buildBundles } from "../images/bundle.ts";
import { findNodeBinaries } from "../images/node-binaries.ts";
import { PYTHON_RUNTIMES } from "../images/pythons.ts";
import { containerRuntimeOf } from "../model/function-runtime.ts";
import type { InstanceId } from "../model/ids.ts";
import { RUNTIMES } from "../model/runtime.ts";
import { systemClock } from "../ports/clock.ts";
import type { InvocationTracer } from "../ports/invocation-tracer.ts";
import type { Invoker } from "../ports/invoker.ts";
import type { Log } from "../ports/log.ts";
import type { RuntimeSupply } from "../ports/runtime-supply.ts";
import type { Store } from "../ports/store.ts";
import type { Fleet } from "../provider/fleet/fleet.ts";
import { withPrices } from "../provider/fleet/offer-prices.ts";
import { forgetGone } from "../provider/remote/forget-gone.ts";
import { AccountCapacities } from "../server/account-capacities.ts";
import { BookedControlPlane } from "../server/booked-control-plane.ts";
import { createAccessKeyRing } from "../server/catalog/access-key-ring.ts";
import { createCatalog } from "../server/catalog/catalog.ts";
import { feedConcurrency } from "../server/function-concurrency.ts";
import { inTime } from "../server/in-time.ts";
import { createLayerCatalog } from "../server/layers/layer-catalog.ts";
import { functionLogReader } from "../server/logs/function-log-reader.ts";
import { FunctionLogs } from "../server/logs/function-logs.ts";
import { createLogGroups } from "../server/logs/log-groups.ts";
import { Metrics } from "../server/metrics.ts";
import { PendingInvocations } from "../server/pending-invocations.ts";
import { createResourcePolicies } from "../server/policies/resource-policies.ts";
import { provisionedStateOf } from "../server/provisioned-state.ts";
import { Server } from "../server/server.ts";
import { createFunctionUrls } from "../server/urls/function-urls.ts";
import { createFilesCodeStore } from "../store/files/code-store.ts";
import { openFilesLogStore } from "../store/files/log-store.ts";
import { createS3ObjectSource } from "../store/s3/object-source.ts";
import { openSqliteStore } from "../store/sqlite/sqlite-store.ts";
import type { OtlpTracerOptions } from "../tracing/otlp-tracer.ts";
import type { AwsSettings } from "../triggers/aws/aws-clients.ts";
import { createAdminView } from "./admin-view.ts";
import { addAwsServices } from "./aws-services.ts";
import { openBooks } from "./books.ts";
import { createCapacityView } from "./capacity-view.ts";
import { makeDataDir, serverSecret, writeRootKey } from "./data-dir.ts";
import { createOfferView, loadOfferPrices } from "./offer-view.ts";
import { openEvents } from "./open-events.ts";
import { type FleetChoice, isRemote, openFleet } from "./open-fleet.ts";
import { findPythonPlaces, type PythonDescriptions, pythonsOf } from "./python-places.ts";
import { createPythonSupply } from "./python-supply.ts";
import { openSizes } from "./sizes.ts";
import { createSizingView } from "./sizing-view.ts";
import { VERSION } from "./version.ts";

export type HearthOptions = {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Absolute. */
  readonly dataDir: string;
  readonly fleet: FleetChoice;
  /** Whether containers reach the network. */
  readonly network: boolean;
  /** What host names of function URLs end with; `none`: they have none. undefined: `localhost` on loopback, else none. */
  readonly urlDomain?: string | undefined;
  readonly region: string;
  readonly log: Log;
  /** The database ended by itself: nothing can be accepted or recorded any more. */
  onStoreLost(error: Error): void;
  /** Changes to the defaults of the control core. */
  readonly settings?: Partial<Settings>;
  readonly retrySettings?: Partial<RetrySettings>;
  /** `http://HOST:PORT` of a store that speaks S3's protocol, for code in buckets; undefined: AWS's own. */
  readonly s3Endpoint?: string | undefined;
  /** Whether functions may be of runtimes that AWS makes no new ones of; undefined: they may not. */
  readonly allowDeprecatedRuntimes?: boolean;
  readonly deliverySettings?: Partial<DeliverySettings>;
  /** undefined: AWS's own endpoints, for the operator's account alone. */
  readonly aws?: {
    /** URL by service; absent: AWS's own. */
    readonly endpoints: AwsSettings["endpoints"];
    /** Whether accounts besides the operator's may use the server's credentials. */
    readonly isShared: boolean;
  };
  /** What fixed capacity costs where no fixed offer has a price, for comparisons; undefined: nobody knows. */
  readonly fixedUsdPerGiBHour?: number | undefined;
  /** Where traces go; undefined: they are not recorded. */
  readonly tracing?: Pick<OtlpTracerOptions, "url" | "sampler"> | undefined;
  /** Whoever sends it as a bearer token sees the metrics; undefined: nobody does without signing, but on loopback. */
  readonly metricsToken?: string | undefined;
};

/** A running server. */
export type Hearth = {
  readonly url: string;
  readonly provider: Fleet;
  /** Managed runtimes that cannot run here: npm did not install their Node, or there is no such Python. */
  readonly missingRuntimes: readonly string[];
  /** The Python interpreters that functions can have. */
  readonly pythons: PythonDescriptions;
  /** Lets running invocations finish for up to `graceMs`, then ends every instance. Called again with 0 it hurries. */
  stop(graceMs: number): Promise<void>;
};

const ADOPTION_POLL_MS = 20;
/** For event sources to end after what they ran: a queue or a database that hangs does not hold up the server's end. */
const SOURCES_ENDING_MS_MAX = 3_000;

/**
 * Composes a server out of its parts and starts it; resolves when it serves.
 * @throws HearthError DATA_IN_USE, STORE_NEWER, STORE_FAILED, PROVIDER_UNAVAILABLE; Error when the port is taken.
 */
export async function startHearth(options: HearthOptions): Promise<Hearth> {
  const closers: Closer[] = [];
  try {
    return await compose(options, closers);
  } catch (error) {
    await closeAll(closers, 0, AbortSignal.abort()).catch((failure: unknown) => {
      options.log.error({ error: failure }, "a failed start could not be cleaned up");
    });
    throw error;
  }
}

/** Ends one part of a server; what runs may take `graceMs` to finish, or until `hurry`. */
type Closer = (graceMs: number, hurry: AbortSignal) => void | Promise<void>;

/** Last opened, first closed; one that fails does not keep the others from being closed. @throws the first failure. */
async function closeAll(closers: Closer[], graceMs: number, hurry: AbortSignal): Promise<void> {
  const failures: unknown[] = [];
  for (let close = closers.pop(); close !== undefined; close = closers.pop()) {
    try {
      await close(graceMs, hurry);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

async function compose(options: HearthOptions, closers: Closer[]): Promise<Hearth> {
  const { dataDir, log, region, host, port, network } = options;
  await makeDataDir(dataDir);
  const store = await openSqliteStore(dataDir, options.onStoreLost);
  closers.push(() => store.close());
  const secret = await serverSecret(store);
  const accessKeys = await createAccessKeyRing(store);
  await writeRootKey(dataDir, accessKeys);
  const codeStore = await createFilesCodeStore(join(dataDir, "code"));
  const onDamage = (what: string, error: unknown) => log.error({ error }, what);
  const imagesDir = join(dataDir, "images");
  const nodeBinaries = findNodeBinaries();
  const { places, homes: pythonHomes } = await findPythonPlaces(imagesDir, options.fleet);
  const pythons = pythonsOf(places);
  const missingPythons = PYTHON_RUNTIMES.filter((name) => !(name in pythons));
  const missingRuntimes = [...nodeBinaries.missing, ...missingPythons];
  const settings = settingsFor(options, missingRuntimes);
  const layers = await createLayerCatalog({ table: store.layers, codeStore, clock: systemClock });
  const pending = new PendingInvocations(systemClock);
  const catalog = await createCatalog({
    store,
    codeStore,
    clock: systemClock,
    region,
    alsoUsed: () => [...layers.usedCode(), ...pending.usedCode((hashes) => codeStore.overlayName(hashes))],
    accountConcurrencyMax: settings.accountConcurrencyMax,
    random: Math.random,
    onDamage,
  });
  closers.push(() => catalog.close());
  const show = policyDocument(region);
  const policies = await createResourcePolicies({ table: store.policies, catalog, show, onFailure: onDamage });
  const urls = await createFunctionUrls({
    table: store.functionUrls,
    catalog,
    clock: systemClock,
    onFailure: onDamage,
  });
  const logs = await openFilesLogStore({
    dir: join(dataDir, "logs"),
    onLost: (why) => log.error({}, `log lines of functions are being lost: ${why}`),
  });
  closers.push(() => logs.close());
  const logGroups = await createLogGroups({ table: store.logGroups, logs, clock: systemClock, onFailure: onDamage });
  const capacity = await openFleet(options.fleet, {
    dataDir,
    imagesDir,
    ...(await buildBundles(imagesDir)),
    nodeBinaries: nodeBinaries.paths,
    pythonHomes: Object.fromEntries(Object.entries(pythonHomes).map(([name, { directory }]) => [name, directory])),
    nodePath: process.execPath,
    network,
    orphanMs: settings.orphanMs,
    clock: systemClock,
    log,
    remote: {
      store: store.hosts,
      heartbeatMs: settings.heartbeatMs,
      silenceMs: settings.silenceMsMax,
      readCode: async (sha256Hex, instanceIds) => {
        if (server.claims.mayHave(instanceIds, sha256Hex)) return codeStore.read(sha256Hex);
        throw new Error("no instance of that machine was ordered to run this code");
      },
      onAgent: (socket) => server.acceptAgent(socket),
    },
  });
  closers.push(async () => capacity.endpoint?.close());
  const provider = withPrices(capacity.fleet, await loadOfferPrices(store));
  const { fixedUsdPerGiBHour } = options;
  const books = openBooks({
    store,
    log,
    fixedUsdPerGiBHour,
    onBegun: ({ id, mode }) => {
      if (mode === "asynchronous") queue.begun(id);
    },
    onEnded: (invocation, outcome, usage) => metrics.sizes?.countExecution(invocation, outcome, usage),
    onCosts: (rows) => metrics.countCosts(rows),
  });
  closers.push(() => books.costWriter.close());
  const tracer = await openTracer(options);
  closers.push(() => tracer?.close());
  const control = new BookedControlPlane(settings, books.bookkeeper);
  const capacities = new AccountCapacities({
    store,
    clock: systemClock,
    log,
    onChange: (accountId, capacity) => server.feed({ kind: "AccountCapacityChanged", accountId, capacity }),
  });
  const metrics = new Metrics({
    pools: () => control.snapshot(systemClock.monotonicMs()),
    eventQueue: () => ({
      length: queue.length,
      oldestAcceptedMs: queue.oldestAcceptedMs,
      undelivered: events.outbox.length,
    }),
    lostLogBytes: () => logs.lostBytes,
    capacity: {
      offers: () => provider.offers(),
      waits: (countMax) => control.waiting(undefined, countMax),
      capacityOf: (accountId) => capacities.of(accountId),
    },
    sizing: control.sizing,
    provisioned: () => control.provisionedStates(),
    ...(tracer === undefined ? {} : { spans: () => tracer.counts() }),
  });
  const leftOver = new Set<InstanceId>(await provider.list());
  const kinds = options.fleet.providers.filter((kind) => kind !== "auto");
  if (capacity.endpoint !== undefined) await forgetGone(capacity.endpoint.hosts, kinds, leftOver);
  const server = new Server({
    control,
    pending,
    provider,
    socketPath: socketPathIn(dataDir),
    welcome: {
      freezeAfterMs: settings.freezeAfterMs,
      heartbeatMs: settings.heartbeatMs,
      orphanMs: settings.orphanMs,
      blankMemoryMiB: settings.blankMemoryMiB,
    },
    pressureShares: { at: settings.pressureShare, clear: settings.pressureClearShare },
    silenceMsMax: settings.silenceMsMax,
    tokenOf: (instanceId) => createHmac("sha256", secret).update(`agent ${instanceId}`).digest("hex"),
    leftOver,
    codeDir: (sha256Hex) => codeStore.dir(sha256Hex),
    layersDir: (sha256Hexes) => codeStore.dir(codeStore.overlayName(sha256Hexes)),
    logs: new FunctionLogs({ logs, groups: logGroups, clock: systemClock, region }),
    metrics,
    tracer,
    region,
    clock: systemClock,
    log,
    onAdopted: (id) => queue.adopt(id),
    onOrphan: (id, answer, acknowledge) => queue.settle(id, answer, acknowledge),
  });
  const events = await openEvents({
    store,
    catalog,
    server: () => server,
    aws: { endpoints: options.aws?.endpoints ?? {}, region },
    retrySettings: options.retrySettings ?? {},
    deliverySettings: options.deliverySettings ?? {},
    log,
  });
  closers.push((graceMs) => events.close(graceMs));
  const { queue } = events;
  await capacities.load();
  feedConcurrency(catalog.concurrency, {
    feed: (event) => server.feed(event),
    remember: (version) => server.remember(version),
  });
  const sizes = await openSizes({
    store,
    control,
    catalog,
    log,
    feed: (event) => server.feed(event),
    onDecision: (key, decision) => metrics.sizes?.countDecision(key, decision),
  });
  closers.push(() => sizes.writer.close());
  catalog.onRetired((key) => server.retire(key));
  const runtimes = createPythonSupply({
    places,
    onWanted: (accountId, runtime) => server.feed({ kind: "RuntimeWanted", accountId, runtime }),
  });
  const http = createHttpServer({
    host,
    port,
    region,
    accessKeys,
    clock: systemClock,
    onError: (error) => log.error({ error }, "a request failed"),
  });
  closers.push(async (graceMs, hurry) => {
    queue.close();
    const sourcesClosed = events.closeSources();
    const closed = http.close(graceMs);
    await server.shutdown(graceMs, hurry);
    await closed;
    // What ran has ended: all that is left is to write down what became of it.
    await inTime(sourcesClosed, SOURCES_ENDING_MS_MAX).catch((error: unknown) => {
      log.warn({ error }, "event sources could not be closed in order: what they read may come again");
    });
  });
  await server.start();
  await capacity.listen();
  await addAwsServices(http, { store, logs, logGroups, region });
  // From here on nothing is waited for until all routes are there: what is asked at once is no unknown path.
  const address = await http.listen();
  const url = `http://${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
  const invoker: Invoker = {
    invoke: (request, answer) => server.run(request, "synchronous", 0, answer),
    enqueue: (request) => queue.accept(request),
  };
  addLambdaRoutes(http, {
    catalog,
    layers,
    policies,
    urls,
    urlAddress: new UrlAddress({ region, serverUrl: url, domain: urlDomainOf(options) }),
    codeStore,
    invoker,
    eventInvokeConfigs: events.configs,
    eventSources: events.sources,
    isAwsShared: options.aws?.isShared ?? false,
    clock: systemClock,
    region,
    url,
    secret,
    concurrentExecutionsMax: settings.accountConcurrencyMax,
    effectiveMemoryMiB: (description) => sizingView.effectiveMemoryMiB(description),
    objects: createS3ObjectSource({ region, endpoint: options.s3Endpoint }),
    provisionedState: (accountId, name, { qualifier }) =>
      provisionedStateOf(catalog.concurrency, (key) => control.provisionedState(key), accountId, name, qualifier),
    allowDeprecatedRuntimes: options.allowDeprecatedRuntimes ?? false,
    runtimes,
    isTraced: tracer !== undefined,
  });
  const view = createAdminView({
    ...options,
    url,
    provider,
    pythons,
    control,
    settings,
    catalog,
    accessKeys,
    store,
    events,
  });
  const accessTo = routeAccess(options.metricsToken);
  const addRoute: AddRoute = (method, path, handler) => http.addRoute(method, path, handler, accessTo(path));
  const closeAdminRoutes = addAdminRoutes({ addRoute, view, logs: functionLogReader(logs, logGroups), metrics });
  const capacityView = createCapacityView({
    ...books,
    capacities,
    store,
    clock: systemClock,
    hasAccount: async (accountId) => (await view.listAccounts()).some((account) => account.accountId === accountId),
    waits: (accountId, countMax) => control.waiting(accountId, countMax),
    waitOf: (id) => control.waitOf(id),
  });
  addCapacityRoutes({ addRoute, view: capacityView });
  const sizingView = createSizingView({
    ...sizes,
    sizing: control.sizing,
    catalog,
    accountIds: async () => (await view.listAccounts()).map(({ accountId }) => accountId),
  });
  addSizingRoutes({ addRoute, view: sizingView });
  addOfferRoutes({ addRoute, view: createOfferView(provider, store) });
  addScheduleRoutes({ addRoute, schedules: events.schedules });
  addSourceRoutes({ addRoute, sources: events.tables });
  addHostRoutes({ addRoute, hosts: capacity.endpoint?.hosts });
  closers.push(closeAdminRoutes); // Those who follow a log would otherwise hold up the end.
  await prepareKnown(store, runtimes, log);
  await adopt(server, leftOver, settings.adoptionMsMax);
  server.keepPools();
  events.start();

  let stopping: Promise<void> | undefined;
  const hurry = new AbortController();
  return {
    url,
    provider,
    missingRuntimes,
    pythons,
    stop: (graceMs) => {
      if (graceMs === 0) hurry.abort();
      stopping ??= closeAll(closers, graceMs, hurry.signal);
      return stopping;
    },
  };
}

/** Its libraries are loaded only where traces are wanted. */
async function openTracer({ tracing, region, log }: HearthOptions): Promise<InvocationTracer | undefined> {
  if (tracing === undefined) return undefined;
  const { openOtlpTracer } = await import("../tracing/otlp-tracer.ts");
  return openOtlpTracer({ ...tracing, version: VERSION, region, clock: systemClock, log });
}

/** What functions that are there run with, after an upgrade perhaps made anew. */
async function prepareKnown(store: Store, runtimes: RuntimeSupply, log: Log): Promise<void> {
  const seen = new Set<string>();
  const { functions, versions } = await store.functions.load();
  for (const { accountId, settings } of [...functions, ...versions]) {
    const { runtime } = settings;
    if (seen.has(`${accountId} ${runtime}`)) continue;
    seen.add(`${accountId} ${runtime}`);
    try {
      const why = await runtimes.prepare(accountId, containerRuntimeOf(runtime));
      if (why !== undefined) log.error({ accountId, runtime }, why);
    } catch (error) {
      log.error({ accountId, runtime, error }, "functions of this runtime cannot run");
    }
  }
}

/** Names below localhost lead browsers and curl to this machine without anybody's DNS. */
function urlDomainOf({ host, urlDomain }: HearthOptions): string | undefined {
  if (urlDomain === undefined) return isLoopback(host) ? "localhost" : undefined;
  return urlDomain === "none" ? undefined : urlDomain;
}

/** Waits until the instances of an earlier server have joined; ends those that do not. */
async function adopt(server: Server, leftOver: Set<InstanceId>, adoptionMsMax: number): Promise<void> {
  const untilMs = systemClock.monotonicMs() + adoptionMsMax;
  const missing = () => [...leftOver].filter((instanceId) => !server.isJoined(instanceId));
  while (missing().length > 0 && systemClock.monotonicMs() < untilMs) {
    await new Promise((resolve) => setTimeout(resolve, ADOPTION_POLL_MS));
  }
  for (const instanceId of missing()) {
    leftOver.delete(instanceId);
    server.endInstance(instanceId, "left over by an earlier server, and its agent did not join");
  }
}

/** Other machines take longer to boot and to come back than processes of this one. */
const REMOTE_SETTINGS: Partial<Settings> = {
  launchMsMax: 600_000,
  launchMsTypical: 60_000,
  adoptionMsMax: 10_000,
  orphanMs: 300_000,
};

/** Blank containers only of runtimes that can run here. */
function settingsFor({ fleet, settings: changes = {} }: HearthOptions, missingRuntimes: readonly string[]): Settings {
  const runnable = RUNTIMES.filter((runtime) => !missingRuntimes.includes(runtime));
  return {
    ...DEFAULT_SETTINGS,
    ...(isRemote(fleet) ? REMOTE_SETTINGS : {}),
    idPrefix: `${randomBytes(3).toString("hex")}-`,
    blankTarget: Object.fromEntries(runnable.map((runtime) => [runtime, DEFAULT_SETTINGS.blankTarget[runtime] ?? 0])),
    ...changes,
  };
}
