import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import type { ZodError } from "zod";
import { usageError } from "../cli/cli-error.ts";
import { type HostAgentEnd, runHostAgent } from "../host-agent/run-host-agent.ts";
import { buildBundles } from "../images/bundle.ts";
import { findNodeBinaries } from "../images/node-binaries.ts";
import { type PythonHomes, planPythonHomes } from "../images/python-homes.ts";
import { findPythons } from "../images/pythons.ts";
import { HearthError } from "../model/error-code.ts";
import type { Log } from "../ports/log.ts";
import { hostAgentConfigSchema } from "../protocol/host-agent-config.ts";
import { VERSION } from "./version.ts";

const OPTION_OF: Readonly<Record<string, string>> = {
  server: "--join",
  token: "--token",
  name: "--name",
  zone: "--zone",
  provider: "--provider",
  logLevel: "--log-level",
};

/**
 * `hearth agent`: makes this machine a host, until SIGTERM or SIGINT. The log goes to standard error.
 * @param input a `HostAgentConfigInput`, if the caller is right.
 * @returns why it ended by itself; undefined: it was told to.
 * @throws HearthError PROVIDER_UNAVAILABLE, DATA_IN_USE, JOIN_REFUSED, STORE_FAILED; CliError naming what is wrong with the input.
 */
export async function agent(input: unknown): Promise<HostAgentEnd | undefined> {
  const parsed = hostAgentConfigSchema.safeParse(input);
  if (!parsed.success) throw usageError(faultsOf(parsed.error), "see `hearth agent --help`");
  const config = parsed.data;
  const log = pino(
    { level: config.logLevel, base: null, serializers: { error: pino.stdSerializers.err } },
    pino.destination({ fd: 2, sync: false }),
  );
  const imagesDir = join(config.dataDir, "images");
  await mkdir(imagesDir, { recursive: true, mode: 0o700 }).catch((error: Error) => {
    throw new HearthError("STORE_FAILED", error.message, { cause: error });
  });
  const homes = await planPythonHomes(imagesDir, await findPythons());
  const installation = {
    ...(await buildBundles(imagesDir)),
    nodeBinaries: findNodeBinaries().paths,
    pythonHomes: Object.fromEntries(Object.entries(homes).map(([runtime, { directory }]) => [runtime, directory])),
    version: VERSION,
  };
  void makeAll(homes, log);
  return runHostAgent(config, installation, log);
}

/**
 * Any server may want any of them here, at any time: unlike on a server's own machine they are made without being asked for. It
 * takes some seconds each, for which the machine does not wait: a container that comes too early is made again.
 */
async function makeAll(homes: PythonHomes, log: Log): Promise<void> {
  for (const [runtime, { description, ensure }] of Object.entries(homes)) {
    try {
      await ensure();
      log.info({ runtime }, description);
    } catch (error) {
      log.warn({ runtime, error }, "this interpreter cannot be used");
    }
  }
}

/** As a settings file names members, and with the option that says the same. */
function faultsOf({ issues }: ZodError): string {
  const faults = issues.map(({ path, message }) => {
    const member = path.join(".");
    const option = OPTION_OF[member];
    if (member === "") return message;
    return `${option === undefined ? member : `${option} (${member})`}: ${message}`;
  });
  return faults.join("; ");
}
