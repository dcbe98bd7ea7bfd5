import { isIP } from "node:net";
import { resolve } from "node:path";
import { PROVIDER_KINDS } from "../model/capacity.ts";
import { parseDurationMs } from "../model/duration.ts";
import { usageError } from "./cli-error.ts";
import { type LimitOptions, limitsIn } from "./limit-options.ts";
import { metricsTokenIn } from "./metrics-token.ts";
import { type TracingOptions, tracingIn } from "./tracing-options.ts";

export const DEFAULT_HOST = "127.0.0.1";
export const DEFAULT_PORT = 9600;
export const DEFAULT_DATA_DIR = ".hearth";

export const PROVIDER_CHOICES = ["auto", ...PROVIDER_KINDS] as const;
export const DEFAULT_AGENT_PORT = 9610;
/** pino's levels. */
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

/** Services that functions' outcomes and events travel by; the names that AWS gives them in AWS_ENDPOINT_URL_…. */
const AWS_SERVICES = ["SQS", "SNS", "EVENTBRIDGE", "S3"] as const;

const RETRIES_MAX = 10;
const RETRY_SECONDS_MAX = 21_600;
const BLANKS_MAX = 64;
const PRICE_USD_MAX = 1000;
/** One small instance. */
const MEMORY_MIB_MIN = 256;
const NOTICE_MS_MAX = 3_600_000;

/** How `hearth up` was asked to run, checked. */
export type UpOptions = {
  readonly host: string;
  /** 0: any free port; the `ready` line says which. */
  readonly port: number;
  /** Absolute. */
  readonly dataDir: string;
  readonly fleet: {
    readonly providers: readonly (typeof PROVIDER_CHOICES)[number][];
    /** Absolute. */
    readonly ec2File: string | undefined;
    readonly agentHost: string;
    readonly agentPort: number;
    readonly agentAdvertise: string | undefined;
    readonly sandboxMemoryMiB: number | undefined;
    readonly microvmMemoryMiB: number | undefined;
    readonly harvest: { readonly noticeMs?: number };
  };
  /** Whether the functions under examples/ are deployed and invoked first. */
  readonly examples: boolean;
  /** Whether containers reach the network. */
  readonly network: boolean;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  /** Pauses before the retries of an asynchronous invocation whose function failed; undefined: Lambda's. */
  readonly asyncRetryDelaysMs: readonly number[] | undefined;
  /** What AWS's services are reached by; and whether all accounts may use them with the server's credentials. */
  readonly aws: {
    readonly endpoints: Readonly<Partial<Record<(typeof AWS_SERVICES)[number], string>>>;
    readonly isShared: boolean;
  };
  /** Blank containers of each runtime on an instance; undefined: the server's own choice. */
  readonly blanks: number | undefined;
  /** Of a store that speaks S3's protocol, for function code in buckets; undefined: AWS's own. */
  readonly s3Endpoint: string | undefined;
  /** Whether functions may be of runtimes that AWS makes no new ones of. */
  readonly allowDeprecatedRuntimes: boolean;
  /** What host names of function URLs end with, after a scheme if they are to be shown with it; `none`: they have no names. undefined: the server's own choice. */
  readonly urlDomain: string | undefined;
  /** What a GiB-hour of fixed capacity costs where no fixed offer has a price, for comparisons; undefined: nobody knows. */
  readonly fixedUsdPerGiBHour: number | undefined;
  /** undefined: traces are not recorded. */
  readonly tracing: TracingOptions | undefined;
  /** A secret: whoever sends it sees the metrics without signing. undefined: nobody does. */
  readonly metricsToken: string | undefined;
  readonly limits: LimitOptions;
};

/** As commander gives them: absent when not on the command line. */
export type UpFlags = {
  readonly host?: string;
  readonly port?: string;
  readonly data?: string;
  readonly provider?: string;
  readonly ec2?: string;
  readonly agentHost?: string;
  readonly agentPort?: string;
  readonly agentAdvertise?: string;
  readonly sandboxMemory?: string;
  readonly microvmMemory?: string;
  readonly harvestNotice?: string;
  readonly examples?: boolean;
  readonly network?: boolean;
  readonly logLevel?: string;
  readonly asyncRetrySeconds?: string;
  readonly awsEndpoint?: string;
  readonly awsShared?: boolean;
  readonly blanks?: string;
  readonly fixedPrice?: string;
  readonly accountConcurrency?: string;
  readonly scalingRate?: string;
  readonly requestRate?: string;
  readonly s3Endpoint?: string;
  readonly allowDeprecatedRuntimes?: boolean;
  readonly urlDomain?: string;
  readonly otlpEndpoint?: string;
  readonly metricsTokenFile?: string;
};

/**
 * The command line decides, then the environment (`HEARTH_PORT` …), then the default.
 *
 * @throws CliError naming the option or variable, and what it may be.
 */
export function upOptionsFrom(flags: UpFlags, env: Readonly<Record<string, string | undefined>>): UpOptions {
  const given = (flag: string | undefined, option: string, variable: string, otherwise: string): Given =>
    flag !== undefined ? { text: flag, from: option } : { text: env[variable] || otherwise, from: variable };
  const s3Endpoint = endpointIn(
    given(flags.s3Endpoint, "--s3-endpoint", "HEARTH_S3_ENDPOINT", env["AWS_ENDPOINT_URL_S3"] ?? ""),
  );
  const awsEndpoints = endpointsIn(given(flags.awsEndpoint, "--aws-endpoint", "HEARTH_AWS_ENDPOINT", ""), env);
  return {
    host: hostIn(given(flags.host, "--host", "HEARTH_HOST", DEFAULT_HOST)),
    port: portIn(given(flags.port, "--port", "HEARTH_PORT", String(DEFAULT_PORT))),
    dataDir: resolve(given(flags.data, "--data", "HEARTH_DATA", DEFAULT_DATA_DIR).text),
    fleet: fleetIn(flags, given),
    examples: flags.examples !== false && !isSwitchedOn("HEARTH_NO_EXAMPLES", env),
    network: flags.network !== false && !isSwitchedOn("HEARTH_NO_NETWORK", env),
    logLevel: oneOf(LOG_LEVELS, given(flags.logLevel, "--log-level", "HEARTH_LOG_LEVEL", "info")),
    asyncRetryDelaysMs: delaysIn(
      given(flags.asyncRetrySeconds, "--async-retry-seconds", "HEARTH_ASYNC_RETRY_SECONDS", "default"),
    ),
    aws: {
      // What is said of S3 alone holds for code and for records alike.
      endpoints: { ...awsEndpoints, ...(s3Endpoint === undefined ? {} : { S3: s3Endpoint }) },
      isShared: flags.awsShared === true || isSwitchedOn("HEARTH_AWS_SHARED", env),
    },
    blanks: countIn(given(flags.blanks, "--blanks", "HEARTH_BLANKS", "default")),
    s3Endpoint,
    allowDeprecatedRuntimes:
      flags.allowDeprecatedRuntimes === true || isSwitchedOn("HEARTH_ALLOW_DEPRECATED_RUNTIMES", env),
    urlDomain: domainIn(given(flags.urlDomain, "--url-domain", "HEARTH_URL_DOMAIN", "default")),
    tracing: tracingIn(given(flags.otlpEndpoint, "--otlp-endpoint", "HEARTH_OTLP_ENDPOINT", ""), env),
    metricsToken: metricsTokenIn(
      given(flags.metricsTokenFile, "--metrics-token-file", "HEARTH_METRICS_TOKEN_FILE", ""),
    ),
    fixedUsdPerGiBHour: priceIn(given(flags.fixedPrice, "--fixed-price", "HEARTH_FIXED_PRICE", "unknown")),
    limits: limitsIn({
      concurrency: given(flags.accountConcurrency, "--account-concurrency", "HEARTH_ACCOUNT_CONCURRENCY", "default"),
      scalingRate: given(flags.scalingRate, "--scaling-rate", "HEARTH_SCALING_RATE", "default"),
      requestRate: given(flags.requestRate, "--request-rate", "HEARTH_REQUEST_RATE", "default"),
    }),
  };
}

type Given = { readonly text: string; readonly from: string };
type Giver = (flag: string | undefined, option: string, variable: string, otherwise: string) => Given;

function fleetIn(flags: UpFlags, given: Giver): UpOptions["fleet"] {
  const ec2File = given(flags.ec2, "--ec2", "HEARTH_EC2", "").text;
  const named = providersIn(given(flags.provider, "--provider", "HEARTH_PROVIDER", ec2File === "" ? "auto" : "ec2"));
  const advertise = given(flags.agentAdvertise, "--agent-advertise", "HEARTH_AGENT_ADVERTISE", "");
  return {
    // Settings of EC2 are reason enough to use it.
    providers: ec2File === "" || named.includes("ec2") ? named : [...named, "ec2"],
    ec2File: ec2File === "" ? undefined : resolve(ec2File),
    agentHost: hostIn(given(flags.agentHost, "--agent-host", "HEARTH_AGENT_HOST", "0.0.0.0")),
    agentPort: portIn(given(flags.agentPort, "--agent-port", "HEARTH_AGENT_PORT", String(DEFAULT_AGENT_PORT))),
    agentAdvertise: advertise.text === "" ? undefined : hostIn(advertise),
    sandboxMemoryMiB: memoryIn(given(flags.sandboxMemory, "--sandbox-memory", "HEARTH_SANDBOX_MEMORY", "default")),
    microvmMemoryMiB: memoryIn(given(flags.microvmMemory, "--microvm-memory", "HEARTH_MICROVM_MEMORY", "default")),
    harvest: harvestIn(given(flags.harvestNotice, "--harvest-notice", "HEARTH_HARVEST_NOTICE", "default")),
  };
}

function providersIn({ text, from }: Given): (typeof PROVIDER_CHOICES)[number][] {
  const kinds = text.split(",").map((kind) => oneOf(PROVIDER_CHOICES, { text: kind.trim(), from }));
  const doubled = kinds.find((kind, at) => kinds.indexOf(kind) !== at);
  if (doubled !== undefined) throw usageError(`${from} names ${doubled} twice`, "name each provider once");
  const hasSandbox = kinds.includes("sandbox") || kinds.includes("process");
  if (kinds.includes("auto") && hasSandbox) {
    throw usageError(`${from} ${text}: auto is the sandbox, or processes`, "leave out auto or what it stands for");
  }
  return kinds;
}

function memoryIn({ text, from }: Given): number | undefined {
  if (text === "default") return undefined;
  const memoryMiB = Number(text);
  if (/^\d+$/.test(text) && memoryMiB >= MEMORY_MIB_MIN) return memoryMiB;
  throw usageError(`${from} ${text} is no amount of memory`, `give whole MiB, at least ${MEMORY_MIB_MIN}`);
}

function harvestIn({ text, from }: Given): UpOptions["fleet"]["harvest"] {
  if (text === "default") return {};
  const noticeMs = parseDurationMs(text);
  if (noticeMs !== undefined && noticeMs <= NOTICE_MS_MAX) return { noticeMs };
  throw usageError(`${from} ${text} is no length of time`, "give one such as 30s or 2m, at most 1h");
}

function hostIn({ text, from }: Given): string {
  const isName = /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(text) && !/^[\d.]+$/.test(text);
  if (isIP(text) !== 0 || isName) return text;
  throw usageError(
    `${from} ${text} is neither an IP address nor a host name`,
    "127.0.0.1 serves this machine only, 0.0.0.0 everyone",
  );
}

function portIn({ text, from }: Given): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw usageError(`${from} ${text} is not a port`, "give a number from 1 to 65535, or 0 for any free one");
}

function delaysIn({ text, from }: Given): number[] | undefined {
  if (text === "default") return undefined;
  const seconds =
    text === "none" ? [] : text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  const isValid = seconds.length <= RETRIES_MAX && seconds.every((s) => s >= 0 && s <= RETRY_SECONDS_MAX);
  if (isValid) return seconds.map((s) => s * 1000);
  throw usageError(
    `${from} ${text} is no list of pauses`,
    `give up to ${RETRIES_MAX} numbers of seconds, like 60,120, or none`,
  );
}

/** One for all, and `AWS_ENDPOINT_URL_SQS` and the like for one: what is said of one counts more. */
function endpointsIn(all: Given, env: Readonly<Record<string, string | undefined>>): UpOptions["aws"]["endpoints"] {
  const named = AWS_SERVICES.flatMap((service) => {
    const variable = `AWS_ENDPOINT_URL_${service}`;
    // That of S3 is an option of its own.
    const isGiven = service !== "S3" && env[variable];
    const endpoint = endpointIn(isGiven ? { text: env[variable] ?? "", from: variable } : all);
    return endpoint === undefined ? [] : [[service, endpoint] as const];
  });
  return Object.fromEntries(named);
}

function countIn({ text, from }: Given): number | undefined {
  if (text === "default") return undefined;
  const count = Number(text);
  if (/^\d+$/.test(text) && count <= BLANKS_MAX) return count;
  throw usageError(`${from} ${text} is no number of containers`, `give a number from 0 to ${BLANKS_MAX}`);
}

function endpointIn({ text, from }: Given): string | undefined {
  if (text === "") return undefined;
  if (/^https?:\/\/[^\s/]/.test(text) && URL.canParse(text)) return text;
  throw usageError(`${from} ${text} is no address of a server`, "give one such as http://127.0.0.1:9000");
}

function priceIn({ text, from }: Given): number | undefined {
  if (text === "unknown") return undefined;
  const usd = Number(text);
  if (text.trim() !== "" && usd > 0 && usd <= PRICE_USD_MAX) return usd;
  throw usageError(`${from} ${text} is no price`, "give USD per GiB-hour, such as 0.0125");
}

function domainIn({ text, from }: Given): string | undefined {
  if (text === "default") return undefined;
  if (/^(https?:\/\/)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(text)) return text;
  throw usageError(
    `${from} ${text} is no domain`,
    "give one such as functions.example.com, https://functions.example.com behind a proxy with TLS, or none",
  );
}

function oneOf<const T extends readonly string[]>(choices: T, { text, from }: Given): T[number] {
  if (choices.includes(text)) return text;
  throw usageError(`${from} ${text} is unknown`, `give one of ${choices.join(", ")}`);
}

function isSwitchedOn(variable: string, env: Readonly<Record<string, string | undefined>>): boolean {
  const text = env[variable] ?? "";
  if (["", "0", "false", "no"].includes(text)) return false;
  if (["1", "true", "yes"].includes(text)) return true;
  throw usageError(`${variable} ${text} is neither yes nor no`, "set it to 1 or 0");
}
