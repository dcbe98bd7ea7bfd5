// biome-ignore-all lint/style/noRestrictedImports: a signed request is made as the command line makes it.
import { describe, expect, test } from "vitest";
import { signedHeaders } from "../../cli/signature.ts";
import { type AccountId, DEFAULT_ACCOUNT_ID } from "../../model/ids.ts";
import { DEFAULT_SIZING } from "../../model/sizing.ts";
import type { SizingAnswer } from "../../ports/sizing-document.ts";
import type { SizingPage } from "../../ports/sizing-view.ts";
import { keys, learn, region, serveSizingRoutes, stranger, tenant, url } from "./sizing-fixture.ts";

serveSizingRoutes();

/** @param as signs as this account; undefined: unsigned, which is the operator on this machine. */
async function send(path: string, as?: AccountId, body?: unknown): Promise<Response> {
  const method = body === undefined ? "GET" : "PUT";
  const bytes =
    body === undefined ? Buffer.alloc(0) : Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
  const key = as === undefined ? undefined : keys.get(as);
  const request = { method, path, host: new URL(url).host, headers: {}, body: bytes } as const;
  const headers = key === undefined ? {} : signedHeaders(request, key, region, Date.now());
  return fetch(url + path, { method, headers, ...(body === undefined ? {} : { body: bytes }) });
}

async function ask<T = Record<string, unknown>>(path: string, as?: AccountId, body?: unknown) {
  const answer = await send(path, as, body);
  return { status: answer.status, body: (await answer.json()) as T };
}

const lean = "/_hearth/sizing/functions/lean";
const own = "/_hearth/sizing/functions/own";

describe("the list", () => {
  test("the operator sees all functions, page by page; an account its own", async () => {
    learn(DEFAULT_ACCOUNT_ID, "lean", 200);
    const { body } = await ask<SizingPage>("/_hearth/sizing");
    expect(body.versions.map(({ functionName }) => functionName)).toEqual(["lean", "new", "own"]);
    expect(body.versions[0]).toMatchObject({ requested: { memoryMiB: 1024 }, evidence: { executions: 200 } });
    expect(body.versions[0]?.effective.memoryMiB).toBeLessThan(150);
    const first = (await ask<SizingPage>("/_hearth/sizing?limit=2")).body;
    const second = (await ask<SizingPage>(`/_hearth/sizing?limit=2&after=${encodeURIComponent(first.next ?? "")}`))
      .body;
    expect([first.versions.length, second.versions.length, second.next]).toEqual([2, 1, undefined]);
    const tenants = (await ask<SizingPage>("/_hearth/sizing", tenant)).body;
    expect(tenants.versions.map(({ functionName }) => functionName)).toEqual(["own"]);
    expect((await ask("/_hearth/sizing?account=000000000000", tenant)).status).toBe(403);
    expect((await ask(`/_hearth/sizing?account=${tenant}`)).body["versions"]).toHaveLength(1);
    expect((await ask("/_hearth/sizing?limit=0")).status).toBe(400);
  });
});

describe("one function", () => {
  test("is told with its settings, their origins, its evidence and its decisions", async () => {
    learn(DEFAULT_ACCOUNT_ID, "lean", 200);
    await ask("/_hearth/sizing/account", undefined, { policy: "cost" });
    const { body } = await ask<SizingAnswer>(lean);
    expect(body).toMatchObject({
      scope: { kind: "function", functionName: "lean" },
      isStopped: false,
      said: {},
      settings: { policy: "cost", mode: "auto" },
      origins: { policy: "account", mode: "default" },
    });
    const [version] = body.versions ?? [];
    expect(version?.decisions[0]).toMatchObject({
      decidedMs: Date.parse("2026-11-21T12:00:00Z"),
      condition: "tooMuch",
      from: { memoryMiB: 1024 },
    });
    expect(version?.evidence.peaks?.maxMiB).toBe(91);
    expect((await ask("/_hearth/sizing/functions/none")).body["message"]).toBe(
      "There is no function none in account 000000000000.",
    );
  });

  test("has a chart, also before it ran", async () => {
    for (const executions of [0, 1, 300]) {
      learn(DEFAULT_ACCOUNT_ID, "lean", executions);
      const answer = await send(`${lean}/chart.svg`);
      expect(answer.headers.get("content-type")).toBe("image/svg+xml");
      const svg = await answer.text();
      expect(svg).toContain("requested: 1024 MiB");
      expect(svg).not.toMatch(/NaN|Infinity/);
      expect(svg.includes("2026-11-21T12:00:00.000Z proven:")).toBe(executions === 300);
    }
    const missing = await ask(`${lean}/chart.svg?version=7`);
    expect([missing.status, missing.body["message"]]).toEqual([404, "Nothing is known of version 7. Known: $LATEST."]);
  });
});

describe("settings", () => {
  test("are set by their account and by the operator, and by nobody else; changes are kept with who made them", async () => {
    const set = await ask<SizingAnswer>(own, tenant, { mode: "suggest", memoryMiBMin: 64 });
    expect(set.body).toMatchObject({ said: { mode: "suggest", memoryMiBMin: 64 }, origins: { mode: "function" } });
    expect((await ask(own, stranger)).status).toBe(404); // Its own function of that name: there is none.
    expect((await ask(`${own}?account=${tenant}`, stranger, { mode: "off" })).status).toBe(403);
    expect((await ask(`${own}?account=${tenant}`, undefined, {})).status).toBe(200);
    const { body } = await ask<SizingAnswer>(own, tenant);
    expect(body.settings).toEqual(JSON.parse(JSON.stringify(DEFAULT_SIZING)));
    expect(body.changes).toMatchObject([
      { changedBy: "unsigned", before: { mode: "suggest" }, after: {} },
      { changedBy: keys.get(tenant)?.accessKeyId, before: {}, after: { mode: "suggest", memoryMiBMin: 64 } },
    ]);
    expect((await ask("/_hearth/sizing/account?account=404404404404")).status).toBe(404);
  });

  test("what is wrong is refused by its field, with the remedy; nothing changes", async () => {
    const cases: [unknown, RegExp][] = [
      [{ mode: "fast" }, /^mode: "fast" is no mode; it is one of auto, suggest, off$/],
      [{ policy: 3 }, /^policy: 3 is no policy; it is one of cost, balanced, speed, slo$/],
      [{ limits: "tight" }, /^limits: "tight" is no kind of limits; it is one of soft, hard$/],
      [{ sloMs: 0 }, /^sloMs: 0 is no duration; give milliseconds above 0$/],
      [{ sloMs: 500, policy: "cost" }, /^sloMs: belongs to policy slo, not to cost; leave it out or say policy slo$/],
      [{ memoryMiBMin: 1.5 }, /^memoryMiBMin: 1.5 is no amount of MiB; give a whole number from 16 to 20480$/],
      [
        { memoryMiBMin: 512, memoryMiBMax: 256 },
        /^memoryMiBMin: the smallest size, 512 MiB, is above the largest, 256/,
      ],
      [{ memoryMiBMax: 20 }, /^memoryMiBMax: the smallest size, 32 MiB, is above the largest, 20/],
      [{ cpuMilliMin: 100 }, /^cpuMilliMin: has no effect while CPU follows memory; leave it out or say cpu apart$/],
      [
        { cpu: "apart", cpuMilliMin: 900, cpuMilliMax: 100 },
        /^cpuMilliMin: the least CPU, 900, is above the most, 100/,
      ],
      [{ executionsMin: 1 }, /^executionsMin: 1 is no number of executions; give a whole number from 5 to 100000$/],
      [{ prices: { vcpuUsdPerHour: -1 } }, /^prices.vcpuUsdPerHour: -1 is no price; give USD per hour above 0$/m],
      [{ prices: 3 }, /^prices: 3 is no pair of prices; write it like/],
      [{ memory: 512 }, /has no member "memory"; docs\/sizing.md lists the members$/],
      [[], /is no sizing document; write it like \{"mode": "auto", "policy": "cost"\}$/],
      ["{", /^The body is not JSON/],
    ];
    for (const [document, says] of cases) {
      const { status, body } = await ask(lean, undefined, document);
      expect([status, body["message"]], JSON.stringify(document)).toEqual([400, expect.stringMatching(says)]);
    }
    expect((await ask<SizingAnswer>(lean)).body.changes).toEqual([]);
  });

  test("the operator stops everything and lets it go on; nobody else does", async () => {
    expect((await ask("/_hearth/sizing/stop", tenant, { isStopped: true })).status).toBe(403);
    expect((await ask("/_hearth/sizing/stop", undefined, { isStopped: "yes" })).status).toBe(400);
    expect((await ask("/_hearth/sizing/stop", undefined, { isStopped: true })).body).toEqual({ isStopped: true });
    expect((await ask<SizingAnswer>(lean)).body).toMatchObject({
      isStopped: true,
      settings: { mode: "off" },
      origins: { mode: "stopped" },
    });
    expect((await ask("/_hearth/sizing/stop", undefined, { isStopped: false })).body).toEqual({ isStopped: false });
  });
});
