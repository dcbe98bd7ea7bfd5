import { z } from "zod";
import { type IsoWeekday, PROVIDER_KINDS } from "../../model/capacity.ts";
import { parseDurationMs } from "../../model/duration.ts";
import { isTimeZone, TIME_ZONE_REMEDY } from "../../model/time-zone.ts";
import { DAY_NAMES } from "../../ports/capacity-document.ts";

/** Of one account. */
const CONSTRAINTS_MAX = 16;
/** Names in one list of providers, types or zones. */
const NAMES_MAX = 64;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/;
/** Instances that one account may have for itself before any request. */
const DEDICATED_MAX = 1000;
/** Dearer than any instance that can be rented; a price beyond it is a slip of the pen. */
const PRICE_USD_PER_HOUR_MAX = 100_000;
/** No length of time in the settings is longer. */
const DURATION_MS_MAX = 366 * 86_400_000;

/** Messages read on after the value: "-3" *is no price; give …*. What follows the semicolon is the remedy. */
const price = z
  .number("is no price; give USD per hour, such as 0.03")
  .min(0, "is negative; give USD per hour, 0 or more")
  .max(PRICE_USD_PER_HOUR_MAX, `is beyond any price; give USD per hour, at most ${PRICE_USD_PER_HOUR_MAX}`);

const level = z
  .number("is no demand level; give a number from 0 (idle) to 1 (full)")
  .min(0, "is no demand level; give a number from 0 (idle) to 1 (full)")
  .max(1, "is no demand level; give a number from 0 (idle) to 1 (full)");

const DURATION_REMEDY = "write it like 30s, 5m or 2h, or in milliseconds";
const durationMs = z
  .union([z.number(), z.string()], `is no length of time; ${DURATION_REMEDY}`)
  .transform((value) => (typeof value === "number" ? value : (parseDurationMs(value) ?? Number.NaN)))
  .refine((ms) => Number.isInteger(ms) && ms >= 0, `is no length of time; ${DURATION_REMEDY}`)
  .refine((ms) => !(ms > DURATION_MS_MAX), "is longer than a year; give less");

const minuteOfDay = z
  .string("is no time of day; write it like 22:00")
  .regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, "is no time of day; write it like 22:00, from 00:00 to 24:00")
  .transform((text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3)));

const timeZone = z.string(TIME_ZONE_REMEDY).refine(isTimeZone, TIME_ZONE_REMEDY);

const day = z
  .enum(DAY_NAMES, `is no day; days are ${DAY_NAMES.join(", ")}`)
  .transform((name) => (DAY_NAMES.indexOf(name) + 1) as IsoWeekday);

const days = z
  .array(day, 'is no list of days; write them like ["mon", "tue"], or leave it out for every day')
  .min(1, "is empty, so that the window never opens; name its days, or leave it out for every day")
  .transform((each) => [...new Set(each)].sort());

const names = z
  .array(
    z.string("is no name; write it in quotes").regex(NAME, "is no name; letters, digits and . _ : / - are allowed"),
  )
  .min(1, "is empty, so that nothing fits; name at least one, or leave the constraint out")
  .max(NAMES_MAX, `has too many names; ${NAMES_MAX} are allowed`);

const providers = z
  .array(z.enum(PROVIDER_KINDS, `is no provider; providers are ${PROVIDER_KINDS.join(", ")}`))
  .min(1, "is empty, so that nothing fits; name at least one, or leave the constraint out");

const constraintSchemas = [
  z.strictObject({ kind: z.literal("price"), usdPerHourMax: price }),
  z
    .strictObject({
      kind: z.literal("window"),
      timeZone,
      days: days.optional(),
      from: minuteOfDay.refine((minute) => minute < 1440, "is the end of the day; a window begins at 00:00 to 23:59"),
      to: minuteOfDay,
    })
    .refine(({ from, to }) => from !== to % 1440 || to === 1440, {
      path: ["to"],
      message: 'is when the window begins, so that it is empty; for whole days write "from": "00:00", "to": "24:00"',
    }),
  z.strictObject({ kind: z.literal("demand"), levelMax: level }),
  z.strictObject({
    kind: z.literal("lifetime"),
    atLeast: durationMs.refine((ms) => ms !== 0, "demands nothing; give a length of time above 0, or leave it out"),
  }),
  z.strictObject({ kind: z.literal("provider"), anyOf: providers }),
  z.strictObject({ kind: z.literal("instanceType"), anyOf: names }),
  z.strictObject({ kind: z.literal("zone"), anyOf: names }),
] as const;

const constraint = z.discriminatedUnion(
  "kind",
  constraintSchemas,
  "is no constraint; kind is one of price, window, demand, lifetime, provider, instanceType, zone",
);

const onShortage = z.discriminatedUnion(
  "kind",
  [
    z.strictObject({ kind: z.literal("wait") }),
    z.strictObject({ kind: z.literal("fixed"), after: durationMs }),
    z.strictObject({ kind: z.literal("fail"), after: durationMs }),
  ],
  'is nothing to do on shortage; write {"kind": "wait"}, {"kind": "fixed", "after": "5m"} or {"kind": "fail", "after": "30s"}',
);

/** A `CapacityDocument`, member by member; what they mean together is checked after. */
export const capacitySchema = z.strictObject(
  {
    class: z.enum(
      ["fixed", "variable", "mixed", "dedicated"],
      "is no class; it is one of fixed, variable, mixed, dedicated",
    ),
    dedicatedInstances: z
      .int("is no number of instances; give a whole number")
      .min(1, "is no number of instances; give at least 1")
      .max(DEDICATED_MAX, `is too many; ${DEDICATED_MAX} are allowed`)
      .optional(),
    constraints: z
      .array(constraint, "is no list; write the constraints in [ ]")
      .max(CONSTRAINTS_MAX, `has too many constraints; ${CONSTRAINTS_MAX} are allowed`)
      .optional(),
    onShortage: onShortage.optional(),
  },
  {
    // Of unknown members the reader is told which.
    error: ({ code }) =>
      code === "unrecognized_keys" ? undefined : 'is no capacity document; write it like {"class": "fixed"}',
  },
);

export type ParsedDocument = z.output<typeof capacitySchema>;
export type ParsedConstraint = z.output<typeof constraint>;
