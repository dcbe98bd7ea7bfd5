import { mkdtempDisposableSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Offer } from "../../src/model/capacity.ts";
import type { CapacityProvider } from "../../src/ports/capacity-provider.ts";
import { systemClock } from "../../src/ports/clock.ts";
import { createEc2Provider } from "../../src/provider/ec2/ec2-provider.ts";
import { Ec2Place, ON_DEMAND_USD } from "./ec2-fixture/ec2-place.ts";
import { priceHistoryXml, type QuotedPrice } from "./ec2-fixture/ec2-proxy.ts";
import { InvitedHosts } from "./ec2-fixture/invited-hosts.ts";
import { needsMoto } from "./moto-server.ts";

const SPOT = "ec2/eu-west-1a/m6i.large/spot";
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const inTime = { timeout: 20_000, interval: 50 };

describe("EC2 offers and prices, with moto as EC2", needsMoto, () => {
  let place: Ec2Place;
  let provider: CapacityProvider | undefined;
  let published: Offer[][] = [];
  let startedAtMs = 0;
  const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + startedAtMs };

  beforeAll(async () => {
    place = await Ec2Place.open();
  });
  afterAll(() => place.close());

  afterEach(async () => {
    place.proxy.fateOf = () => undefined;
    startedAtMs = 0;
    await provider?.close();
    provider = undefined;
  });

  async function open(changes: Record<string, unknown> = {}): Promise<CapacityProvider> {
    using directory = mkdtempDisposableSync(join(tmpdir(), "hearth-ec2-prices-"));
    const settings = place.settings(changes);
    const hosts = new InvitedHosts();
    provider = await createEc2Provider({ settings, dataDir: directory.path, hosts, clock, log: quiet });
    published = [];
    provider.watch({
      onOffers: (offers) => published.push([...offers]),
      onAtRisk() {},
      onReclaim() {},
      onExit() {},
    });
    return provider;
  }

  /** EC2 quotes these from now on, in pages of so many. */
  function quote(prices: readonly QuotedPrice[], pageLength = 1000): void {
    place.proxy.fateOf = ({ action, parameters }) => {
      if (action !== "DescribeSpotPriceHistory") return undefined;
      const from = Number(parameters.get("NextToken") ?? 0);
      const next = from + pageLength;
      const token = next < prices.length ? String(next) : "";
      return { kind: "answer", xml: priceHistoryXml(prices.slice(from, next), token) };
    };
  }

  const offerOf = (id: string) => provider?.offers().find((offer) => offer.id === id);

  test("each type, zone and terms is an offer, with the shape that is left for containers", async () => {
    const offers = (await open()).offers();
    expect(offers.map(({ id }) => id).toSorted()).toEqual(
      ["eu-west-1a", "eu-west-1b"].flatMap((zone) =>
        ["m6i.large", "m7i.large"].flatMap((type) => [`ec2/${zone}/${type}/on-demand`, `ec2/${zone}/${type}/spot`]),
      ),
    );
    expect(offers.find(({ id }) => id === "ec2/eu-west-1a/m7i.large/on-demand")).toMatchObject({
      subPool: "fixed",
      priceUsdPerHour: ON_DEMAND_USD["m7i.large"],
      noticeMs: Number.POSITIVE_INFINITY,
      isAvailable: true,
      isElastic: false,
      shape: { memoryMiB: 6809, cpuMilli: 2000 },
    });
    // moto's market has one price for everything.
    expect(offerOf(SPOT)).toMatchObject({ subPool: "variable", priceUsdPerHour: 0.00001, noticeMs: 120_000 });
  });

  test("the newest price of each pool counts, over all pages and in whatever order", async () => {
    const at = (minute: number) => `2026-05-01T10:0${minute}:00.000Z`;
    quote(
      [
        { type: "m6i.large", zone: "eu-west-1a", usd: "0.0410", at: at(2) },
        { type: "m6i.large", zone: "eu-west-1b", usd: "0.0520", at: at(1) },
        { type: "m6i.large", zone: "eu-west-1a", usd: "0.0990", at: at(1) },
        { type: "m7i.large", zone: "eu-west-1b", usd: "0.0610", at: at(3) },
        { type: "m6i.large", zone: "eu-west-1b", usd: "0.0530", at: at(3) },
      ],
      2,
    );
    await open();
    expect(offerOf(SPOT)).toMatchObject({ priceUsdPerHour: 0.041, isAvailable: true });
    expect(offerOf("ec2/eu-west-1b/m6i.large/spot")).toMatchObject({ priceUsdPerHour: 0.053 });
    expect(offerOf("ec2/eu-west-1b/m7i.large/spot")).toMatchObject({ priceUsdPerHour: 0.061 });
    expect(offerOf("ec2/eu-west-1a/m7i.large/spot"), "EC2 says nothing of it").toMatchObject({ isAvailable: false });
  });

  test("changes are published, each offer that changed once, and nothing while nothing changes", async () => {
    const now = (usd: string, zone = "eu-west-1a"): QuotedPrice => ({
      type: "m6i.large",
      zone,
      usd,
      at: "2026-05-01T10:00:00.000Z",
    });
    quote([now("0.0400"), now("0.0500", "eu-west-1b")]);
    await open();
    const quietLooks = place.proxy.count("DescribeSpotPriceHistory");
    await expect.poll(() => place.proxy.count("DescribeSpotPriceHistory"), inTime).toBeGreaterThan(quietLooks + 2);
    expect(published).toEqual([]);
    quote([now("0.0300"), now("0.0500", "eu-west-1b")]);
    await expect.poll(() => published, inTime).toHaveLength(1);
    expect(published[0]).toMatchObject([{ id: SPOT, priceUsdPerHour: 0.03 }]);
    expect(offerOf(SPOT)).toMatchObject({ priceUsdPerHour: 0.03, demandLevel: expect.closeTo(0.03 / 0.107, 6) });
    // Above on-demand nobody bids.
    quote([now("0.2000"), now("0.0500", "eu-west-1b")]);
    await expect.poll(() => published, inTime).toHaveLength(2);
    expect(published[1]).toMatchObject([{ id: SPOT, priceUsdPerHour: 0.2, demandLevel: 1, isAvailable: false }]);
  });

  test("prices that cannot be read stand for a quarter of an hour, then nobody goes by them; they come back", async () => {
    await open();
    expect(offerOf(SPOT)).toMatchObject({ isAvailable: true });
    place.proxy.fateOf = () => ({ kind: "error", status: 500, code: "InternalError" });
    const before = place.proxy.count("DescribeSpotPriceHistory");
    await expect.poll(() => place.proxy.count("DescribeSpotPriceHistory"), inTime).toBeGreaterThan(before + 1);
    expect(offerOf(SPOT)).toMatchObject({ isAvailable: true, priceUsdPerHour: 0.00001 });
    startedAtMs = 16 * 60_000;
    await expect.poll(() => offerOf(SPOT)?.isAvailable, inTime).toBe(false);
    expect(offerOf("ec2/eu-west-1a/m6i.large/on-demand")?.isAvailable).toBe(true);
    place.proxy.fateOf = () => undefined;
    await expect.poll(() => offerOf(SPOT)?.isAvailable, inTime).toBe(true);
  });

  test("only the terms that are asked for", async () => {
    const offers = (await open({ terms: ["on-demand"] })).offers();
    expect(new Set(offers.map(({ subPool }) => subPool))).toEqual(new Set(["fixed"]));
  });

  describe("settings that do not fit what EC2 has are refused with the field's name", () => {
    test.each([
      [
        "instanceTypes",
        { "m99.huge": { onDemandUsdPerHour: 1 } },
        /instanceTypes\["m99.huge"\]: eu-west-1 has no such/,
      ],
      ["instanceTypes", { "c7g.large": { onDemandUsdPerHour: 1 } }, /instanceTypes\["c7g.large"\]: .* x86_64/],
      ["instanceTypes", { "t3.nano": { onDemandUsdPerHour: 1 } }, /instanceTypes\["t3.nano"\]: .* too little memory/],
      ["imageId", "ami-0123456789abcdef0", /ami-0123456789abcdef0/],
      ["subnets", { "eu-west-1a": "subnet-0123456789abcdef0" }, /subnet-0123456789abcdef0/],
    ])("%s %j", async (field, value, says) => {
      await expect(open({ [field]: value })).rejects.toMatchObject({
        code: "PROVIDER_UNAVAILABLE",
        message: expect.stringMatching(says),
      });
    });

    test("a subnet of another zone", async () => {
      const subnets = place.settings().subnets;
      const swapped = { "eu-west-1a": subnets["eu-west-1b"], "eu-west-1b": subnets["eu-west-1a"] };
      await expect(open({ subnets: swapped })).rejects.toThrow(/subnets\["eu-west-1a"\]: subnet-\w+ is in eu-west-1b/);
    });

    test("an EC2 that does not answer", async () => {
      place.proxy.fateOf = () => ({ kind: "hang" });
      const intervals = { requestMsMax: 200 };
      await expect(open({ intervals })).rejects.toMatchObject({ code: "PROVIDER_UNAVAILABLE" });
    });
  });
});
