import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { pino } from "pino";
import { prettifyError } from "zod";
import { hostAgentConfigSchema } from "../protocol/host-agent-config.ts";
import { runHostAgent } from "./run-host-agent.ts";

/** Set where the bundle is made. */
declare const HEARTH_VERSION: string;

/**
 * The composition root of a machine that has no installation of Hearth but the bundle: `node host-agent.mjs --config FILE`, or
 * the file's path in `HEARTH_HOST_CONFIG`. Its folder holds the agent and the runtimes.
 * Exit codes: 0 told to end, or its instance has ended; 1 failed; 2 configured wrongly; 3 the server refuses this machine.
 */
const { values } = parseArgs({ options: { config: { type: "string" } } });
const path = values.config ?? process.env["HEARTH_HOST_CONFIG"];
if (path === undefined) fail(2, "give --config FILE or set HEARTH_HOST_CONFIG");
const parsed = hostAgentConfigSchema.safeParse(readConfig(path));
if (!parsed.success) fail(2, `${path}: ${prettifyError(parsed.error)}`);
const config = parsed.data;
const bundleDir = config.bundleDir ?? import.meta.dirname;
const log = pino(
  { level: config.logLevel, base: null, serializers: { error: pino.stdSerializers.err } },
  pino.destination({ fd: 2, sync: true }),
);
const installation = {
  agentBundlePath: `${bundleDir}/agent.mjs`,
  runtimesDir: bundleDir,
  nodeBinaries: {},
  pythonHomes: {},
  version: HEARTH_VERSION,
};
try {
  const end = await runHostAgent(config, installation, log);
  process.exit(end?.kind === "refused" ? 3 : 0);
} catch (error) {
  fail(1, (error as Error).message);
}

function readConfig(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    fail(2, `${file}: ${(error as Error).message}`);
  }
}

function fail(status: number, message: string): never {
  process.stderr.write(`hearth host agent: ${message}\n`);
  process.exit(status);
}
