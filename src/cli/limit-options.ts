import { usageError } from "./cli-error.ts";

/** How many executions at a time accounts may have, and how fast functions scale. Absent: the server's own choice. */
export type LimitOptions = {
  readonly accountConcurrencyMax?: number;
  /** New containers of a function in 10 s; Infinity: no bound. */
  readonly scalingContainers?: number;
  /** Calls in a second per execution at a time; Infinity: no bound. */
  readonly requestsPerConcurrency?: number;
};

type Given = { readonly text: string; readonly from: string };

const CONCURRENCY_MAX = 100_000;

/** Each `default` where nothing was said. @throws CliError. */
export function limitsIn(given: {
  readonly concurrency: Given;
  readonly scalingRate: Given;
  readonly requestRate: Given;
}): LimitOptions {
  return {
    ...member("accountConcurrencyMax", concurrencyIn(given.concurrency)),
    ...member("scalingContainers", rateIn(given.scalingRate)),
    ...member("requestsPerConcurrency", rateIn(given.requestRate)),
  };
}

function member<K extends keyof LimitOptions>(name: K, value: number | undefined): LimitOptions {
  return value === undefined ? {} : { [name]: value };
}

function concurrencyIn({ text, from }: Given): number | undefined {
  if (text === "default") return undefined;
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= CONCURRENCY_MAX) return count;
  throw usageError(`${from} ${text} is no number of executions`, `give a number from 1 to ${CONCURRENCY_MAX}`);
}

function rateIn({ text, from }: Given): number | undefined {
  if (text === "default") return undefined;
  if (text === "off") return Number.POSITIVE_INFINITY;
  if (/^\d+$/.test(text) && Number(text) >= 1) return Number(text);
  throw usageError(`${from} ${text} is no rate`, "give a whole number, at least 1, or off");
}
