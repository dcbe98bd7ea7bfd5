import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CapacitySettings, DEFAULT_CAPACITY, type IsoWeekday, PROVIDER_KINDS } from "../../model/capacity.ts";
import { parseCapacity } from "./capacity-input.ts";
import { capacityDocumentOf } from "./capacity-output.ts";

const variable = (...constraints: unknown[]) => ({ class: "variable", constraints });
const window = { kind: "window", timeZone: "Europe/Berlin", days: ["mon", "tue"], from: "22:00", to: "06:00" };

function faultOf(json: unknown): string {
  const parsed = parseCapacity(json);
  return parsed.kind === "refused" ? parsed.message : `accepted: ${JSON.stringify(parsed.settings)}`;
}

test("what people write is understood", () => {
  const document = {
    class: "variable",
    constraints: [
      { kind: "price", usdPerHourMax: 0.03 },
      window,
      { kind: "demand", levelMax: 0.5 },
      { kind: "lifetime", atLeast: "10m" },
      { kind: "provider", anyOf: ["ec2", "harvest"] },
      { kind: "instanceType", anyOf: ["m7i.large"] },
      { kind: "zone", anyOf: ["eu-west-1a"] },
    ],
    onShortage: { kind: "fixed", after: 300_000 },
  };
  expect(parseCapacity(document)).toEqual({
    kind: "settings",
    settings: {
      class: "variable",
      dedicatedInstances: 0,
      constraints: [
        { kind: "price", usdPerHourMax: 0.03 },
        { kind: "window", timeZone: "Europe/Berlin", days: [1, 2], fromMinute: 1320, toMinute: 360 },
        { kind: "demand", levelMax: 0.5 },
        { kind: "lifetime", remainingMsMin: 600_000 },
        { kind: "provider", anyOf: ["ec2", "harvest"] },
        { kind: "instanceType", anyOf: ["m7i.large"] },
        { kind: "zone", anyOf: ["eu-west-1a"] },
      ],
      onShortage: { kind: "fixed", afterMs: 300_000 },
    },
  });
  expect(parseCapacity({ class: "fixed" })).toEqual({ kind: "settings", settings: DEFAULT_CAPACITY });
});

describe("a fault is named by its field, with the remedy", () => {
  const cases: [name: string, json: unknown, says: string | RegExp][] = [
    [
      "zone misspelt",
      variable({ kind: "price", usdPerHourMax: 1 }, { ...window, timeZone: "Europe/Berln" }),
      'constraints[1].timeZone: "Europe/Berln" is no IANA time zone; write it like Europe/Berlin, America/New_York or UTC',
    ],
    [
      "zone that is an offset",
      variable({ ...window, timeZone: "+01:00" }),
      /^constraints\[0\]\.timeZone: "\+01:00" is no/,
    ],
    [
      "price below 0",
      variable({ kind: "price", usdPerHourMax: -1 }),
      /^constraints\[0\]\.usdPerHourMax: -1 is negative/,
    ],
    [
      "price without end",
      variable({ kind: "price", usdPerHourMax: Number.POSITIVE_INFINITY }),
      /usdPerHourMax: .* is no price/,
    ],
    ["price not a number", variable({ kind: "price", usdPerHourMax: Number.NaN }), /usdPerHourMax: .* is no price/],
    [
      "price as text",
      variable({ kind: "price", usdPerHourMax: "0.03" }),
      /usdPerHourMax: "0\.03" is no price; give USD/,
    ],
    [
      "price missing",
      variable({ kind: "price" }),
      "constraints[0].usdPerHourMax: missing; give USD per hour, such as 0.03",
    ],
    ["level above 1", variable({ kind: "demand", levelMax: 50 }), /levelMax: 50 is no demand level/],
    [
      "lifetime",
      variable({ kind: "lifetime", atLeast: "ten" }),
      /atLeast: "ten" is no length of time; write it like 30s/,
    ],
    ["lifetime of nothing", variable({ kind: "lifetime", atLeast: 0 }), /atLeast: 0 demands nothing/],
    ["lifetime below 0", variable({ kind: "lifetime", atLeast: -5 }), /atLeast: -5 is no length of time/],
    ["lifetime of ages", variable({ kind: "lifetime", atLeast: "9999d" }), /atLeast: "9999d" is longer than a year/],
    ["no day", variable({ ...window, days: [] }), /^constraints\[0\]\.days: \[\] is empty/],
    [
      "unknown day",
      variable({ ...window, days: ["mon", "funday"] }),
      /days\[1\]: "funday" is no day; days are mon, tue/,
    ],
    ["no time", variable({ ...window, from: "25:00" }), /from: "25:00" is no time of day/],
    ["empty window", variable({ ...window, to: "22:00" }), /^constraints\[0\]\.to: "22:00" is when the window begins/],
    ["begins at the end", variable({ ...window, from: "24:00", to: "06:00" }), /from: "24:00" is the end of the day/],
    [
      "unknown provider",
      variable({ kind: "provider", anyOf: ["gcp"] }),
      /anyOf\[0\]: "gcp" is no provider; providers are process/,
    ],
    ["empty list", variable({ kind: "zone", anyOf: [] }), /anyOf: \[\] is empty/],
    ["hostile name", variable({ kind: "zone", anyOf: ["<script>"] }), /anyOf\[0\]: "<script>" is no name/],
    [
      "unknown kind",
      variable({ kind: "mood" }),
      /^constraints\[0\]\.kind: "mood" is no constraint; kind is one of price/,
    ],
    ["unknown member", { class: "fixed", prise: 1 }, /has no member "prise"/],
    [
      "member of another kind",
      variable({ kind: "price", usdPerHourMax: 1, levelMax: 1 }),
      /constraints\[0\]: .* has no member "levelMax"/,
    ],
    ["unknown class", { class: "spot" }, 'class: "spot" is no class; it is one of fixed, variable, mixed, dedicated'],
    ["no class", {}, /^class: missing; it is one of/],
    ["no document", [], /is no capacity document/],
    ["nothing", null, /^null is no capacity document/],
    ["shortage unknown", { class: "variable", onShortage: "wait" }, /^onShortage: "wait" is nothing to do on shortage/],
    [
      "shortage without time",
      { class: "variable", onShortage: { kind: "fail" } },
      /^onShortage\.after: missing; write it like/,
    ],
    [
      "too many",
      variable(...Array.from({ length: 17 }, () => window)),
      /^constraints: .* has too many constraints; 16/,
    ],
  ];
  test.each(cases)("%s", (_name, json, says) => {
    if (typeof says === "string") expect(faultOf(json)).toBe(says);
    else expect(faultOf(json)).toMatch(says);
  });

  const contradictions: [name: string, json: unknown, says: RegExp][] = [
    [
      "dedicated of fixed",
      { class: "fixed", dedicatedInstances: 2 },
      /^dedicatedInstances: belongs to class dedicated, not to fixed/,
    ],
    ["dedicated without a number", { class: "dedicated" }, /^dedicatedInstances: missing/],
    ["none dedicated", { class: "dedicated", dedicatedInstances: 0 }, /^dedicatedInstances: 0 is no number/],
    ["half dedicated", { class: "dedicated", dedicatedInstances: 1.5 }, /^dedicatedInstances: 1\.5 is no number/],
    [
      "shortage of mixed",
      { class: "mixed", onShortage: { kind: "wait" } },
      /^onShortage: belongs to class variable, not to mixed/,
    ],
    [
      "constraints of fixed",
      { ...variable(window), class: "fixed" },
      /^constraints: belong to classes variable and mixed/,
    ],
    [
      "two prices",
      variable({ kind: "price", usdPerHourMax: 1 }, { kind: "price", usdPerHourMax: 2 }),
      /^constraints\[1\]\.kind: "price" is there already in constraints\[0\]/,
    ],
    [
      "windows that never meet",
      variable(window, { ...window, days: ["sat", "sun"], from: "00:00", to: "24:00" }),
      /^constraints\[1\]: this window never overlaps constraints\[0\]/,
    ],
  ];
  test.each(contradictions)("%s", (_name, json, says) => expect(faultOf(json)).toMatch(says));

  test("several at once, each on its line; the text has a bound", () => {
    const bad = variable({ kind: "price", usdPerHourMax: -1 }, { kind: "demand", levelMax: 2 });
    expect(faultOf(bad).split("\n")).toHaveLength(2);
    const many = variable({ kind: "zone", anyOf: Array.from({ length: 60 }, () => "?".repeat(10_000)) });
    expect(faultOf(many).length).toBeLessThan(2000);
    expect(faultOf(many)).toContain("and 55 more");
  });
});

test("windows may be several where they meet, and a whole day is a window", () => {
  const nights = { ...window, days: undefined };
  expect(faultOf(variable(nights, { ...window, from: "23:00", to: "04:00" }))).toContain("accepted");
  expect(faultOf(variable({ ...window, from: "00:00", to: "24:00" }))).toContain("accepted");
  // Monday's night reaches into Tuesday's morning.
  expect(
    faultOf(variable({ ...window, days: ["mon"] }, { ...window, days: ["tue"], from: "05:00", to: "09:00" })),
  ).toContain("accepted");
});

const zone = fc.constantFrom("Europe/Berlin", "UTC", "Asia/Kolkata");
const durationMs = fc.integer({ min: 1, max: 366 * 86_400_000 });
const names = fc.uniqueArray(fc.constantFrom("a", "b.c", "m7i.large"), { minLength: 1 });
const windowOf = fc
  .record({
    timeZone: zone,
    days: fc.subarray([1, 2, 3, 4, 5, 6, 7] as IsoWeekday[], { minLength: 1 }),
    fromMinute: fc.nat(1439),
    toMinute: fc.nat(1440),
  })
  .filter(({ fromMinute, toMinute }) => fromMinute !== toMinute && !(toMinute === 0 && fromMinute === 0));

const constraints = fc
  .tuple(
    fc.option(
      fc.record({ kind: fc.constant("price" as const), usdPerHourMax: fc.double({ min: 0, max: 100, noNaN: true }) }),
    ),
    fc.option(windowOf.map((each) => ({ kind: "window" as const, ...each }))),
    fc.option(
      fc.record({ kind: fc.constant("demand" as const), levelMax: fc.double({ min: 0, max: 1, noNaN: true }) }),
    ),
    fc.option(durationMs.map((remainingMsMin) => ({ kind: "lifetime" as const, remainingMsMin }))),
    fc.option(
      fc
        .subarray([...PROVIDER_KINDS], { minLength: 1 })
        .map((anyOf) => ({ kind: "provider" as const, anyOf: anyOf as string[] })),
    ),
    fc.option(names.map((anyOf) => ({ kind: "zone" as const, anyOf }))),
    fc.option(names.map((anyOf) => ({ kind: "instanceType" as const, anyOf }))),
  )
  .map((each) => each.filter((constraint) => constraint !== null));

const settings: fc.Arbitrary<CapacitySettings> = fc.oneof(
  fc.constant(DEFAULT_CAPACITY),
  fc.integer({ min: 1, max: 9 }).map((dedicatedInstances) => ({
    ...DEFAULT_CAPACITY,
    class: "dedicated" as const,
    dedicatedInstances,
  })),
  constraints.map((each) => ({ ...DEFAULT_CAPACITY, class: "mixed" as const, constraints: each })),
  fc
    .record({
      constraints,
      onShortage: fc.oneof(
        fc.constant({ kind: "wait" as const }),
        fc.record({ kind: fc.constantFrom("fixed" as const, "fail" as const), afterMs: fc.nat(86_400_000) }),
      ),
    })
    .map((each) => ({ ...DEFAULT_CAPACITY, class: "variable" as const, ...each })),
);

test("what is shown is read back as the same, through JSON", () => {
  fc.assert(
    fc.property(settings, (each) => {
      const shown: unknown = JSON.parse(JSON.stringify(capacityDocumentOf(each)));
      expect(parseCapacity(shown)).toEqual({ kind: "settings", settings: each });
    }),
  );
});

test("whatever is sent is understood or refused with a reason, never a failure", () => {
  const likely = fc.constantFrom("class", "constraints", "kind", "variable", "price", "onShortage", "window", "days");
  const hostile = fc.jsonValue({ stringUnit: "grapheme" });
  const shaped = fc.dictionary(likely, fc.oneof(hostile, likely, fc.array(fc.dictionary(likely, hostile))));
  fc.assert(
    fc.property(fc.oneof(hostile, shaped), (json) => {
      const parsed = parseCapacity(json);
      if (parsed.kind === "refused") expect(parsed.message).not.toBe("");
    }),
  );
});
