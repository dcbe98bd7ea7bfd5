import type { ProviderKind } from "../model/capacity.ts";
import { HearthError } from "../model/error-code.ts";
import type { RuntimeName } from "../model/runtime.ts";
import type { CapacityProvider } from "../ports/capacity-provider.ts";
import type { Log } from "../ports/log.ts";
import { createProcessProvider } from "../provider/process/process-provider.ts";
import { detectSandbox } from "../provider/sandbox/detect-sandbox.ts";
import { createSandboxProvider } from "../provider/sandbox/sandbox-provider.ts";

export type ProviderChoice = "auto" | ProviderKind;

type ProviderOptions = {
  readonly dataDir: string;
  readonly imagesDir: string;
  readonly agentBundlePath: string;
  readonly runtimesDir: string;
  readonly nodeBinaries: Readonly<Partial<Record<RuntimeName, string>>>;
  readonly nodePath: string;
  readonly network: boolean;
  readonly log: Log;
};

/**
 * The provider that was asked for; for `auto` the sandbox where it works, else plain processes.
 * @throws HearthError PROVIDER_UNAVAILABLE, naming what the sandbox lacks here.
 */
export async function chooseProvider(choice: ProviderChoice, options: ProviderOptions): Promise<CapacityProvider> {
  if (choice === "process") return processProvider(options, "It was asked for with --provider process.");
  const finding = await detectSandbox(options);
  if (finding.works) return createSandboxProvider(options);
  if (choice === "sandbox") throw new HearthError("PROVIDER_UNAVAILABLE", `sandbox: ${finding.reason}`);
  return processProvider(options, `The sandbox does not work here: ${finding.reason}`);
}

function processProvider(options: ProviderOptions, why: string): CapacityProvider {
  const { log } = options;
  const provider = createProcessProvider({
    ...options,
    log: (instanceId, line) => log.info({ instanceId, line }, "agent"),
  });
  log.warn({ provider: "process" }, `${provider.isolation} ${why}`);
  return { ...provider, isolation: `${provider.isolation} ${why}` };
}
