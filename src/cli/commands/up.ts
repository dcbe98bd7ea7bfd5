import { HearthError } from "../../model/error-code.ts";
import type { CliCommand } from "../cli-command.ts";
import type { CliContext } from "../cli-context.ts";
import { CliError } from "../cli-error.ts";
import {
  DEFAULT_AGENT_PORT,
  LOG_LEVELS,
  PROVIDER_CHOICES,
  type UpFlags,
  type UpOptions,
  upOptionsFrom,
} from "../up-options.ts";

const HELP_AFTER = `
Each option is also an environment variable: HEARTH_HOST, HEARTH_PORT, HEARTH_DATA, HEARTH_PROVIDER,
HEARTH_SANDBOX_MEMORY, HEARTH_HARVEST_NOTICE, HEARTH_MICROVM_MEMORY, HEARTH_EC2, HEARTH_AGENT_HOST, HEARTH_AGENT_PORT,
HEARTH_AGENT_ADVERTISE, HEARTH_LOG_LEVEL, HEARTH_BLANKS, HEARTH_ASYNC_RETRY_SECONDS, HEARTH_FIXED_PRICE,
HEARTH_ACCOUNT_CONCURRENCY, HEARTH_SCALING_RATE, HEARTH_REQUEST_RATE, HEARTH_URL_DOMAIN, HEARTH_S3_ENDPOINT,
HEARTH_AWS_ENDPOINT, HEARTH_AWS_SHARED=1, HEARTH_ALLOW_DEPRECATED_RUNTIMES=1, HEARTH_NO_EXAMPLES=1, HEARTH_NO_NETWORK=1,
HEARTH_METRICS_TOKEN_FILE, HEARTH_OTLP_ENDPOINT; of OpenTelemetry's own OTEL_EXPORTER_OTLP_ENDPOINT and others
(docs/logs-and-traces.md). The command line decides.

When it serves it prints one line, \`ready http://HOST:PORT\`, on standard output. SIGTERM or Ctrl-C
ends it: running invocations finish, and nothing of it stays behind.

Examples:
  $ hearth up
  $ hearth up --port 8080 --data /var/lib/hearth --no-examples
  $ hearth up --provider sandbox,harvest          fixed instances, and variable ones on what this host can spare
  $ hearth up --provider sandbox,static           other machines may join: \`hearth host token\`
  $ HEARTH_PROVIDER=process hearth up             no isolation, needs no privileges`;

export function addUpCommand(program: CliCommand, context: CliContext): void {
  program
    .command("up")
    .description("start a server on this machine")
    .option("--host <HOST>", "address to serve on (default 127.0.0.1; any other requires signed requests)")
    .option("--port <PORT>", "port to serve on (default 9600; 0: any free one)")
    .option("--data <DIR>", "folder for functions, queue and logs (default .hearth)")
    .option(
      "--provider <KINDS>",
      `where containers run, separated by commas: ${PROVIDER_CHOICES.join(", ")} (default auto: sandbox where it works)`,
    )
    .option("--sandbox-memory <MIB>", "what fixed sandboxes together may take (default: four fifths of what is free)")
    .option("--harvest-notice <TIME>", "between the notice and the end of a harvested instance (default 30s)")
    .option("--microvm-memory <MIB>", "what virtual machines together may take (default: half of what is free)")
    .option("--ec2 <FILE>", "settings of the provider ec2, see docs/providers/ec2.md")
    .option("--agent-host <HOST>", "address where other machines join (default 0.0.0.0)")
    .option("--agent-port <PORT>", `port where they join (default ${DEFAULT_AGENT_PORT}; 0: any free one)`)
    .option("--agent-advertise <HOST>", "the address of this server that other machines are told")
    .option("--blanks <N>", "blank containers of each runtime on an instance (default: one or two)")
    .option(
      "--async-retry-seconds <LIST>",
      "pauses before retries of failed asynchronous calls (default 60,120; or none)",
    )
    .option("--aws-endpoint <URL>", "where SQS, SNS, EventBridge and S3 are, if not at AWS (docs/async.md)")
    .option("--aws-shared", "let every account's functions use the server's AWS credentials, not only the operator's")
    .option("--no-examples", "do not deploy and invoke the functions of examples/")
    .option("--no-network", "containers reach no network")
    .option(
      "--url-domain <DOMAIN>",
      "what host names of function URLs end with (default: localhost on loopback, else none)",
    )
    .option("--account-concurrency <N>", "executions at a time of an account (1000)")
    .option("--scaling-rate <N|off>", "new containers of a function in 10 s; Lambda's is 1000 (off)")
    .option("--request-rate <N|off>", "calls in a second per execution at a time that may be; Lambda's is 10 (off)")
    .option("--fixed-price <USD>", "what a GiB-hour of fixed capacity costs where no offer says so, for `hearth costs`")
    .option(
      "--s3-endpoint <URL>",
      "a store that speaks S3's protocol, for function code in buckets (default: AWS's own)",
    )
    .option("--allow-deprecated-runtimes", "functions may be of runtimes that AWS makes no new ones of")
    .option(
      "--otlp-endpoint <URL>",
      "an OpenTelemetry collector for traces, such as http://127.0.0.1:4318 (default: none)",
    )
    .option(
      "--metrics-token-file <FILE>",
      "holds the bearer token by which Prometheus reads /metrics (docs/metrics.md; default: none)",
    )
    .option("--log-level <LEVEL>", `${LOG_LEVELS.join(", ")} (default info)`)
    .addHelpText("after", HELP_AFTER)
    .action(async (flags: UpFlags) => {
      const options = upOptionsFrom(flags, context.env);
      try {
        await context.verbs.up(options);
      } catch (error) {
        throw dataDirError(error, options) ?? listenError(error as NodeJS.ErrnoException, options);
      }
    });
}

/** Why a folder cannot be one of data, where that is neither a full disk nor a damaged one. */
function dataDirError(error: unknown, { dataDir }: UpOptions): CliError | undefined {
  if (!(error instanceof HearthError && error.code === "STORE_FAILED")) return undefined;
  const { code, message } = (error.cause ?? {}) as NodeJS.ErrnoException;
  switch (code) {
    case "EACCES":
    case "EPERM":
      return new CliError(`the data folder ${dataDir} is not allowed for this user: ${message}`, {
        code,
        remedy: "choose a folder of yours with --data, or let this user write there",
      });
    case "EEXIST":
    case "ENOTDIR":
      return new CliError(`the data folder ${dataDir} cannot be made, a file is in its place: ${message}`, {
        code,
        remedy: "choose another with --data",
      });
    default:
      return undefined;
  }
}

/** What the operating system says about an address, with the option that changes it. */
function listenError(
  error: NodeJS.ErrnoException & { readonly port?: number; readonly address?: string; readonly hostname?: string },
  options: UpOptions,
): Error {
  const { host, port } = options;
  const { agentHost, agentPort } = options.fleet;
  const failedHost = error.address ?? error.hostname;
  const isForAgents =
    (error.port === agentPort && agentPort !== port) || (failedHost === agentHost && agentHost !== host);
  switch (error.code) {
    case "EADDRINUSE":
      if (isForAgents)
        return new CliError(`port ${agentPort} on ${agentHost}, for joined machines, is in use`, {
          code: error.code,
          remedy: "stop what listens there, which may be another Hearth, or choose another with --agent-port",
        });
      return new CliError(`port ${port} on ${host} is in use`, {
        code: error.code,
        remedy: "stop what listens there (`hearth status` shows whether it is Hearth), or choose another with --port",
      });
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      if (isForAgents)
        return new CliError(`${agentHost}, for joined machines, is no address of this machine`, {
          code: error.code,
          remedy: "choose another with --agent-host: 0.0.0.0 for all its addresses",
        });
      return new CliError(`${host} is no address of this machine`, {
        code: error.code,
        remedy: "choose another with --host: 127.0.0.1 for this machine only, 0.0.0.0 for all its addresses",
      });
    case "EACCES":
      if (isForAgents)
        return new CliError(`port ${agentPort}, for joined machines, is not allowed for this user`, {
          code: error.code,
          remedy: "choose one above 1023 with --agent-port",
        });
      return new CliError(`port ${port} or the data folder is not allowed for this user: ${error.message}`, {
        code: error.code,
        remedy: "choose a port above 1023 with --port, or a folder of yours with --data",
      });
    default:
      return error;
  }
}
