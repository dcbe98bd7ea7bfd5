import { CliError } from "./cli-error.ts";
import type { ServerClient } from "./server-client.ts";

const FUNCTIONS = "/2015-03-31/functions";
/** A change of a function is visible within a tenth of a second; this is for a server under load. */
const SETTLE_MS_MAX = 30_000;
const SETTLE_POLL_MS = 50;
/** 50 functions a page; more than this many pages is a server gone wrong. */
const PAGES_MAX = 10_000;

/** What the commands use of Lambda's FunctionConfiguration. */
export type FunctionConfiguration = {
  readonly FunctionName: string;
  readonly FunctionArn: string;
  readonly Runtime: string;
  readonly Handler: string;
  readonly MemorySize: number;
  readonly Timeout: number;
  readonly CodeSize: number;
  readonly CodeSha256: string;
  readonly LastModified: string;
  readonly State: string;
  readonly StateReason?: string;
  readonly LastUpdateStatus?: string;
  readonly LastUpdateStatusReason?: string;
};

/** The changeable part of a function, in Lambda's own names. */
export type FunctionSettings = {
  readonly Runtime?: string;
  readonly Handler?: string;
  readonly Role?: string;
  readonly MemorySize?: number;
  readonly Timeout?: number;
  readonly Environment?: { readonly Variables: Readonly<Record<string, string>> };
  readonly EphemeralStorage?: { readonly Size: number };
};

/** The operations of the Lambda API that the commands need, one method each. */
export class LambdaClient {
  readonly #server: ServerClient;

  constructor(server: ServerClient) {
    this.#server = server;
  }

  /** @returns undefined when there is no such function. */
  async find(name: string): Promise<FunctionConfiguration | undefined> {
    try {
      return await this.#server.json<FunctionConfiguration>({ method: "GET", path: `${at(name)}/configuration` });
    } catch (error) {
      if (error instanceof CliError && error.code === "ResourceNotFoundException") return undefined;
      throw error;
    }
  }

  create(name: string, zip: Buffer, settings: FunctionSettings): Promise<FunctionConfiguration> {
    const body = { FunctionName: name, Code: { ZipFile: zip.toString("base64") }, ...settings };
    return this.#server.json({ method: "POST", path: FUNCTIONS, body });
  }

  updateCode(name: string, zip: Buffer): Promise<FunctionConfiguration> {
    return this.#server.json({ method: "PUT", path: `${at(name)}/code`, body: { ZipFile: zip.toString("base64") } });
  }

  updateSettings(name: string, settings: FunctionSettings): Promise<FunctionConfiguration> {
    return this.#server.json({ method: "PUT", path: `${at(name)}/configuration`, body: settings });
  }

  /** Waits until the last change has taken effect. @throws CliError when it failed or takes too long. */
  async settled(name: string): Promise<FunctionConfiguration> {
    for (let waitedMs = 0; waitedMs <= SETTLE_MS_MAX; waitedMs += SETTLE_POLL_MS) {
      const now = await this.#server.json<FunctionConfiguration>({ method: "GET", path: `${at(name)}/configuration` });
      if (now.State === "Failed" || now.LastUpdateStatus === "Failed") {
        throw new CliError(
          `${name} could not be deployed: ${now.LastUpdateStatusReason ?? now.StateReason ?? "Failed"}`,
        );
      }
      if (now.State !== "Pending" && now.LastUpdateStatus !== "InProgress") return now;
      await new Promise((resolve) => setTimeout(resolve, SETTLE_POLL_MS));
    }
    throw new CliError(`${name} is not active after ${SETTLE_MS_MAX / 1000} s`, { remedy: "see the server's log" });
  }

  async list(): Promise<FunctionConfiguration[]> {
    const functions: FunctionConfiguration[] = [];
    let marker = "";
    for (let page = 0; page < PAGES_MAX; page++) {
      const query = marker === "" ? "" : `?Marker=${encodeURIComponent(marker)}`;
      const answer = await this.#server.json<{ Functions: FunctionConfiguration[]; NextMarker?: string | null }>({
        method: "GET",
        path: `${FUNCTIONS}/${query}`,
      });
      functions.push(...answer.Functions);
      marker = answer.NextMarker ?? "";
      if (marker === "") return functions;
    }
    throw new CliError(`the list of functions does not end after ${PAGES_MAX} pages`);
  }

  remove(name: string): Promise<void> {
    return this.#server.json({ method: "DELETE", path: at(name) });
  }
}

/** @param name or ARN; goes into the path as one segment. */
export function at(name: string): string {
  return `${FUNCTIONS}/${encodeURIComponent(name)}`;
}
