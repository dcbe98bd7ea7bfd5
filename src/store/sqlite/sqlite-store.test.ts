import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { describeStore, queuedEvent } from "../../ports/contract/store-contract.ts";
import type { Store } from "../../ports/store.ts";
import { DATABASE_FILE, openSqliteStore } from "./sqlite-store.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "hearth-store-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describeStore(
  "sqlite",
  () => openSqliteStore(dir),
  async (store) => {
    await store.close();
    return openSqliteStore(dir);
  },
);

const codeOf = (error: unknown) => (error as { code?: string }).code;

test("a second server on the same data is refused, and let in when the first is gone", async () => {
  const first = await openSqliteStore(dir);
  await expect(openSqliteStore(dir)).rejects.toSatisfy((error) => codeOf(error) === "DATA_IN_USE");
  await first.close();
  await (await openSqliteStore(dir)).close();
});

test("data of a newer version is refused, naming both versions", async () => {
  await (await openSqliteStore(dir)).close();
  const database = new DatabaseSync(join(dir, DATABASE_FILE));
  database.exec("PRAGMA user_version = 1234");
  database.close();
  await expect(openSqliteStore(dir)).rejects.toThrow(/its schema is 1234, this version knows up to \d+/);
  await expect(openSqliteStore(dir)).rejects.toSatisfy((error) => codeOf(error) === "STORE_NEWER");
});

test("data of an earlier version is brought up to date, with its events", async () => {
  const store = await openSqliteStore(dir);
  const event = queuedEvent();
  await store.events.append(event);
  await store.close();
  const database = new DatabaseSync(join(dir, DATABASE_FILE));
  database.exec(`ALTER TABLE event DROP COLUMN deadline_ms;
    ALTER TABLE event DROP COLUMN trace_state; ALTER TABLE event DROP COLUMN triggered_by;
    ALTER TABLE event DROP COLUMN outcome; ALTER TABLE event DROP COLUMN response;
    ALTER TABLE event DROP COLUMN deliveries; DROP TABLE event_invoke_config; DROP TABLE schedule; DROP TABLE cost; DROP TABLE capacity_change;
    DROP TABLE IF EXISTS host; DROP TABLE IF EXISTS join_token;
    DROP TABLE IF EXISTS sizing_change; DROP TABLE IF EXISTS size; DROP TABLE record;
    DROP TABLE IF EXISTS function_version; DROP TABLE IF EXISTS function_alias; PRAGMA user_version = 1`);
  database.close();
  const again = await openSqliteStore(dir);
  expect(await again.events.load()).toEqual([{ ...event, trigger: undefined }]);
  expect(await again.loadCapacities()).toEqual([]);
  expect(await again.sizing.loadSizes()).toEqual([]);
  await again.close();
});

test("a file that is no database is refused", async () => {
  writeFileSync(join(dir, DATABASE_FILE), "x".repeat(10_000));
  await expect(openSqliteStore(dir)).rejects.toSatisfy((error) => codeOf(error) === "STORE_FAILED");
});

test("only its owner can read the database: it holds secrets", async () => {
  const store = await openSqliteStore(dir);
  await store.putMeta("a", "b");
  expect(statSync(join(dir, DATABASE_FILE)).mode & 0o777).toBe(0o600);
  expect(statSync(join(dir, `${DATABASE_FILE}-wal`)).mode & 0o777).toBe(0o600);
  await store.close();
});

test("what was asked for before close is kept, what comes after is refused", async () => {
  const store = await openSqliteStore(dir);
  const events = Array.from({ length: 500 }, queuedEvent);
  const appended = Promise.all(events.map((event) => store.events.append(event)));
  await store.close();
  await appended;
  await expect(store.putMeta("late", "x")).rejects.toSatisfy((error) => codeOf(error) === "STORE_FAILED");
  const again = await openSqliteStore(dir);
  expect(await again.events.load()).toHaveLength(500);
  await again.close();
});

const APPENDER = fileURLToPath(new URL("./test-appender.ts", import.meta.url));
const KILLS = 12;

test("every acknowledged event survives kill -9 in the middle of appends", { timeout: 60_000 }, async () => {
  const acknowledged = new Set<string>();
  for (let kill = 0; kill < KILLS; kill++) {
    const child = spawn(process.execPath, [APPENDER, dir], { stdio: ["ignore", "pipe", "inherit"] });
    await readUntilKilled(child, acknowledged, 50 + kill * 37);
  }
  const store = await openSqliteStore(dir);
  const found = new Set((await store.events.load()).map(({ id }) => id as string));
  expect([...acknowledged].filter((id) => !found.has(id))).toEqual([]);
  expect(acknowledged.size).toBeGreaterThan(KILLS * 50);
  await store.close();
});

async function readUntilKilled(child: ChildProcess, acknowledged: Set<string>, count: number): Promise<void> {
  const exited = once(child, "exit");
  let left = count;
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    acknowledged.add(line);
    left--;
    if (left === 0) child.kill("SIGKILL");
  }
  await exited;
}

const canMount = process.platform === "linux" && process.getuid?.() === 0 && tryMount();

function tryMount(): boolean {
  const probe = mkdtempSync(join(tmpdir(), "hearth-mount-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", probe], { stdio: "ignore" });
    execFileSync("umount", [probe]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
}

describe.skipIf(!canMount)("on a full disk (needs root, to mount a small one)", () => {
  let store: Store;
  beforeEach(async () => {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", dir]);
    store = await openSqliteStore(dir);
  });
  afterEach(async () => {
    await store.close();
    execFileSync("umount", ["-l", dir]);
  });

  test("a change is refused whole, and the store recovers when there is room", async () => {
    const kept: string[] = [];
    const big = () => ({ ...queuedEvent(), payload: Buffer.alloc(20_000, 7) });
    for (let room = true; room; ) {
      const event = big();
      await store.events.append(event).then(
        () => void kept.push(event.id),
        (error: unknown) => {
          expect(codeOf(error)).toBe("STORE_FAILED");
          room = false;
        },
      );
    }
    expect((await store.events.load()).map(({ id }) => id)).toEqual(kept);
    execFileSync("mount", ["-o", "remount,size=8m", dir]);
    const event = big();
    await store.events.append(event);
    await store.close();
    store = await openSqliteStore(dir);
    expect((await store.events.load()).map(({ id }) => id)).toEqual([...kept, event.id]);
  });
});
