import { isRuntime, RUNTIMES } from "../../model/runtime.ts";
import type { ServerStatus } from "../../ports/admin.ts";
import type { CliCommand, ServerFlags } from "../cli-command.ts";
import { type CliContext, serverOf } from "../cli-context.ts";
import { usageError } from "../cli-error.ts";
import { type FunctionManifest, readFunctionSource, runtimeOf } from "../function-folder.ts";
import { type FunctionConfiguration, type FunctionSettings, LambdaClient } from "../lambda-client.ts";
import type { ServerClient } from "../server-client.ts";

/** Hearth does not use roles; the API wants one of this form. */
const DEFAULT_ROLE = "arn:aws:iam::000000000000:role/hearth";

type DeployFlags = ServerFlags & {
  readonly name?: string;
  readonly runtime?: string;
  readonly handler?: string;
  readonly memory?: string;
  readonly timeout?: string;
  readonly env?: readonly string[];
  readonly ephemeralStorage?: string;
  readonly role?: string;
};

const HELP_AFTER = `
Creates the function, or updates its code and the settings that are given. In a folder, runtime and
handler may be left out: a \`bootstrap\` means provided.al2023, an \`index.mjs\`, \`.js\` or \`.cjs\` means
nodejs24.x and index.handler, a \`lambda_function.py\` the newest Python that the server has; a \`function.json\` may state name, runtime, handler, memoryMiB, timeoutS.

Examples:
  $ hearth deploy ./hello
  $ hearth deploy ./resize --name resize-images --memory 512 --timeout 30 --env BUCKET=pictures
  $ hearth deploy build/api.zip --runtime nodejs22.x --handler dist/api.handler`;

export function addDeployCommand(program: CliCommand, context: CliContext): void {
  const { terminal } = context;
  program
    .command("deploy")
    .description("create or update a function from a folder or a zip archive")
    .argument("DIR|ZIP", "folder with the function's code, or a zip archive of it")
    .option("--name <NAME>", "function name (default: the folder's)")
    .option("--runtime <RUNTIME>", RUNTIMES.join(", "))
    .option("--handler <HANDLER>", "FILE.EXPORT, like index.handler")
    .option("--memory <MIB>", "memory in MiB, 128 to 10240; CPU follows it")
    .option("--timeout <SECONDS>", "1 to 900")
    .option("--env <K=V>", "environment variable; may be repeated, replaces all earlier ones", appended)
    .option("--ephemeral-storage <MIB>", "size of /tmp in MiB, 512 to 10240")
    .option("--role <ARN>", "kept and shown, not used")
    .serverOptions("print the function's configuration as JSON")
    .addHelpText("after", HELP_AFTER)
    .action(async (path: string, flags: DeployFlags) => {
      const settings = settingsIn(flags);
      const { zip, manifest } = await readFunctionSource(path);
      const name = flags.name ?? manifest.name ?? "";
      const server = serverOf(context, flags);
      const lambda = new LambdaClient(server);
      const existing = await lambda.find(name);
      if (existing === undefined)
        await lambda.create(name, zip, newFunction(path, await withRuntime(manifest, server), settings));
      else await update(lambda, name, zip, { ...stated(manifest), ...settings });
      const deployed = await lambda.settled(name);
      if (flags.json) terminal.printJson(deployed);
      else terminal.print(sentence(existing === undefined ? "created" : "updated", deployed));
    });
}

async function update(lambda: LambdaClient, name: string, zip: Buffer, settings: FunctionSettings): Promise<void> {
  await lambda.updateCode(name, zip);
  if (Object.keys(settings).length === 0) return;
  await lambda.settled(name);
  await lambda.updateSettings(name, settings);
}

/** Where the files tell Python and no version, the server's newest. */
async function withRuntime(manifest: FunctionManifest, server: ServerClient): Promise<FunctionManifest> {
  if (manifest.isPython === undefined) return manifest;
  const { pythons } = await server.json<ServerStatus>({ method: "GET", path: "/_hearth/status" });
  const runtime = runtimeOf(manifest, Object.keys(pythons));
  return runtime === undefined ? manifest : { ...manifest, runtime };
}

/** @throws CliError when runtime or handler are neither given nor obvious. */
function newFunction(path: string, manifest: FunctionManifest, given: FunctionSettings): FunctionSettings {
  const settings = { Role: DEFAULT_ROLE, ...guessed(manifest), ...stated(manifest), ...given };
  const missing = [
    ...(settings.Runtime === undefined ? [`--runtime (${RUNTIMES.join(", ")})`] : []),
    ...(settings.Handler === undefined ? ["--handler (FILE.EXPORT, like index.handler)"] : []),
  ];
  if (missing.length === 0) return settings;
  throw usageError(`${path} does not tell what runs it`, `give ${missing.join(" and ")}`);
}

/** What describes a function only as long as nothing else is known of it. */
function guessed({ runtime, handler }: FunctionManifest): FunctionSettings {
  return {
    ...(runtime === undefined ? {} : { Runtime: runtime }),
    ...(handler === undefined ? {} : { Handler: handler }),
  };
}

function stated({ runtime, handler, guesses = [], memoryMiB, timeoutS }: FunctionManifest): FunctionSettings {
  return {
    ...(runtime === undefined || guesses.includes("runtime") ? {} : { Runtime: runtime }),
    ...(handler === undefined || guesses.includes("handler") ? {} : { Handler: handler }),
    ...(memoryMiB === undefined ? {} : { MemorySize: memoryMiB }),
    ...(timeoutS === undefined ? {} : { Timeout: timeoutS }),
  };
}

function settingsIn(flags: DeployFlags): FunctionSettings {
  const { runtime, handler, memory, timeout, env, ephemeralStorage, role } = flags;
  if (runtime !== undefined && !isRuntime(runtime)) {
    throw usageError(`--runtime ${runtime} is unknown`, `give one of ${RUNTIMES.join(", ")}`);
  }
  return {
    ...(runtime === undefined ? {} : { Runtime: runtime }),
    ...(handler === undefined ? {} : { Handler: handler }),
    ...(role === undefined ? {} : { Role: role }),
    ...(memory === undefined ? {} : { MemorySize: numberIn("--memory", memory, 128, 10_240, "MiB") }),
    ...(timeout === undefined ? {} : { Timeout: numberIn("--timeout", timeout, 1, 900, "seconds") }),
    ...(env === undefined ? {} : { Environment: { Variables: variablesIn(env) } }),
    ...(ephemeralStorage === undefined
      ? {}
      : { EphemeralStorage: { Size: numberIn("--ephemeral-storage", ephemeralStorage, 512, 10_240, "MiB") } }),
  };
}

/** For an option that may be repeated. */
function appended(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}

function numberIn(option: string, text: string, min: number, max: number, unit: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw usageError(`${option} ${text} is out of range`, `give a whole number of ${unit} from ${min} to ${max}`);
}

function variablesIn(pairs: readonly string[]): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const pair of pairs) {
    const [, name, value] = /^([A-Za-z][A-Za-z0-9_]+)=(.*)$/s.exec(pair) ?? [];
    if (name === undefined || value === undefined) {
      throw usageError(
        `--env ${pair} is not NAME=VALUE`,
        "names begin with a letter and have two or more letters, digits or _",
      );
    }
    variables[name] = value;
  }
  return variables;
}

function sentence(
  done: string,
  { FunctionName, Runtime, Handler, MemorySize, Timeout, CodeSize }: FunctionConfiguration,
): string {
  return `${done} ${FunctionName}: ${Runtime}, ${Handler}, ${MemorySize} MiB, ${Timeout} s, ${CodeSize} bytes of code`;
}
