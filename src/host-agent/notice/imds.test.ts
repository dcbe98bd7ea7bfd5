import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { NoticeSource } from "../notice-source.ts";
import { createImdsNoticeSource } from "./imds.ts";
import { parseInstanceAction } from "./imds-document.ts";
import { ACTION, type MetadataAnswer, MetadataService, REBALANCE } from "./metadata-service-fixture.ts";

const inTime = { timeout: 8_000, interval: 10 };

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

  const actionIn = (leftMs: number, action = "terminate"): MetadataAnswer => ({
    body: JSON.stringify({ action, time: new Date(Date.now() + leftMs).toISOString().replace(/\.\d+Z$/, "Z") }),
  });
  const rebalance: MetadataAnswer = { body: '{"noticeTime": "2026-11-05T08:22:00Z"}' };

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
