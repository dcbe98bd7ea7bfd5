import { availableCpuMilli } from "../host/host-resources.ts";
import { buildHostBundles } from "../images/bundle.ts";
import type { ProviderKind } from "../model/capacity.ts";
import { HearthError } from "../model/error-code.ts";
import type { RuntimeName } from "../model/runtime.ts";
import type { CapacityProvider } from "../ports/capacity-provider.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { createFleet, type Fleet } from "../provider/fleet/fleet.ts";
import { createHarvestProvider, harvestDirOf } from "../provider/harvest/harvest-provider.ts";
import type { HarvestSettings } from "../provider/harvest/harvest-settings.ts";
import { createMicrovmProvider } from "../provider/microvm/microvm-provider.ts";
import { createProcessProvider } from "../provider/process/process-provider.ts";
import {
  openRemoteEndpoint,
  type RemoteEndpoint,
  type RemoteEndpointOptions,
} from "../provider/remote/remote-endpoint.ts";
import { detectSandbox } from "../provider/sandbox/detect-sandbox.ts";
import { createSandboxProvider } from "../provider/sandbox/sandbox-provider.ts";
import { createStaticProvider } from "../provider/static/static-provider.ts";
import { VERSION } from "./version.ts";

export type ProviderChoice = "auto" | ProviderKind;

/** Which capacity a server has, as its operator says. */
export type FleetChoice = {
  /** At least one; `auto` is the sandbox where it works, else plain processes. */
  readonly providers: readonly ProviderChoice[];
  /** Settings file of the `ec2` provider. */
  readonly ec2File: string | undefined;
  /** Where other machines join. */
  readonly agentHost: string;
  /** 0: any free port. */
  readonly agentPort: number;
  /** The address that other machines are told; undefined: the addresses of this one. */
  readonly agentAdvertise: string | undefined;
  /** What the fixed sandboxes together may take; undefined: four fifths of what the host has to spare, beside harvested ones half. */
  readonly sandboxMemoryMiB: number | undefined;
  /** What all microVMs together may take; undefined: half of what is available. */
  readonly microvmMemoryMiB: number | undefined;
  /** Changes to what the provider `harvest` lends by. */
  readonly harvest: Partial<HarvestSettings>;
};

export type FleetParts = {
  readonly dataDir: string;
  readonly imagesDir: string;
  readonly agentBundlePath: string;
  readonly runtimesDir: string;
  readonly nodeBinaries: Readonly<Partial<Record<RuntimeName, string>>>;
  readonly pythonHomes: Readonly<Partial<Record<RuntimeName, string>>>;
  readonly nodePath: string;
  readonly network: boolean;
  readonly orphanMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly remote: Pick<RemoteEndpointOptions, "store" | "heartbeatMs" | "silenceMs" | "readCode" | "onAgent">;
};

/** The fleet, and the endpoint where its other machines join, if it may have any. */
export type OpenFleet = {
  readonly fleet: Fleet;
  readonly endpoint: RemoteEndpoint | undefined;
  /** Lets machines join; call it when agents can be taken. @throws Error when the address cannot be bound. */
  listen(): Promise<void>;
};

const SANDBOX_SHARE_BESIDE_HARVEST = 0.5;
/** Providers whose instances run on other kernels than this server's. */
const REMOTE_KINDS: ReadonlySet<ProviderChoice> = new Set<ProviderKind>(["microvm", "ec2", "static"]);

/** Whether machines other than this one may be part of the fleet. */
export function isRemote({ providers }: FleetChoice): boolean {
  return providers.some((kind) => REMOTE_KINDS.has(kind));
}

/**
 * Makes the providers that were asked for.
 * @throws HearthError PROVIDER_UNAVAILABLE, naming the provider and what it lacks here; STORE_FAILED.
 */
export async function openFleet(choice: FleetChoice, parts: FleetParts): Promise<OpenFleet> {
  const endpoint = isRemote(choice) ? await openEndpoint(choice, parts) : undefined;
  const opened: CapacityProvider[] = [];
  let address: { readonly host: string; readonly port: number } | undefined;
  const opener = new Opener(choice, parts, endpoint, () => address);
  try {
    for (const kind of choice.providers) opened.push(await opener.open(kind));
  } catch (error) {
    for (const provider of opened.reverse()) await provider.close().catch(() => {});
    await endpoint?.close();
    throw error;
  }
  return {
    fleet: createFleet(opened),
    endpoint,
    async listen() {
      address = await endpoint?.listen();
    },
  };
}

function openEndpoint(choice: FleetChoice, { dataDir, clock, log, remote }: FleetParts): Promise<RemoteEndpoint> {
  const { providers, agentHost, agentPort, agentAdvertise: advertisedHost } = choice;
  // Guests on this host come by a way of their own: nobody else needs to reach the endpoint.
  const isForGuestsOnly = !providers.some((kind) => kind === "static" || kind === "ec2");
  const [host, port] = isForGuestsOnly ? ["127.0.0.1", 0] : [agentHost, agentPort];
  return openRemoteEndpoint({ ...remote, host, port, advertisedHost, dataDir, clock, log });
}

class Opener {
  readonly #choice: FleetChoice;
  readonly #parts: FleetParts;
  readonly #endpoint: RemoteEndpoint | undefined;
  readonly #address: () => { readonly host: string; readonly port: number } | undefined;
  /** Memory that is free now and promised to the fixed instances on this host. */
  #owedMiB: () => number = () => 0;

  constructor(
    choice: FleetChoice,
    parts: FleetParts,
    endpoint: RemoteEndpoint | undefined,
    address: () => { readonly host: string; readonly port: number } | undefined,
  ) {
    this.#choice = choice;
    this.#parts = parts;
    this.#endpoint = endpoint;
    this.#address = address;
  }

  async open(kind: ProviderChoice): Promise<CapacityProvider> {
    switch (kind) {
      case "auto":
        return this.#auto();
      case "process":
        return this.#process("It was asked for with --provider process.");
      case "sandbox":
        return this.#sandbox();
      case "harvest":
        return this.#harvest();
      case "microvm":
        return this.#microvm();
      case "ec2":
        return this.#ec2();
      case "static":
        return createStaticProvider(this.#hosts);
      default:
        return kind satisfies never;
    }
  }

  async #auto(): Promise<CapacityProvider> {
    const finding = await detectSandbox(this.#parts);
    return finding.works ? this.#sandbox() : this.#process(`The sandbox does not work here: ${finding.reason}`);
  }

  #process(why: string): CapacityProvider {
    const { log } = this.#parts;
    const provider = createProcessProvider({
      ...this.#parts,
      log: (instanceId, line) => log.info({ instanceId, line }, "agent"),
    });
    log.warn({ provider: "process" }, `${provider.isolation} ${why}`);
    return { ...provider, isolation: `${provider.isolation} ${why}` };
  }

  /** With harvesting, half of what the host has to spare is promised to fixed instances, so that something can be harvested. */
  async #sandbox(): Promise<CapacityProvider> {
    const { sandboxMemoryMiB, providers } = this.#choice;
    const isHarvesting = providers.includes("harvest");
    const memoryMiB = sandboxMemoryMiB;
    const sandbox = await createSandboxProvider({
      ...this.#parts,
      ...(memoryMiB === undefined ? {} : { capacity: () => ({ memoryMiB, cpuMilli: availableCpuMilli() }) }),
      ...(isHarvesting ? this.#besideHarvest() : {}),
    });
    this.#owedMiB = () => sandbox.owedMiB();
    return sandbox;
  }

  #besideHarvest() {
    return { memoryShare: SANDBOX_SHARE_BESIDE_HARVEST, yieldingDirs: [harvestDirOf(this.#parts.dataDir)] };
  }

  #harvest(): Promise<CapacityProvider> {
    const settings = this.#choice.harvest;
    return createHarvestProvider({ ...this.#parts, settings, owedMiB: () => this.#owedMiB() });
  }

  async #microvm(): Promise<CapacityProvider> {
    const { microvmMemoryMiB } = this.#choice;
    const { imagesDir } = this.#parts;
    const { runtimesDir: bundleDir } = await buildHostBundles(imagesDir, VERSION);
    return createMicrovmProvider({
      ...this.#parts,
      bundleDir,
      hosts: this.#hosts,
      endpoint: this.#address,
      ...(microvmMemoryMiB === undefined ? {} : { memoryMiB: microvmMemoryMiB }),
    });
  }

  async #ec2(): Promise<CapacityProvider> {
    const { ec2File } = this.#choice;
    if (ec2File === undefined) throw new HearthError("PROVIDER_UNAVAILABLE", "ec2: give its settings with --ec2 FILE");
    // The SDK takes a second to load and is of use to few.
    const [{ createEc2Provider }, { readEc2Settings }] = await Promise.all([
      import("../provider/ec2/ec2-provider.ts"),
      import("../provider/ec2/ec2-settings.ts"),
    ]);
    return createEc2Provider({ ...this.#parts, settings: await readEc2Settings(ec2File), hosts: this.#hosts });
  }

  get #hosts(): RemoteEndpoint["hosts"] {
    if (this.#endpoint === undefined) throw new Error("a fleet with other machines has an endpoint");
    return this.#endpoint.hosts;
  }
}
