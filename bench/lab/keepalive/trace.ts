import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { Random } from "../../../src/simulator/random.ts";

/**
 * Calls of many functions in the order of time. Functions are numbered from 0; call `i` is of function `callFunction[i]`.
 * Times count from the beginning of the trace.
 */
export type Trace = {
  readonly name: string;
  readonly horizonMs: number;
  /** Per function: what kind of thing calls it; "unknown" where the data do not say. */
  readonly triggers: readonly string[];
  /** Per function. */
  readonly memoryMiB: Float64Array;
  readonly callAtMs: Float64Array;
  readonly callFunction: Int32Array;
  readonly callMs: Float64Array;
  /** How the parts were put together, for people. */
  readonly note: string;
};

/** Where in its minute a call comes: anywhere, or all of a minute at equal distances. */
export type Spread = "uniform" | "even";

type Table = { readonly headings: readonly string[]; readonly rows: readonly (readonly string[])[] };
type Durations = { readonly callsPerDay: number; readonly sharesMs: readonly (readonly [share: number, ms: number])[] };
type Profile = { readonly trigger: string; readonly memoryMiB: number; readonly durations: Durations };

const MINUTE_MS = 60_000;
/** What a function without a memory record is taken to use: about the median of the trace's applications. */
const USUAL_MEMORY_MIB = 128;
const USUAL_DURATIONS: Durations = { callsPerDay: 0, sharesMs: [[0.5, 600]] };

/**
 * Reads all samples in `DIR/pool/azure2019_*`: a sample is a folder, or what of a folder begins with the same prefix, with the
 * files invocations, durations and memory (`.csv` or `.csv.gz`). Samples whose functions are all in another one are left out.
 *
 * @param skipped gets a sentence for each part that is not there.
 */
export function readTraces(dataDir: string, spread: Spread, skipped: string[]): Trace[] {
  const poolDir = join(dataDir, "pool");
  const folders = existsSync(poolDir) ? readdirSync(poolDir).filter((name) => name.startsWith("azure2019")) : [];
  const files = folders.flatMap((folder) => filesBelow(join(poolDir, folder)));
  const samples = files
    .filter((file) => /invocations\.csv(\.gz)?$/.test(file))
    .sort()
    .map((file) => readSample(file, poolDir, skipped));
  if (samples.length === 0) skipped.push(`keep-alive: no invocations file in ${basename(dataDir)}/pool/azure2019*`);
  const whole = samples.filter((sample) => {
    const larger = samples.find((other) => other !== sample && isPartOf(sample, other));
    if (larger !== undefined) skipped.push(`${sample.name}: all its functions are also in ${larger.name}`);
    return larger === undefined;
  });
  return whole.map((sample) => traceOf(sample, spread));
}

type Sample = {
  readonly name: string;
  readonly ids: readonly string[];
  readonly counts: readonly Int32Array[];
  readonly profiles: readonly Profile[];
  readonly note: string;
};

function filesBelow(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function isPartOf(sample: Sample, other: Sample): boolean {
  if (sample.ids.length > other.ids.length || (sample.ids.length === other.ids.length && sample.name <= other.name)) {
    return false;
  }
  const ids = new Set(other.ids);
  return sample.ids.every((id) => ids.has(id));
}

function readSample(invocationsFile: string, poolDir: string, skipped: string[]): Sample {
  const table = readCsv(invocationsFile);
  const name = invocationsFile.slice(poolDir.length + 1).replace(/_?\/?invocations\.csv(\.gz)?$/, "");
  const minutes = table.headings.flatMap((heading, column) => (/^\d+(_minute)?$/.test(heading) ? [column] : []));
  const idColumn = table.headings.indexOf("HashFunction");
  const triggerColumn = table.headings.indexOf("Trigger");
  const rows = table.rows.filter((row) => row.length === table.headings.length);
  const ids = rows.map((row) => row[idColumn] ?? "");
  const counts = rows.map((row) => Int32Array.from(minutes, (column) => Number(row[column]) || 0));
  const side = (kind: string) => {
    const file = [".csv.gz", ".csv"]
      .map((end) => invocationsFile.replace(/invocations\.csv(\.gz)?$/, kind + end))
      .find(existsSync);
    if (file === undefined) skipped.push(`${name}: no ${kind} file; every function gets the usual value`);
    return file === undefined ? undefined : readCsv(file);
  };
  const durations = side("durations");
  const memory = side("memory");
  const triggers = rows.map((row) => row[triggerColumn] ?? "unknown");
  // A sample whose calls were counted by trigger was joined with its durations; marginal samples number their rows alike.
  const isJoined = triggerColumn >= 0;
  const durationOf = isJoined ? durationsById(ids, durations) : durationsByRank(counts, durations);
  const memoryOf = memoryById(ids, memory);
  return {
    name,
    ids,
    counts,
    profiles: ids.map((_, i) => ({
      trigger: triggers[i] ?? "unknown",
      memoryMiB: memoryOf[i] ?? USUAL_MEMORY_MIB,
      durations: durationOf[i] ?? USUAL_DURATIONS,
    })),
    note: isJoined
      ? "durations and memory are the function's own"
      : "marginal samples: the function with the n-th most calls gets the durations with the n-th highest count; memory by row",
  };
}

function durationsById(ids: readonly string[], table: Table | undefined): (Durations | undefined)[] {
  const byId = new Map(table === undefined ? [] : durationRows(table).map(({ id, durations }) => [id, durations]));
  return ids.map((id) => byId.get(id));
}

function durationsByRank(counts: readonly Int32Array[], table: Table | undefined): (Durations | undefined)[] {
  if (table === undefined) return [];
  const ranked = durationRows(table)
    .map(({ durations }) => durations)
    .sort((a, b) => b.callsPerDay - a.callsPerDay);
  const totals = counts.map((perMinute, i) => ({ i, total: perMinute.reduce((sum, count) => sum + count, 0) }));
  totals.sort((a, b) => b.total - a.total || a.i - b.i);
  const result: (Durations | undefined)[] = [];
  for (const [rank, { i }] of totals.entries()) {
    result[i] = ranked[Math.floor((rank * ranked.length) / totals.length)];
  }
  return result;
}

function durationRows(table: Table): { id: string; durations: Durations }[] {
  const idColumn = table.headings.indexOf("HashFunction");
  const countColumn = table.headings.indexOf("Count");
  const shares = table.headings.flatMap((heading, column) => {
    const share = /^percentile_Average_(\d+)$/.exec(heading)?.[1];
    return share === undefined ? [] : [{ share: Number(share) / 100, column }];
  });
  return table.rows.map((row) => ({
    id: row[idColumn] ?? "",
    durations: {
      callsPerDay: Number(row[countColumn]) || 0,
      sharesMs: shares.map(({ share, column }) => [share, Math.max(0, Number(row[column]) || 0)] as const),
    },
  }));
}

function memoryById(ids: readonly string[], table: Table | undefined): (number | undefined)[] {
  if (table === undefined) return [];
  const idColumn = Math.max(table.headings.indexOf("HashFunction"), 0) || table.headings.indexOf("HashApp");
  const functionColumn = table.headings.indexOf("HashFunction");
  const valueColumn = table.headings.indexOf("AverageAllocatedMb");
  const byId = new Map(
    table.rows.map((row) => [
      row[functionColumn >= 0 ? functionColumn : idColumn],
      Number(row[valueColumn]) || undefined,
    ]),
  );
  return ids.map((id) => byId.get(id));
}

function readCsv(file: string): Table {
  const bytes = readFileSync(file);
  const text = (file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
  const [headings = [], ...rows] = text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.replace("\r", "").split(","));
  return { headings, rows };
}

/** Each function draws from a generator of its own, so that a row more or less changes no other row's times. */
function traceOf({ name, ids, counts, profiles, note }: Sample, spread: Spread): Trace {
  const total = counts.reduce((sum, perMinute) => sum + perMinute.reduce((a, b) => a + b, 0), 0);
  const keys = new Float64Array(total);
  let filled = 0;
  for (const [fn, perMinute] of counts.entries()) {
    const random = new Random(1).fork(`spread ${ids[fn]}`);
    for (const [minute, count] of perMinute.entries()) {
      for (let i = 0; i < count; i++) {
        const share = spread === "uniform" ? random.next() : (i + 0.5) / count;
        keys[filled++] = Math.floor((minute + share) * MINUTE_MS) * KEY_FUNCTIONS + fn;
      }
    }
  }
  keys.sort();
  const callAtMs = keys.map((key) => Math.floor(key / KEY_FUNCTIONS));
  const callFunction = Int32Array.from(keys, (key) => key % KEY_FUNCTIONS);
  const draws = ids.map((id) => new Random(1).fork(`duration ${id}`));
  const callMs = Float64Array.from(callFunction, (fn) =>
    durationAt(profiles[fn]?.durations ?? USUAL_DURATIONS, draws[fn]?.next() ?? 0),
  );
  return {
    name,
    horizonMs: Math.max(0, ...counts.map(({ length }) => length)) * MINUTE_MS,
    triggers: profiles.map(({ trigger }) => trigger),
    memoryMiB: Float64Array.from(profiles, ({ memoryMiB }) => memoryMiB),
    callAtMs,
    callFunction,
    callMs,
    note,
  };
}

/**
 * The same trace where a call that comes while another of its function runs joins it in the same container, as in a function
 * host of Azure, where the data are from: overlapping calls become one.
 */
export function joinOverlapping(trace: Trace): Trace {
  const { callAtMs, callFunction, callMs } = trace;
  const openCall = new Int32Array(trace.memoryMiB.length).fill(-1);
  const endMs = new Float64Array(callAtMs.length);
  const kept: number[] = [];
  for (let i = 0; i < callAtMs.length; i++) {
    const fn = callFunction[i] as number;
    const untilMs = (callAtMs[i] as number) + (callMs[i] as number);
    const open = openCall[fn] as number;
    if (open >= 0 && (callAtMs[i] as number) < (endMs[open] as number)) {
      endMs[open] = Math.max(endMs[open] as number, untilMs);
    } else {
      openCall[fn] = i;
      endMs[i] = untilMs;
      kept.push(i);
    }
  }
  return {
    ...trace,
    callAtMs: Float64Array.from(kept, (i) => callAtMs[i] as number),
    callFunction: Int32Array.from(kept, (i) => callFunction[i] as number),
    callMs: Float64Array.from(kept, (i) => (endMs[i] as number) - (callAtMs[i] as number)),
  };
}

/** Time and function in one number that sorts: 2^27 ms are 37 h, so 2^21 functions leave room below 2^53. */
const KEY_FUNCTIONS = 2 ** 21;

/** The distribution between two known percentiles is taken as uniform. */
function durationAt({ sharesMs }: Durations, share: number): number {
  let below = sharesMs[0];
  if (below === undefined) return 0;
  for (const above of sharesMs) {
    if (share <= above[0]) {
      const width = above[0] - below[0];
      return width <= 0 ? above[1] : below[1] + ((share - below[0]) / width) * (above[1] - below[1]);
    }
    below = above;
  }
  return below[1];
}
