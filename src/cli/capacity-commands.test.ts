import { describe, expect, test } from "vitest";
import {
  explanations,
  ledger,
  serveCapacityRoutes,
  server,
  tenant,
  url,
  waits,
  waitsAsked,
} from "../frontend/admin/capacity-fixture.ts";
import type { ContainerId, FunctionKey, InstanceId, InvocationId, LeaseId, OfferId } from "../model/ids.ts";
import { systemClock } from "../ports/clock.ts";
import { runCommandLine } from "./command-line-fixture.ts";

serveCapacityRoutes();

const run = (args: string[], stdin = "") =>
  runCommandLine(args, { HEARTH_DATA: "/nowhere", HEARTH_SERVER: url }, stdin);

const set = (...flags: string[]) => run(["account", "set", tenant, ...flags]);

async function capacity(): Promise<unknown> {
  return (JSON.parse((await run(["account", "show", tenant, "--json"])).out) as { capacity: unknown }).capacity;
}

describe("account set", () => {
  test("every flag says what it says, replaces its kind and leaves the rest", async () => {
    const { exitCode, out } = await set(
      ...["--class", "variable", "--max-price", "0.03", "--window", "Europe/Berlin mon-fri 22:00-06:00"],
      ...["--max-demand", "0.5", "--min-lifetime", "10m", "--zone", "a,b", "--type", "m7i.large"],
      ...["--provider", "ec2, harvest", "--on-shortage", "fixed:5m"],
    );
    expect(exitCode).toBe(0);
    const lines = out.split("\n").map((line) => line.replace(/ +/g, " "));
    expect(lines.slice(0, -2)).toEqual([
      `account ${tenant}`,
      "class variable",
      "price at most 0.03 USD/h",
      "demand at most 0.5",
      "lifetime at least 10m",
      "provider ec2 or harvest",
      "type m7i.large",
      "zone a or b",
      "window mon-fri 22:00-06:00 Europe/Berlin",
      "on shortage fixed after 5m",
    ]);
    expect(lines.at(-2)).toMatch(
      /^changed \d{4}-\d\d-\d\d .* by unsigned: fixed → variable; price at most 0\.03 USD\/h;/,
    );
    await set("--max-price", "0.05", "--window", "none", "--min-lifetime", "none", "--on-shortage", "wait");
    expect(await capacity()).toEqual({
      class: "variable",
      constraints: [
        { kind: "demand", levelMax: 0.5 },
        { kind: "provider", anyOf: ["ec2", "harvest"] },
        { kind: "instanceType", anyOf: ["m7i.large"] },
        { kind: "zone", anyOf: ["a", "b"] },
        { kind: "price", usdPerHourMax: 0.05 },
      ],
      onShortage: { kind: "wait" },
    });
  });

  test("another class keeps what fits it", async () => {
    await set("--class", "variable", "--max-demand", "0.5", "--on-shortage", "fail:30s");
    await set("--class", "mixed");
    expect(await capacity()).toEqual({ class: "mixed", constraints: [{ kind: "demand", levelMax: 0.5 }] });
    await set("--class", "dedicated", "--dedicated", "2");
    expect(await capacity()).toEqual({ class: "dedicated", dedicatedInstances: 2 });
    await set("--class", "fixed");
    expect(await capacity()).toEqual({ class: "fixed" });
    expect((await run(["account", "show", tenant])).out).toContain("dedicated, 2 instances of its own → fixed");
  });

  test("windows: several, days in every form", async () => {
    await set("--class", "variable", "--window", "UTC 00:00-24:00", "--window", "UTC sat,mon-tue 08:00-20:00");
    expect(await capacity()).toMatchObject({
      constraints: [
        { days: ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], from: "00:00", to: "24:00" },
        { days: ["mon", "tue", "sat"] },
      ],
    });
    expect((await run(["account", "show", tenant])).out).toContain("mon-tue,sat 08:00-20:00 UTC");
    await set("--window", "UTC fri-mon 08:00-20:00");
    expect(await capacity()).toMatchObject({ constraints: [{ days: ["mon", "fri", "sat", "sun"] }] });
  });

  test("a document from a file or a pipe replaces everything, and what is shown is one", async () => {
    await set("--class", "variable", "--max-price", "0.03");
    const shown = JSON.stringify(await capacity());
    await set("--class", "fixed");
    expect((await run(["account", "set", tenant, "--file", "-"], shown)).exitCode).toBe(0);
    expect(JSON.stringify(await capacity())).toBe(shown);
  });

  test("mistakes are told by the flag or the field, with what to write instead; nothing changes", async () => {
    const cases: [flags: string[], says: RegExp, exitCode: number][] = [
      [[], /nothing to set/, 2],
      [["--window", "nights"], /--window "nights" is no window\n.*--window "Europe\/Berlin mon-fri/, 2],
      [["--window", "UTC someday 22:00-06:00"], /someday is no day/, 2],
      [["--window", "UTC mon fri 22:00-06:00"], /is no window/, 2],
      [["--on-shortage", "cry"], /--on-shortage cry is unknown\n.*fixed:5m/, 2],
      [["--file", "/nowhere.json"], /--file \/nowhere\.json: /, 2],
      [["--file", "-", "--class", "fixed"], /--file replaces everything/, 2],
      [["--class", "spot"], /class: "spot" is no class/, 1],
      [["--class", "variable", "--max-price", "cheap"], /constraints\[0\]\.usdPerHourMax: "cheap" is no price/, 1],
      [
        ["--class", "variable", "--window", "Europe/Berln 22:00-06:00"],
        /timeZone: "Europe\/Berln" is no IANA time zone/,
        1,
      ],
      [["--max-price", "1"], /constraints: belong to classes variable and mixed, not to fixed/, 1],
      [["--dedicated", "2"], /dedicatedInstances: belongs to class dedicated/, 1],
      [["--on-shortage", "wait"], /onShortage: belongs to class variable/, 1],
    ];
    for (const [flags, says, exitCode] of cases) {
      const result = await set(...flags);
      expect(result.err, flags.join(" ")).toMatch(says);
      expect(result.exitCode).toBe(exitCode);
    }
    const unknown = await run(["account", "set", "404404404404", "--class", "fixed"]);
    expect(unknown.err).toContain("There is no account 404404404404. (ResourceNotFoundException)");
    expect(await capacity()).toEqual({ class: "fixed" });
  });
});

function addWait(id: string, place: number): void {
  waits.push({
    invocationId: id as InvocationId,
    accountId: tenant,
    functionKey: `${tenant}/report/$LATEST/r` as FunctionKey,
    mode: "asynchronous",
    sinceMs: systemClock.monotonicMs() - 65_000,
    place,
    deadlineMs: systemClock.monotonicMs() + 2 * 3_600_000 + 5000,
    waitsFor: [
      { kind: "price", text: "0.05 USD/h is above 0.03" },
      { kind: "window", text: "mon-fri 22:00-06:00" },
    ],
  });
}

describe("waits", () => {
  test("a table, a part of it, nothing, and JSON", async () => {
    expect(await run(["waits"])).toEqual({ exitCode: 0, out: "", err: "nothing waits\n" });
    addWait("w-1", 1);
    addWait("w-2", 2);
    const { out, err } = await run(["waits", "--limit", "1"]);
    expect(out.split("\n")[1]?.replace(/ +/g, " ").trim()).toBe(
      `1 1 min 2 h asynchronous ${tenant} report w-1 0.05 USD/h is above 0.03; mon-fri 22:00-06:00`,
    );
    expect(err).toBe("and more; --limit shows up to 1000\n");
    expect(JSON.parse((await run(["waits", "--json"])).out)).toMatchObject({ hasMore: false, entries: [{}, {}] });
  });

  test("watching shows them again until the server is gone", async () => {
    const before = waitsAsked;
    const watching = run(["waits", "--watch", "--json"]);
    await expect.poll(() => waitsAsked - before, { timeout: 8000 }).toBeGreaterThanOrEqual(2);
    await server.close(0);
    const { exitCode, out } = await watching;
    expect(exitCode).toBe(1);
    const answers = out.trimEnd().split("\n");
    expect(answers.length).toBeGreaterThanOrEqual(2);
    for (const answer of answers) expect(JSON.parse(answer)).toMatchObject({ entries: [], hasMore: false });
  });

  test("a limit that is none", async () => {
    expect((await run(["waits", "--limit", "many"])).err).toContain('limit: "many" is no count');
  });
});

describe("explain", () => {
  test("an invocation that was cut off, ran again, and waits once more", async () => {
    const id = "r-1" as InvocationId;
    const lease = {
      id: "l-1" as LeaseId,
      invocation: {
        id,
        accountId: tenant,
        functionKey: `${tenant}/report/$LATEST/r` as FunctionKey,
        runtime: "nodejs24.x",
        memoryMiB: 128,
        mode: "asynchronous",
      },
      instanceId: "i-1" as InstanceId,
      containerId: "c-1" as ContainerId,
      start: "cold",
      placement: {
        subPool: "variable",
        offerId: "ec2/a/m7i.large/spot" as OfferId,
        priceUsdPerHour: 0.03,
        why: "a blank container was ready",
        waitedMs: 1200,
        waitedFor: [{ kind: "price", text: "0.05 USD/h is above 0.03" }],
      },
    } as const;
    explanations.begun(lease, Date.now());
    explanations.refused(lease.invocation, "RECLAIMED", Date.now());
    explanations.begun({ ...lease, placement: { ...lease.placement, waitedMs: 0 } }, Date.now());
    explanations.finished(id, { outcome: "functionError", wallMs: 2.25, costUsd: 1.5e-8, fixedUsd: 5e-8 });
    explanations.refused(lease.invocation, "NO_CAPACITY", Date.now());
    addWait("r-1", 3);
    const { out } = await run(["explain", id]);
    const lines = out.split("\n").map((line) => line.replace(/ +/g, " ").trim());
    expect(lines).toEqual([
      "invocation r-1",
      `function report:$LATEST, account ${tenant}, asynchronous`,
      expect.stringMatching(/^attempt 1 .* cold start, cut off at .*, RECLAIMED: The variable instance/),
      "where variable, ec2/a/m7i.large/spot, instance i-1, container c-1",
      "why a blank container was ready",
      "waited 1 s; 0.05 USD/h is above 0.03",
      "cost at 0.03 USD/h",
      expect.stringMatching(/^attempt 2 .* cold start, functionError after 2\.3 ms$/),
      "where variable, ec2/a/m7i.large/spot, instance i-1, container c-1",
      "why a blank container was ready",
      "waited not at all",
      "cost 0.000000015 USD, at 0.03 USD/h; on fixed capacity 0.000000050 USD",
      expect.stringMatching(/^attempt 3 .* refused, NO_CAPACITY: No instance/),
      expect.stringMatching(/^waits since .*, at place 3$/),
      "for 0.05 USD/h is above 0.03",
      "for mon-fri 22:00-06:00",
      "",
    ]);
    expect(JSON.parse((await run(["explain", id, "--json"])).out)).toMatchObject({ functionName: "report" });
  });

  test("one that nobody knows", async () => {
    const { exitCode, err } = await run(["explain", "r-404"]);
    expect(exitCode).toBe(1);
    expect(err).toContain("Nothing is known of an invocation r-404. The latest 20,000 are known");
  });
});

describe("costs", () => {
  test("instances, the functions that ran on them, and the sum", async () => {
    expect((await run(["costs"])).err).toMatch(/^nothing cost anything from /);
    const nowMs = systemClock.monotonicMs();
    const shape = { memoryMiB: 1024, cpuMilli: 1000 };
    const offer = { id: "spot" as OfferId, instanceType: "m", zone: "a", shape, isElastic: false, capacity: undefined };
    const terms = { demandLevel: 0, isAvailable: true, noticeMs: 0, priceUsdPerHour: 0.004 };
    ledger.publish([{ ...offer, ...terms, provider: "ec2", subPool: "variable" }], nowMs);
    const hourAgoMs = nowMs - 3_600_000;
    const on = { subPool: "variable", offerId: offer.id, shape } as const;
    ledger.hold({ id: "i-1" as InstanceId, accountId: tenant, sinceMs: hourAgoMs, ...on }, nowMs);
    ledger.release("i-1" as InstanceId, nowMs);
    const run1 = { accountId: tenant, functionName: "report", memoryMiB: 512, wallMs: 1_800_000 };
    ledger.execute({ ...run1, ...on, priceUsdPerHour: 0.004 }, nowMs);
    const { out, err } = await run(["costs"]);
    expect(out.split("\n").map((line) => line.replace(/ +/g, " ").trim())).toEqual([
      "ACCOUNT FUNCTION POOL CALLS TIME USD ON FIXED",
      `${tenant} (instances) variable 0 1 h 0.004000000 0.0100`,
      `${tenant} report variable 1 30 min 0.001000000 0.002500000`,
      "instances cost 0.004000000 USD, of which executions used 0.001000000 USD; the same on fixed capacity alone: 0.0100 USD, 60 % less",
      "",
    ]);
    expect(err).toBe("fixed capacity costs 0.0100 USD per GiB-hour now\n");
    expect((await run(["costs", "--by-day"])).out).toMatch(/^DAY /);
    expect(JSON.parse((await run(["costs", "--json", "--account", tenant])).out)).toMatchObject({ rows: [{}, {}] });
    expect((await run(["costs", "--from", "yesterday"])).err).toContain('from: "yesterday" is no day');
  });
});
