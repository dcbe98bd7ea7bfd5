import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export const ACTION = "/latest/meta-data/spot/instance-action";
export const REBALANCE = "/latest/meta-data/events/recommendations/rebalance";
const TOKEN = "/latest/api/token";

export type MetadataAnswer = {
  readonly status?: number;
  readonly body?: string;
  readonly headers?: Record<string, string>;
};

/**
 * A metadata service of version 2: tokens by PUT, everything else with one, and nothing for whoever lacks it. Several
 * machines may have theirs in one, each below a path of its own.
 */
export class MetadataService {
  readonly #server: Server;
  readonly #tokens = new Set<string>();
  /** By path; what is not in it is not found. */
  readonly documents = new Map<string, MetadataAnswer | "hang" | "stall" | "flood">();
  readonly asked: string[] = [];
  tokensGiven = 0;
  givesTokens = true;

  constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  expireTokens(): void {
    this.#tokens.clear();
  }

  looks(path: string): number {
    return this.asked.filter((each) => each === path).length;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer({ method, url = "", headers }: IncomingMessage, response: ServerResponse): void {
    if (method === "PUT" && url.endsWith(TOKEN)) {
      if (!this.givesTokens) return void response.writeHead(503).end();
      const ttlS = Number(headers["x-aws-ec2-metadata-token-ttl-seconds"]);
      if (!(ttlS >= 1 && ttlS <= 21_600)) return void response.writeHead(400).end();
      const token = `token-${++this.tokensGiven}==`;
      this.#tokens.add(token);
      return void response.end(token);
    }
    this.asked.push(url);
    if (!this.#tokens.has(String(headers["x-aws-ec2-metadata-token"]))) return void response.writeHead(401).end();
    const answer = this.documents.get(url);
    if (answer === "hang") return;
    if (answer === "stall") return void response.writeHead(200).write('{"action":');
    if (answer === "flood") {
      const pour = () => {
        while (!response.destroyed && response.write("x".repeat(65_536)));
      };
      response.on("drain", pour);
      return pour();
    }
    if (answer === undefined) return void response.writeHead(404).end();
    response.writeHead(answer.status ?? 200, answer.headers).end(answer.body);
  }
}
