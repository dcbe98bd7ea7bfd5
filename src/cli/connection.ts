import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CliError, usageError } from "./cli-error.ts";
import type { Credentials } from "./signature.ts";
import { DEFAULT_DATA_DIR, DEFAULT_HOST, DEFAULT_PORT } from "./up-options.ts";

/** Written by the server into its data folder, readable by its user only: a key of the operator's account. */
const ROOT_KEY_FILE = "root-key.json";

const DEFAULT_REGION = "us-east-1";

/** Which server a command talks to, and as whom. */
export type Connection = {
  readonly url: URL;
  /** undefined: requests are not signed, which a server on loopback accepts. */
  readonly credentials: Credentials | undefined;
  readonly region: string;
};

export type Environment = Readonly<Record<string, string | undefined>>;

/** @param server value of `--server`. */
export function connectionFrom(server: string | undefined, env: Environment): Connection {
  const host = env["HEARTH_HOST"] ?? DEFAULT_HOST;
  const address = `http://${host.includes(":") ? `[${host}]` : host}:${env["HEARTH_PORT"] ?? DEFAULT_PORT}`;
  const text = server ?? env["HEARTH_SERVER"] ?? address;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw usageError(`--server ${text} is not an address`, "write it like http://127.0.0.1:9600");
  }
  const region = env["HEARTH_REGION"] ?? DEFAULT_REGION;
  return { url, region, credentials: credentialsFrom(env) };
}

function credentialsFrom(env: Environment): Credentials | undefined {
  const accessKeyId = env["HEARTH_ACCESS_KEY_ID"];
  const secretAccessKey = env["HEARTH_SECRET_ACCESS_KEY"];
  if (accessKeyId !== undefined && secretAccessKey !== undefined) return { accessKeyId, secretAccessKey };
  if (accessKeyId !== undefined || secretAccessKey !== undefined) {
    throw usageError(
      "only one of HEARTH_ACCESS_KEY_ID and HEARTH_SECRET_ACCESS_KEY is set",
      "set both (`hearth account key ACCOUNT` makes a pair) or none",
    );
  }
  return rootKeyIn(env["HEARTH_DATA"] ?? DEFAULT_DATA_DIR);
}

function rootKeyIn(dataDir: string): Credentials | undefined {
  const path = join(dataDir, ROOT_KEY_FILE);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return undefined; // Another user's server, or one elsewhere: an unsigned request may do.
  }
  try {
    const { accessKeyId, secretAccessKey } = JSON.parse(text) as Partial<Credentials>;
    if (typeof accessKeyId === "string" && typeof secretAccessKey === "string") return { accessKeyId, secretAccessKey };
  } catch {
    // Said below.
  }
  throw new CliError(`${path} holds no access key`, { remedy: "restart the server, which writes it again" });
}
