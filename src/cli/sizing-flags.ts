import type { SizingSaid } from "../ports/sizing-change.ts";
import { usageError } from "./cli-error.ts";

/** What `hearth sizing` may be told to set, as text: what the values mean is the server's to judge. */
export type SizingFlags = {
  readonly mode?: string;
  readonly policy?: string;
  readonly sloMs?: string;
  readonly limits?: string;
  readonly cpu?: string;
  readonly min?: string;
  readonly max?: string;
  readonly increment?: string;
  readonly cpuMin?: string;
  readonly cpuMax?: string;
  readonly executions?: string;
  readonly prices?: string;
};

/** Takes back what was said. */
const DEFAULT = "default";

const MEMBER_OF: Readonly<Record<keyof SizingFlags, keyof SizingSaid>> = {
  mode: "mode",
  policy: "policy",
  sloMs: "sloMs",
  limits: "limits",
  cpu: "cpu",
  min: "memoryMiBMin",
  max: "memoryMiBMax",
  increment: "memoryMiBIncrement",
  cpuMin: "cpuMilliMin",
  cpuMax: "cpuMilliMax",
  executions: "executionsMin",
  prices: "prices",
};
const FLAGS = Object.keys(MEMBER_OF) as (keyof SizingFlags)[];
const TEXTS: readonly (keyof SizingFlags)[] = ["mode", "policy", "limits", "cpu"];

/** Whether the flags change anything. */
export function isSizingSet(flags: SizingFlags): boolean {
  return FLAGS.some((flag) => flags[flag] !== undefined);
}

/** What was said, with what the flags change; `default` takes a member back. @throws CliError naming the flag. */
export function sizingChangedBy(flags: SizingFlags, said: SizingSaid): SizingSaid {
  const changed: Record<string, unknown> = { ...said };
  for (const flag of FLAGS) {
    const text = flags[flag];
    if (text === undefined) continue;
    const member = MEMBER_OF[flag];
    if (text === DEFAULT) delete changed[member];
    else changed[member] = settingIn(flag, text);
  }
  // Another policy has no use for the duration that was stated for `slo`, another way to size CPU none for its bounds.
  if (flags.policy !== undefined && flags.policy !== "slo" && flags.sloMs === undefined) delete changed["sloMs"];
  if (flags.cpu === "ratio" && flags.cpuMin === undefined) delete changed["cpuMilliMin"];
  if (flags.cpu === "ratio" && flags.cpuMax === undefined) delete changed["cpuMilliMax"];
  return changed as SizingSaid;
}

function settingIn(flag: keyof SizingFlags, text: string): unknown {
  if (flag === "prices") return pricesIn(text);
  if (TEXTS.includes(flag)) return text;
  // What is no number goes to the server as it is, which says so by the member's name.
  const value = Number(text);
  return text.trim() === "" || Number.isNaN(value) ? text : value;
}

function pricesIn(text: string): object {
  const [vcpuUsdPerHour, gibUsdPerHour, ...more] = text.split(",").map(Number);
  const isPair = vcpuUsdPerHour !== undefined && gibUsdPerHour !== undefined && more.length === 0;
  if (isPair && !Number.isNaN(vcpuUsdPerHour) && !Number.isNaN(gibUsdPerHour)) return { vcpuUsdPerHour, gibUsdPerHour };
  throw usageError(
    `--prices ${text} is no pair of prices`,
    "give USD per vCPU-hour and per GiB-hour, such as 0.0331,0.0037, or default",
  );
}
