import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { quantile } from "../quantile.ts";
import type { LoadOrder, LoadResult } from "./load-order.ts";

const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
/** A call that is not answered by then counts as failed. */
const TIMEOUT_S = 30;

/**
 * wrk's own latencies hold made-up samples behind every slow answer (its correction for calls that an
 * open-loop caller would have made meanwhile). One caller's true latencies are taken here instead, by
 * the monotonic clock, from before a request is written until its answer is parsed.
 */
const TRUE_LATENCIES = `
local ffi = require("ffi")
ffi.cdef [[ typedef struct { long s; long ns; } timespec; int clock_gettime(int, timespec *); ]]
local now, thread = ffi.new("timespec"), nil
local function nowUs()
  ffi.C.clock_gettime(1, now)
  return tonumber(now.s) * 1e6 + tonumber(now.ns) / 1e3
end
function setup(t) thread = t end
function init()
  message, latenciesUs, count = wrk.format(), {}, 0
end
function request()
  beganUs = nowUs()
  return message
end
function response()
  count = count + 1
  latenciesUs[count] = nowUs() - beganUs
end
local function latencies() return table.concat(thread:get("latenciesUs"), " ") end
`;

/** With many callers a script per answer would load the generator; wrk's corrected latencies have to do. */
const WRK_LATENCIES = `
local function latencies() return "" end
`;

const REPORT = `
function done(summary, latency)
  local e = summary.errors
  local errors = e.connect + e.read + e.write + e.status + e.timeout
  local p50, p99 = latency:percentile(50), latency:percentile(99)
  io.write(string.format("RESULT %d %d %d %d %d %d\\n", summary.requests, summary.duration, errors, p50, p99, latency.max))
  io.write("LATENCIES " .. latencies() .. "\\n")
end
`;

/** @returns the program, if it is installed. */
export function findWrk(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.map((folder) => join(folder, "wrk")).find((path) => existsSync(path));
}

export async function runWrk(program: string, order: LoadOrder): Promise<LoadResult> {
  const directory = mkdtempSync(join(tmpdir(), "hearth-wrk-"));
  const script = join(directory, "load.lua");
  writeFileSync(script, requestOf(order) + (order.callers === 1 ? TRUE_LATENCIES : WRK_LATENCIES) + REPORT);
  try {
    const args = ["-t1", `-c${order.callers}`, `-d${order.seconds}s`, `--timeout=${TIMEOUT_S}s`, "-s", script];
    const { stdout } = await promisify(execFile)(program, [...args, order.side.url.href], {
      maxBuffer: OUTPUT_BYTES_MAX,
    });
    return parse(stdout);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function requestOf({ side, body }: LoadOrder): string {
  const headers = Object.entries({ "content-type": "application/json", ...side.headers() });
  const lines = headers.map(([name, value]) => `wrk.headers[${quoted(name)}] = ${quoted(value)}\n`);
  return `wrk.method = "POST"\nwrk.body = ${quoted(body.toString())}\n${lines.join("")}`;
}

function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n")}"`;
}

function parse(output: string): LoadResult {
  const numbersAfter = (word: string) =>
    (new RegExp(`^${word} (.*)$`, "m").exec(output)?.[1] ?? "").split(" ").filter(Boolean).map(Number);
  const [requests = 0, durationUs = Number.NaN, errors = 0, p50 = 0, p99 = 0, max = 0] = numbersAfter("RESULT");
  if (requests === 0) throw new Error(`wrk got no answer: ${output}`);
  const latenciesUs = numbersAfter("LATENCIES");
  const isTrue = latenciesUs.length > 0;
  return {
    requests,
    requestsPerSecond: (requests * 1_000_000) / durationUs,
    errors,
    p50Us: isTrue ? quantile(latenciesUs, 0.5) : p50,
    p99Us: isTrue ? quantile(latenciesUs, 0.99) : p99,
    maxUs: isTrue ? quantile(latenciesUs, 1) : max,
  };
}
