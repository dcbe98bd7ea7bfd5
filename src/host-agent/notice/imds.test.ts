import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { NoticeSource } from "../notice-source.ts";
import { createImdsNoticeSource } from "./imds.ts";
import { parseInstanceAction } from "./imds-document.ts";

const ACTION = "/latest/meta-data/spot/instance-action";
const REBALANCE = "/latest/meta-data/events/recommendations/rebalance";
const inTime = { timeout: 8_000, interval: 10 };

type Answer = { readonly status?: number; readonly body?: string; readonly headers?: Record<string, string> };

/** A metadata service of version 2: tokens by PUT, everything else with one, and nothing for whoever lacks it. */
class MetadataService {
  readonly #server: Server;
  readonly #tokens = new Set<string>();
  /** By path; what is not in it is not found. */
  readonly documents = new Map<string, Answer | "hang" | "stall" | "flood">();
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
    if (method === "PUT" && url === "/latest/api/token") {
      if (!this.givesTokens) return void response.writeHead(503).end();
      expect(Number(headers["x-aws-ec2-metadata-token-ttl-seconds"])).toBeGreaterThan(0);
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

describe("notices of EC2's metadata service", () => {
  let service: MetadataService;
  let source: NoticeSource;
  let atRisk: string[];
  let reclaims: { leftMs: number; reason: string }[];
  let warnings: string[];

  beforeEach(async () => {
    service = new MetadataService();
    await service.listen();
    [atRisk, reclaims, warnings] = [[], [], []];
    source = createImdsNoticeSource({
      baseUrl: service.url,
      intervalMs: 20,
      requestMsMax: 500,
      log: { info() {}, warn: (_, text) => warnings.push(text) },
    });
  });

  afterEach(async () => {
    source.stop();
    await service.close();
  });

  const start = () =>
    source.start(
      (reason) => atRisk.push(reason),
      (leftMs, reason) => reclaims.push({ leftMs, reason }),
    );

  /** Has looked so often again. */
  async function looked(times = 3): Promise<void> {
    const [actions, rebalances] = [service.looks(ACTION), service.looks(REBALANCE)];
    await expect.poll(() => service.looks(ACTION), inTime).toBeGreaterThanOrEqual(actions + times);
    await expect.poll(() => service.looks(REBALANCE), inTime).toBeGreaterThanOrEqual(rebalances + times);
  }

  const actionIn = (leftMs: number, action = "terminate"): Answer => ({
    body: JSON.stringify({ action, time: new Date(Date.now() + leftMs).toISOString().replace(/\.\d+Z$/, "Z") }),
  });
  const rebalance: Answer = { body: '{"noticeTime": "2026-11-05T08:22:00Z"}' };

  test("nothing is told while there is nothing", async () => {
    start();
    await looked();
    expect([atRisk, reclaims, warnings]).toEqual([[], [], []]);
    expect(service.tokensGiven).toBeLessThanOrEqual(2);
  });

  test("a rebalance recommendation is told once, then the notice with the time that is left", async () => {
    start();
    service.documents.set(REBALANCE, rebalance);
    await expect.poll(() => atRisk, inTime).toEqual([expect.stringContaining("2026-11-05T08:22:00Z")]);
    service.documents.set(ACTION, actionIn(120_000));
    await expect.poll(() => reclaims, inTime).toHaveLength(1);
    await looked();
    expect(atRisk).toHaveLength(1);
    expect(reclaims).toEqual([{ leftMs: expect.any(Number), reason: "EC2 will terminate the spot instance" }]);
    expect(reclaims[0]!.leftMs).toBeGreaterThan(60_000);
    expect(reclaims[0]!.leftMs).toBeLessThanOrEqual(120_000);
  });

  test("both at once, and a notice that changes, are told", async () => {
    service.documents.set(REBALANCE, rebalance);
    service.documents.set(ACTION, actionIn(100_000, "stop"));
    start();
    await expect.poll(() => [atRisk.length, reclaims.length], inTime).toEqual([1, 1]);
    service.documents.set(ACTION, actionIn(30_000, "terminate"));
    await expect.poll(() => reclaims, inTime).toHaveLength(2);
    expect(reclaims[1]!.leftMs).toBeLessThanOrEqual(30_000);
  });

  test("hibernation begins with its notice", async () => {
    service.documents.set(ACTION, actionIn(120_000, "hibernate"));
    start();
    await expect.poll(() => reclaims, inTime).toMatchObject([{ leftMs: 0 }]);
  });

  test("the service's clock counts, not the machine's: whichever is wrong", async () => {
    // The service lives an hour ago; so does the time that it names.
    const serviceNow = Date.now() - 3_600_000;
    service.documents.set(ACTION, {
      body: JSON.stringify({ action: "terminate", time: new Date(serviceNow + 90_000).toISOString() }),
      headers: { date: new Date(serviceNow).toUTCString() },
    });
    start();
    await expect.poll(() => reclaims, inTime).toHaveLength(1);
    expect(reclaims[0]!.leftMs).toBeGreaterThan(85_000);
    expect(reclaims[0]!.leftMs).toBeLessThanOrEqual(91_000);
  });

  test("an expired token is renewed", async () => {
    start();
    await looked();
    service.expireTokens();
    service.documents.set(ACTION, actionIn(60_000));
    await expect.poll(() => reclaims, inTime).toHaveLength(1);
    expect(warnings).toEqual([]);
  });

  test("a service that gives no token is asked again, complained of once, and heard when it is back", async () => {
    service.givesTokens = false;
    start();
    await expect.poll(() => warnings, inTime).toHaveLength(1);
    service.givesTokens = true;
    service.documents.set(ACTION, actionIn(60_000));
    await expect.poll(() => reclaims, inTime).toHaveLength(1);
    expect(warnings).toHaveLength(1);
  });

  test.each(["hang", "stall", "flood"] as const)(
    "a document that does not end (%s) hides neither the other nor the next",
    async (how) => {
      service.documents.set(REBALANCE, how);
      service.documents.set(ACTION, actionIn(60_000));
      start();
      await expect.poll(() => reclaims, inTime).toHaveLength(1);
      await expect.poll(() => warnings, inTime).toHaveLength(1);
      service.documents.set(REBALANCE, rebalance);
      await expect.poll(() => atRisk, inTime).toHaveLength(1);
    },
  );

  test.each([
    "",
    "<html>",
    "{}",
    "null",
    '{"action":"terminate"}',
    '{"action":"terminate","time":"soon"}',
    '{"action":"explode","time":"2026-11-05T08:22:00Z"}',
  ])("nonsense (%j) is no notice, and a notice after it is heard", async (body) => {
    service.documents.set(ACTION, { body });
    start();
    await expect.poll(() => warnings, inTime).toHaveLength(1);
    expect(reclaims).toEqual([]);
    service.documents.set(ACTION, actionIn(60_000));
    await expect.poll(() => reclaims, inTime).toHaveLength(1);
  });

  test("a redirect is not followed: nobody else gets the token", async () => {
    service.documents.set(ACTION, { status: 302, headers: { location: `${service.url}/elsewhere` } });
    start();
    await expect.poll(() => warnings, inTime).toHaveLength(1);
    expect(service.looks("/elsewhere")).toBe(0);
  });

  test("a service that is not there is no notice", async () => {
    await service.close();
    start();
    await expect.poll(() => warnings, inTime).toHaveLength(1);
    expect([atRisk, reclaims]).toEqual([[], []]);
    service = new MetadataService();
    await service.listen();
  });

  test("after its stop nothing is told and nothing is asked, also of a look that is under way", async () => {
    service.documents.set(ACTION, "hang");
    start();
    await expect.poll(() => service.looks(ACTION), inTime).toBe(1);
    source.stop();
    source.stop();
    service.documents.set(ACTION, actionIn(60_000));
    const other = createImdsNoticeSource({ baseUrl: service.url, intervalMs: 20, log: { info() {}, warn() {} } });
    let others = 0;
    other.start(
      () => {},
      () => others++,
    );
    await expect.poll(() => others, inTime).toBe(1);
    // By then the stopped one would have looked again as well.
    await looked(5);
    other.stop();
    expect([atRisk, reclaims, warnings]).toEqual([[], [], []]);
  });
});

test("whatever the clocks say, a notice leaves between nothing and two minutes", () => {
  fc.assert(
    fc.property(
      fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }),
      fc.integer(),
      (time, nowMs) => {
        const { leftMs } = parseInstanceAction(
          JSON.stringify({ action: "terminate", time: time.toISOString() }),
          nowMs,
        );
        expect(leftMs).toBeGreaterThanOrEqual(0);
        expect(leftMs).toBeLessThanOrEqual(120_000);
      },
    ),
  );
});
