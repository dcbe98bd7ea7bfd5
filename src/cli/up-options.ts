import { isIP } from "node:net";
import { resolve } from "node:path";
import type { ProviderKind } from "../model/capacity.ts";
import { usageError } from "./cli-error.ts";

export const DEFAULT_HOST = "127.0.0.1";
export const DEFAULT_PORT = 9600;
export const DEFAULT_DATA_DIR = ".hearth";

export const PROVIDER_CHOICES = ["auto", "process", "sandbox"] as const satisfies readonly (ProviderKind | "auto")[];
/** pino's levels. */
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

const RETRIES_MAX = 10;
const RETRY_SECONDS_MAX = 21_600;
const BLANKS_MAX = 64;

/** How `hearth up` was asked to run, checked. */
export type UpOptions = {
  readonly host: string;
  /** 0: any free port; the `ready` line says which. */
  readonly port: number;
  /** Absolute. */
  readonly dataDir: string;
  readonly provider: (typeof PROVIDER_CHOICES)[number];
  /** Whether the functions under examples/ are deployed and invoked first. */
  readonly examples: boolean;
  /** Whether containers reach the network. */
  readonly network: boolean;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  /** Pauses before the retries of an asynchronous invocation whose function failed; undefined: Lambda's. */
  readonly asyncRetryDelaysMs: readonly number[] | undefined;
  /** Blank containers of each runtime on an instance; undefined: the server's own choice. */
  readonly blanks: number | undefined;
};

/** As commander gives them: absent when not on the command line. */
export type UpFlags = {
  readonly host?: string;
  readonly port?: string;
  readonly data?: string;
  readonly provider?: string;
  readonly examples?: boolean;
  readonly network?: boolean;
  readonly logLevel?: string;
  readonly asyncRetrySeconds?: string;
  readonly blanks?: string;
};

/**
 * The command line decides, then the environment (`HEARTH_PORT` …), then the default.
 *
 * @throws CliError naming the option or variable, and what it may be.
 */
export function upOptionsFrom(flags: UpFlags, env: Readonly<Record<string, string | undefined>>): UpOptions {
  const given = (flag: string | undefined, option: string, variable: string, otherwise: string): Given =>
    flag !== undefined ? { text: flag, from: option } : { text: env[variable] || otherwise, from: variable };
  return {
    host: hostIn(given(flags.host, "--host", "HEARTH_HOST", DEFAULT_HOST)),
    port: portIn(given(flags.port, "--port", "HEARTH_PORT", String(DEFAULT_PORT))),
    dataDir: resolve(given(flags.data, "--data", "HEARTH_DATA", DEFAULT_DATA_DIR).text),
    provider: oneOf(PROVIDER_CHOICES, given(flags.provider, "--provider", "HEARTH_PROVIDER", "auto")),
    examples: flags.examples !== false && !isSwitchedOn("HEARTH_NO_EXAMPLES", env),
    network: flags.network !== false && !isSwitchedOn("HEARTH_NO_NETWORK", env),
    logLevel: oneOf(LOG_LEVELS, given(flags.logLevel, "--log-level", "HEARTH_LOG_LEVEL", "info")),
    asyncRetryDelaysMs: delaysIn(
      given(flags.asyncRetrySeconds, "--async-retry-seconds", "HEARTH_ASYNC_RETRY_SECONDS", "default"),
    ),
    blanks: countIn(given(flags.blanks, "--blanks", "HEARTH_BLANKS", "default")),
  };
}

type Given = { readonly text: string; readonly from: string };

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

function countIn({ text, from }: Given): number | undefined {
  if (text === "default") return undefined;
  const count = Number(text);
  if (/^\d+$/.test(text) && count <= BLANKS_MAX) return count;
  throw usageError(`${from} ${text} is no number of containers`, `give a number from 0 to ${BLANKS_MAX}`);
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
