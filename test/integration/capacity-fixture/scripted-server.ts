import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ControlPlane } from "../../../src/control/control-plane.ts";
import { DEFAULT_SETTINGS, type Settings } from "../../../src/control/settings.ts";
import { buildBundles } from "../../../src/images/bundle.ts";
import { findNodeBinaries } from "../../../src/images/node-binaries.ts";
import type { CapacitySettings, Offer } from "../../../src/model/capacity.ts";
import type { ErrorCode } from "../../../src/model/error-code.ts";
import type { Command, Event } from "../../../src/model/event.ts";
import type { FunctionVersion } from "../../../src/model/function-version.ts";
import type { AccountId, FunctionKey, InstanceId, InvocationId, OfferId } from "../../../src/model/ids.ts";
import type { CapacityListener, CapacityProvider, LaunchOrder } from "../../../src/ports/capacity-provider.ts";
import { systemClock } from "../../../src/ports/clock.ts";
import type { InvokeAnswer } from "../../../src/ports/invoker.ts";
import { createFleet } from "../../../src/provider/fleet/fleet.ts";
import { createProcessProvider } from "../../../src/provider/process/process-provider.ts";
import { FunctionLogs } from "../../../src/server/logs/function-logs.ts";
import { Metrics } from "../../../src/server/metrics.ts";
import { PendingInvocations } from "../../../src/server/pending-invocations.ts";
import { Server } from "../../../src/server/server.ts";

const ACCOUNT = "000000000000" as AccountId;
const CODE = "0".repeat(64);
const SHAPE = { memoryMiB: 1024, cpuMilli: 1000 };

/** A variable offer of the scripted provider. */
export function variableOffer(name: string, change: Partial<Offer> = {}): Offer {
  return {
    id: `static/zone/${name}/spare` as OfferId,
    provider: "static",
    subPool: "variable",
    instanceType: name,
    zone: "zone",
    shape: SHAPE,
    isElastic: true,
    capacity: { memoryMiB: 4096, cpuMilli: 2000 },
    priceUsdPerHour: 0.01,
    demandLevel: 0,
    isAvailable: true,
    noticeMs: 10_000,
    ...change,
  };
}

/** Real instances, launched and ended as the test's script says, and whatever the test tells the listener. */
export class ScriptedProvider implements CapacityProvider {
  readonly kind = "static";
  readonly isolation = "as the script says";
  readonly launches: LaunchOrder[] = [];
  readonly ends: InstanceId[] = [];
  listener!: CapacityListener;
  /** What becomes of an order; `start` does what an honest provider would. */
  onLaunch: (order: LaunchOrder, start: () => Promise<void>) => Promise<void> = (_, start) => start();
  onTerminate: (instanceId: InstanceId, end: () => Promise<void>) => Promise<void> = (_, end) => end();
  onList: (list: () => Promise<readonly InstanceId[]>) => Promise<readonly InstanceId[]> = (list) => list();
  #offers: readonly Offer[];
  readonly #instances: CapacityProvider;

  constructor(offers: readonly Offer[], instances: CapacityProvider) {
    this.#offers = offers;
    this.#instances = instances;
  }

  offers(): readonly Offer[] {
    return this.#offers;
  }

  publish(offers: readonly Offer[]): void {
    this.#offers = offers;
    this.listener.onOffers(offers);
  }

  watch(listener: CapacityListener): void {
    this.listener = listener;
    this.#instances.watch({
      onOffers: () => {},
      onAtRisk: () => {},
      onReclaim: () => {},
      onExit: (instanceId, reason) => listener.onExit(instanceId, reason),
    });
  }

  launch(order: LaunchOrder): Promise<void> {
    this.launches.push(order);
    return this.onLaunch(order, () => this.#instances.launch(order));
  }

  terminate(instanceId: InstanceId): Promise<void> {
    this.ends.push(instanceId);
    return this.onTerminate(instanceId, () => this.#instances.terminate(instanceId));
  }

  list(): Promise<readonly InstanceId[]> {
    return this.onList(() => this.#instances.list());
  }

  /** What is really there. */
  instances(): Promise<readonly InstanceId[]> {
    return this.#instances.list();
  }

  close(): Promise<void> {
    return this.#instances.close();
  }
}

/** The core, audited after every event. */
class AuditedControlPlane extends ControlPlane {
  readonly broken: string[] = [];

  override handle(event: Event, nowMs: number): readonly Command[] {
    const commands = super.handle(event, nowMs);
    const broken = this.brokenInvariant();
    if (broken !== undefined) this.broken.push(`after ${event.kind}: ${broken}`);
    return commands;
  }
}

export type ScriptedServerOptions = {
  readonly offers?: readonly Offer[];
  readonly settings?: Partial<Settings>;
  readonly capacity?: Partial<CapacitySettings>;
  readonly endingMsMax?: number;
};

/** A server and its core, with real agents, on fixed processes of this host and a provider that a test plays. */
export class ScriptedServer {
  readonly dataDir = realpathSync(mkdtempSync(join(tmpdir(), "hearth-scripted-")));
  readonly log: string[] = [];
  provider!: ScriptedProvider;
  control!: AuditedControlPlane;
  server!: Server;
  #isDown = false;

  static async start(options: ScriptedServerOptions = {}): Promise<ScriptedServer> {
    const scripted = new ScriptedServer();
    try {
      await scripted.#open(options);
    } catch (error) {
      await scripted[Symbol.asyncDispose]();
      throw error;
    }
    return scripted;
  }

  async #open({ offers = [variableOffer("a")], settings, capacity, endingMsMax }: ScriptedServerOptions) {
    const { dataDir } = this;
    mkdirSync(join(dataDir, "code"));
    writeFileSync(
      join(dataDir, "code/index.mjs"),
      "export const handler = async ({ ms = 0 }) => { await new Promise((r) => setTimeout(r, ms)); return process.pid; };",
    );
    const bundles = await buildBundles(join(dataDir, "images"));
    const parts = { ...bundles, nodeBinaries: findNodeBinaries().paths, nodePath: process.execPath };
    const say = (_: InstanceId, line: string) => void this.log.push(line);
    const processes = (name: string) => createProcessProvider({ ...parts, dataDir: join(dataDir, name), log: say });
    this.provider = new ScriptedProvider(offers, processes("variable"));
    const orphanMs = 20_000;
    const all = {
      ...DEFAULT_SETTINGS,
      warming: { fixed: { min: 0, max: 1 }, variable: { min: 0, max: 2 } },
      blankTarget: { "nodejs24.x": 1 },
      orphanMs,
      ...settings,
    };
    this.control = new AuditedControlPlane(all);
    const note = (fields: object, text: string) => void this.log.push(`${text} ${JSON.stringify(fields)}`);
    const { control } = this;
    this.server = new Server({
      pending: new PendingInvocations(systemClock),
      control,
      provider: createFleet([processes("fixed"), this.provider]),
      socketPath: join(dataDir, "agents.sock"),
      welcome: {
        freezeAfterMs: all.freezeAfterMs,
        heartbeatMs: all.heartbeatMs,
        orphanMs,
        blankMemoryMiB: all.blankMemoryMiB,
      },
      pressureShares: { at: all.pressureShare, clear: all.pressureClearShare },
      silenceMsMax: all.silenceMsMax,
      tokenOf: (instanceId) => `secret of ${instanceId}`,
      leftOver: new Set(),
      codeDir: () => join(dataDir, "code"),
      layersDir: () => join(dataDir, "layers"),
      logs: new FunctionLogs({
        logs: { append: () => {} },
        region: "us-east-1",
        groups: { begin: () => {} },
        clock: systemClock,
      }),
      metrics: new Metrics({
        pools: () => control.snapshot(systemClock.monotonicMs()),
        eventQueue: () => ({ length: 0, oldestAcceptedMs: undefined, undelivered: 0 }),
        lostLogBytes: () => 0,
      }),
      region: "us-east-1",
      clock: systemClock,
      log: { debug: () => {}, info: note, warn: note, error: note },
      onOrphan: (_, __, acknowledge) => acknowledge(),
      onAdopted: () => {},
      ...(endingMsMax === undefined ? {} : { endingMsMax }),
    });
    await this.server.start();
    this.server.keepPools();
    this.set({ class: "variable", ...capacity });
  }

  set(change: Partial<CapacitySettings>): void {
    const capacity: CapacitySettings = {
      class: "fixed",
      dedicatedInstances: 0,
      constraints: [],
      onShortage: { kind: "wait" },
      ...change,
    };
    this.server.feed({ kind: "AccountCapacityChanged", accountId: ACCOUNT, capacity });
  }

  /** @returns how it ended: `ok`, another outcome, or the code of its refusal. */
  async invoke(payload: object = {}): Promise<InvokeAnswer["kind"] | string> {
    const answer = await new Promise<InvokeAnswer>((resolve) => {
      this.server.run(
        {
          id: randomUUID() as InvocationId,
          version: VERSION,
          payload: Buffer.from(JSON.stringify(payload)),
          invokedArn: VERSION.arn,
          clientContext: undefined,
          traceId: undefined,
          logTail: false,
        },
        "synchronous",
        0,
        (given, acknowledge) => {
          acknowledge();
          resolve(given);
        },
      );
    });
    return answer.kind === "finished" ? answer.outcome : (answer.code satisfies ErrorCode);
  }

  get instances() {
    return this.control.snapshot(systemClock.monotonicMs()).instances;
  }

  get runningInstanceIds(): InstanceId[] {
    const isBusy = ({ containers }: { containers: readonly { state: string }[] }) =>
      containers.some(({ state }) => state === "running");
    return this.instances.filter(isBusy).map(({ id }) => id);
  }

  /** What the audit found wrong so far. */
  get broken(): readonly string[] {
    return this.control.broken;
  }

  async stop(): Promise<void> {
    if (this.#isDown) return;
    this.#isDown = true;
    await this.server.shutdown(0, AbortSignal.abort());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { provider } = this;
    try {
      if (provider !== undefined) {
        provider.onTerminate = (_, end) => end();
        provider.onList = (list) => list();
      }
      if (this.server !== undefined) await this.stop();
      // What the script kept the server from ending.
      if (provider !== undefined) for (const id of await provider.instances()) await provider.terminate(id);
    } finally {
      rmSync(this.dataDir, { recursive: true, force: true });
    }
  }
}

const VERSION: FunctionVersion = {
  key: `${ACCOUNT}/f/$LATEST/1` as FunctionKey,
  accountId: ACCOUNT,
  name: "f",
  version: "$LATEST",
  arn: `arn:aws:lambda:us-east-1:${ACCOUNT}:function:f`,
  runtime: "nodejs24.x",
  handler: "index.handler",
  codeSha256Hex: CODE,
  environment: {},
  memoryMiB: 128,
  timeoutMs: 300_000,
  ephemeralStorageMiB: 512,
};
