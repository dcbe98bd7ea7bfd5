import { createHash, createHmac, randomUUID } from "node:crypto";
import { connect } from "node:net";
import { join } from "node:path";
import { ControlPlane } from "../../../src/control/control-plane.ts";
import { DEFAULT_SETTINGS } from "../../../src/control/settings.ts";
import type { CapacitySettings } from "../../../src/model/capacity.ts";
import type { FunctionVersion } from "../../../src/model/function-version.ts";
import type { AccountId, FunctionKey, InstanceId, InvocationId } from "../../../src/model/ids.ts";
import type { PoolsSnapshot } from "../../../src/model/snapshot.ts";
import { systemClock } from "../../../src/ports/clock.ts";
import type { CodeStore } from "../../../src/ports/code-store.ts";
import type { InvokeAnswer } from "../../../src/ports/invoker.ts";
import { createEc2Provider } from "../../../src/provider/ec2/ec2-provider.ts";
import { openRemoteEndpoint, type RemoteEndpoint } from "../../../src/provider/remote/remote-endpoint.ts";
import { Metrics } from "../../../src/server/metrics.ts";
import { Server } from "../../../src/server/server.ts";
import { createFilesCodeStore } from "../../../src/store/files/code-store.ts";
import { createMemoryStore } from "../../../src/store/memory/memory-store.ts";
import { archiveOf, type Files } from "../server-fixture/lambda-caller.ts";
import type { Ec2Place } from "./ec2-place.ts";

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

/** A server whose only instances are those of EC2, without the frontend: what calls it is the test. */
export class Ec2Server {
  readonly control: ControlPlane;
  readonly #server: Server;
  readonly #endpoint: RemoteEndpoint;
  readonly #codeStore: CodeStore;

  private constructor(control: ControlPlane, server: Server, endpoint: RemoteEndpoint, codeStore: CodeStore) {
    this.control = control;
    this.#server = server;
    this.#endpoint = endpoint;
    this.#codeStore = codeStore;
  }

  static async start(place: Ec2Place, changes: Record<string, unknown>): Promise<Ec2Server> {
    const { dataDir } = place;
    const codeStore = await createFilesCodeStore(join(dataDir, "code"));
    const socketPath = join(dataDir, "agents.sock");
    const endpoint = await openRemoteEndpoint({
      host: "127.0.0.1",
      port: 0,
      advertisedHost: undefined,
      dataDir,
      store: createMemoryStore().hosts,
      heartbeatMs: 1_000,
      silenceMs: 10_000,
      readCode: (sha256Hex) => codeStore.read(sha256Hex),
      onAgent: (socket) => {
        const local = connect(socketPath);
        for (const [end, other] of [
          [socket, local],
          [local, socket],
        ] as const) {
          end.on("error", () => other.destroy());
          end.on("close", () => other.destroy());
        }
        socket.pipe(local).pipe(socket);
      },
      clock: systemClock,
      log: quiet,
    });
    const provider = await createEc2Provider({
      settings: place.settings(changes),
      dataDir,
      hosts: endpoint.hosts,
      clock: systemClock,
      log: quiet,
    });
    const control = new ControlPlane({
      ...DEFAULT_SETTINGS,
      idPrefix: `${randomUUID().slice(0, 6)}-`,
      warming: { fixed: { min: 1, max: 2 }, variable: { min: 1, max: 2 } },
      blankTarget: { "nodejs24.x": 1 },
      launchMsMax: 120_000,
    });
    const leftOver = new Set<InstanceId>(await provider.list()); // Before it, nothing is a stray.
    const { freezeAfterMs, heartbeatMs, orphanMs, blankMemoryMiB } = DEFAULT_SETTINGS;
    const server = new Server({
      control,
      provider,
      socketPath,
      welcome: { freezeAfterMs, heartbeatMs, orphanMs, blankMemoryMiB },
      silenceMsMax: 20_000,
      tokenOf: (instanceId) => createHmac("sha256", "secret of the test").update(instanceId).digest("hex"),
      leftOver,
      codeDir: (sha256Hex) => codeStore.dir(sha256Hex),
      logs: {
        append() {},
        tail: async () => Buffer.alloc(0),
        follow: () => () => {},
        async remove() {},
        async close() {},
      },
      metrics: new Metrics({
        pools: () => control.snapshot(systemClock.monotonicMs()),
        eventQueue: () => ({ length: 0, oldestAcceptedMs: undefined }),
        lostLogBytes: () => 0,
      }),
      region: "us-east-1",
      clock: systemClock,
      log: quiet,
      onOrphan: (_, __, acknowledge) => acknowledge(),
      onAdopted() {},
    });
    await server.start();
    await endpoint.listen();
    server.keepPools();
    return new Ec2Server(control, server, endpoint, codeStore);
  }

  setCapacity(accountId: string, capacity: CapacitySettings): void {
    this.#server.feed({ kind: "AccountCapacityChanged", accountId: accountId as AccountId, capacity });
  }

  async deploy(accountId: string, name: string, files: Files): Promise<FunctionVersion> {
    const { sha256Hex } = await this.#codeStore.put(archiveOf(files));
    const arn = `arn:aws:lambda:us-east-1:${accountId}:function:${name}`;
    const revision = createHash("sha256").update(sha256Hex).digest("hex").slice(0, 8);
    return {
      key: `${accountId}/${name}/$LATEST/${revision}` as FunctionKey,
      accountId: accountId as AccountId,
      name,
      version: "$LATEST",
      arn,
      runtime: "nodejs24.x",
      handler: "index.handler",
      codeSha256Hex: sha256Hex,
      environment: {},
      memoryMiB: 128,
      timeoutMs: 60_000,
      ephemeralStorageMiB: 512,
    };
  }

  invoke(version: FunctionVersion, event: unknown): Promise<InvokeAnswer> {
    const request = {
      id: randomUUID() as InvocationId,
      version,
      payload: Buffer.from(JSON.stringify(event)),
      invokedArn: version.arn,
      clientContext: undefined,
      traceId: undefined,
      logTail: false,
    };
    return new Promise((resolve) => {
      this.#server.run(request, "synchronous", 0, (answer, acknowledge) => {
        acknowledge();
        resolve(answer);
      });
    });
  }

  pools(): PoolsSnapshot {
    return this.control.snapshot(systemClock.monotonicMs());
  }

  /** Ends everything, machines included. */
  async stop(): Promise<void> {
    await this.#server.shutdown(0, AbortSignal.abort());
    await this.#endpoint.close();
  }
}
