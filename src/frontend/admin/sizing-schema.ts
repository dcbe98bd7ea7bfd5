import { z } from "zod";
import { SIZING_LIMITS, SIZING_MODES, SIZING_POLICIES } from "../../model/sizing.ts";
import { oneOf, whole } from "./member-schema.ts";

/** Twice Lambda's largest size: a function may grow to twice what it requested. */
const MEMORY_MIB_MAX = 20_480;
/** Less than a runtime needs to start. */
const MEMORY_MIB_MIN = 16;
const CPU_MILLI_MIN = 10;
const CPU_MILLI_MAX = 64_000;
/** Lambda's longest timeout. */
const DURATION_MS_MAX = 900_000;
const EXECUTIONS_MIN = 5;
const EXECUTIONS_MAX = 100_000;
const PRICE_USD_MAX = 1000;

const price = z
  .number("is no price; give USD per hour, such as 0.0331")
  .gt(0, "is no price; give USD per hour above 0")
  .max(PRICE_USD_MAX, `is beyond any price; give USD per hour, at most ${PRICE_USD_MAX}`);

/** What a function or an account says of sizes, member by member; what they mean together is checked after. */
export const sizingSchema = z.strictObject(
  {
    mode: oneOf(SIZING_MODES, "mode").optional(),
    policy: oneOf(SIZING_POLICIES, "policy").optional(),
    sloMs: z
      .number(`is no duration; give milliseconds, at most ${DURATION_MS_MAX}`)
      .gt(0, "is no duration; give milliseconds above 0")
      .max(DURATION_MS_MAX, `is longer than any execution; give milliseconds, at most ${DURATION_MS_MAX}`)
      .optional(),
    limits: oneOf(SIZING_LIMITS, "kind of limits").optional(),
    cpu: oneOf(["ratio", "apart"], "way to size CPU").optional(),
    memoryMiBMin: whole("amount of MiB", MEMORY_MIB_MIN, MEMORY_MIB_MAX).optional(),
    memoryMiBMax: whole("amount of MiB", MEMORY_MIB_MIN, MEMORY_MIB_MAX).optional(),
    memoryMiBIncrement: whole("increment in MiB", 1, 1024).optional(),
    cpuMilliMin: whole("amount of CPU in thousandths of a vCPU", CPU_MILLI_MIN, CPU_MILLI_MAX).optional(),
    cpuMilliMax: whole("amount of CPU in thousandths of a vCPU", CPU_MILLI_MIN, CPU_MILLI_MAX).optional(),
    executionsMin: whole("number of executions", EXECUTIONS_MIN, EXECUTIONS_MAX).optional(),
    prices: z
      .strictObject(
        { vcpuUsdPerHour: price, gibUsdPerHour: price },
        {
          error: ({ code }) =>
            code === "unrecognized_keys"
              ? undefined
              : 'is no pair of prices; write it like {"vcpuUsdPerHour": 0.0331, "gibUsdPerHour": 0.0037}',
        },
      )
      .optional(),
  },
  {
    // Of unknown members the reader is told which.
    error: ({ code }) =>
      code === "unrecognized_keys"
        ? undefined
        : 'is no sizing document; write it like {"mode": "auto", "policy": "cost"}',
  },
);
