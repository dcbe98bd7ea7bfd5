import {
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AccountId } from "../../model/ids.ts";
import type { LogEvent } from "../../ports/log-store.ts";
import { logMessage } from "../../protocol/log-message.ts";
import { logFileName } from "./log-file.ts";
import { FilesLogStore } from "./log-store.ts";

const alice = "000000000001" as AccountId;
const bob = "000000000002" as AccountId;
const STREAM = "2026/11/30/[$LATEST]0123456789abcdef0123456789abcdef";
const MEBIBYTE = 1024 * 1024;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "hearth-log-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe("FilesLogStore", () => {
  test("keeps what each function wrote, in order, apart by account", async () => {
    const store = new FilesLogStore({ dir });
    store.append(alice, "f", STREAM, "one\n");
    store.append(bob, "f", STREAM, "bob's\n");
    store.append(alice, "f", STREAM, Buffer.from("two\n"));
    expect(String(await store.tail(alice, "f", MEBIBYTE))).toBe("one\ntwo\n");
    expect(String(await store.tail(bob, "f", MEBIBYTE))).toBe("bob's\n");
    await store.close();
  });

  test("a later store reads what an earlier one closed", async () => {
    const store = new FilesLogStore({ dir });
    store.append(alice, "f", STREAM, "kept\n");
    await store.close();
    expect(String(await new FilesLogStore({ dir }).tail(alice, "f", MEBIBYTE))).toBe("kept\n");
  });

  test("an unknown function has an empty log", async () => {
    expect(await new FilesLogStore({ dir }).tail(alice, "nobody", 10)).toHaveLength(0);
  });

  test("the tail begins at a line's beginning", async () => {
    const store = new FilesLogStore({ dir });
    store.append(alice, "f", STREAM, "first\nsecond\nthird\n");
    expect(String(await store.tail(alice, "f", 13))).toBe("second\nthird\n");
    expect(String(await store.tail(alice, "f", 12))).toBe("third\n");
    expect(String(await store.tail(alice, "f", 3))).toBe("");
    await store.close();
  });

  // A FileHandle that nobody closes ends the process when it is collected.
  test.skipIf(process.platform !== "linux")("a log of which one file cannot be opened leaves none open", async () => {
    const store = new FilesLogStore({ dir });
    const path = join(dir, alice, logFileName("f"));
    store.append(alice, "f", STREAM, "one\n");
    await store.close();
    renameSync(`${path}.log`, `${path}.1.log`);
    symlinkSync(`${path}.log`, `${path}.log`);
    await expect(store.read(alice, "f", 0, () => true)).rejects.toThrow("ELOOP");
    expect(openPaths().filter((each) => each.startsWith(dir))).toEqual([]);
  });

  test("following begins where a tail in the same turn ends", async () => {
    const store = new FilesLogStore({ dir });
    store.append(alice, "f", STREAM, "before\n");
    const followed: string[] = [];
    const stop = store.follow(alice, "f", (text) => followed.push(String(text)));
    const tail = store.tail(alice, "f", MEBIBYTE);
    // What is one event has marks in it, which are for the store alone.
    store.append(alice, "f", STREAM, String(logMessage(Buffer.from("after\nthat\n"))));
    expect(String(await tail)).toBe("before\n");
    expect(followed).toEqual(["after\nthat\n"]);
    stop();
    store.append(alice, "f", STREAM, "unheard\n");
    expect(followed).toEqual(["after\nthat\n"]);
    await store.close();
  });

  test("a message of several lines is one event, and lines for who reads the text", async () => {
    const store = new FilesLogStore({ dir });
    const followed: string[] = [];
    store.follow(alice, "f", (text) => followed.push(String(text)));
    store.append(alice, "f", STREAM, logMessage(Buffer.from("Error: no\n    at one\n")));
    store.append(alice, "f", STREAM, Buffer.from("one\ntwo\n"));
    const whole = "Error: no\n    at one\none\ntwo\n";
    expect(followed.join("")).toBe(whole);
    expect(String(await store.tail(alice, "f", MEBIBYTE))).toBe(whole);
    expect(String(await store.tail(alice, "f", 20))).toBe("    at one\none\ntwo\n".slice(-19));
    const found: string[] = [];
    await store.read(alice, "f", 0, ({ text }) => found.push(text) > 0);
    expect(found).toEqual(["Error: no\n    at one", "one", "two"]);
    await store.close();
  });

  test("keeps at most two files of the size bound, and the newest lines", async () => {
    const store = new FilesLogStore({ dir, fileBytesMax: 1000 });
    for (let i = 0; i < 200; i++) {
      store.append(alice, "f", STREAM, `line ${String(i).padStart(4, "0")}\n`);
      if (i % 20 === 19) await store.tail(alice, "f", 1);
    }
    await store.close();
    const files = readdirSync(join(dir, alice));
    expect(files).toHaveLength(2);
    for (const file of files) expect(statSync(join(dir, alice, file)).size).toBeLessThanOrEqual(1000);
    expect(String(await store.tail(alice, "f", 20))).toBe("line 0198\nline 0199\n");
    expect(String(await store.tail(alice, "f", 5000)).split("\n").length).toBeGreaterThan(60);
  });

  test("tells events from a time on, whatever the files are cut into", async () => {
    let nowMs = 1_000_000;
    const store = new FilesLogStore({ dir, fileBytesMax: 3 * MEBIBYTE, nowMs: () => nowMs });
    const filler = "x".repeat(1000);
    for (let i = 0; i < 5000; i++) {
      nowMs += i % 3;
      store.append(alice, "f", `${STREAM}${i % 2}`, `${i} ${filler}\n`);
      if (i % 500 === 0) await store.tail(alice, "f", 0);
    }
    const read = async (fromMs: number, countMax = Number.POSITIVE_INFINITY) => {
      const events: LogEvent[] = [];
      await store.read(alice, "f", fromMs, (event) => events.push(event) < countMax);
      return events;
    };
    const all = await read(0);
    expect(all.length).toBeGreaterThan(2000);
    expect(all.at(-1)).toMatchObject({ text: `4999 ${filler}`, stream: `${STREAM}1`, atMs: nowMs });
    expect(await read(0, 3)).toEqual(all.slice(0, 3));
    for (const { atMs } of all.filter((_, i) => i % 487 === 0)) {
      const expected = all.filter((event) => event.atMs >= atMs);
      expect(await read(atMs)).toEqual(expected);
    }
    expect(await read(nowMs + 1)).toEqual([]);
    await store.close();
  });

  test("a clock that is set back a little keeps events in order", async () => {
    const times = [5000, 4500, 5001, 3000];
    const store = new FilesLogStore({ dir, nowMs: () => times.shift() as number });
    for (const text of ["a\n", "b\n", "c\n", "d\n"]) store.append(alice, "f", STREAM, text);
    const found: unknown[] = [];
    await store.read(alice, "f", 0, ({ atMs, ordinal, text }) => found.push([atMs, ordinal, text]) > 0);
    expect(found).toEqual([
      [5000, 0, "a"],
      [5000, 1, "b"],
      [5001, 0, "c"],
      [3000, 0, "d"],
    ]);
    await store.close();
  });

  test("a function's tail is what it wrote, in whatever logs, in order of time, and nobody else's", async () => {
    let nowMs = 1000;
    const store = new FilesLogStore({ dir, fileBytesMax: 2000, nowMs: () => ++nowMs });
    store.append(alice, "f", STREAM, "own\n");
    store.append(alice, ":/my/group", "2026/11/30/f[7]aa", Buffer.from("shared, "));
    store.append(alice, ":/my/group", "2026/11/30/g[7]bb", "of g\n");
    store.append(alice, ":/my/group", "2026/11/30/f[7]aa", "whole\n");
    store.append(alice, "f", "2026/11/30/g[7]cc", "of g too\n");
    store.append(alice, "f", STREAM, "own again\n");
    const tail = async (name: string, bytesMax: number) =>
      String(await store.tail(alice, name, bytesMax, [name, ":/my/group", "f"].slice(0, name === "f" ? 2 : 3)));
    const whole = "own\nshared, whole\nown again\n";
    expect(await tail("f", MEBIBYTE)).toBe(whole);
    expect(await tail("f", whole.length)).toBe(whole);
    expect(await tail("f", whole.length - 1)).toBe("shared, whole\nown again\n");
    expect(await tail("f", 10)).toBe("own again\n");
    expect(await tail("f", 9)).toBe("");
    expect(await tail("g", MEBIBYTE)).toBe("of g\nof g too\n");
    for (let i = 0; i < 50; i++) {
      store.append(alice, ":/my/group", "2026/11/30/f[7]aa", `line ${i}\n`);
      if (i % 10 === 9) await tail("g", 1);
    }
    expect(await tail("f", 16)).toBe("line 48\nline 49\n");
    await store.close();
  });

  test("following a function hears it in whatever log, and nobody else", async () => {
    const store = new FilesLogStore({ dir });
    const followed: string[] = [];
    const stop = store.follow(alice, "f", (text) => followed.push(String(text)));
    store.append(alice, "f", STREAM, "own\n");
    store.append(alice, ":/my/group", "2026/11/30/f[7]aa", "shared\n");
    store.append(alice, ":/my/group", "2026/11/30/g[7]bb", "of g\n");
    store.append(alice, "f", "2026/11/30/g[7]cc", "of g too\n");
    store.append(bob, ":/my/group", "2026/11/30/f[7]aa", "bob's\n");
    expect(followed).toEqual(["own\n", "shared\n"]);
    stop();
    store.append(alice, ":/my/group", "2026/11/30/f[7]aa", "unheard\n");
    expect(followed).toHaveLength(2);
    await store.close();
  });

  test("removing takes the files and what waits", async () => {
    const store = new FilesLogStore({ dir });
    store.append(alice, "f", STREAM, "old\n");
    await store.tail(alice, "f", 1);
    store.append(alice, "f", STREAM, "waiting\n");
    await store.remove(alice, "f");
    expect(readdirSync(join(dir, alice))).toEqual([]);
    expect(await store.tail(alice, "f", 10)).toHaveLength(0);
    await store.close();
  });

  test("a disk that does not take lines loses them, says so once, and recovers", async () => {
    // A file where the account's folder should be: every write fails, as root too.
    writeFileSync(join(dir, alice), "");
    const said: string[] = [];
    const store = new FilesLogStore({ dir, onLost: (why) => said.push(why) });
    for (let i = 0; i < 3; i++) {
      store.append(alice, "f", STREAM, "lost\n");
      await store.tail(alice, "f", 1).catch(() => {});
    }
    expect(said).toHaveLength(1);
    expect(store.lostBytes).toBe(15);
    rmSync(join(dir, alice));
    store.append(alice, "f", STREAM, "kept\n");
    expect(String(await store.tail(alice, "f", 100))).toBe("kept\n");
    await store.close();
  });

  test("what follows a write that was cut off has its own stream and time", async () => {
    const store = new FilesLogStore({ dir, nowMs: () => 5000 });
    store.append(alice, "f", STREAM, "one\nhalf of it\n");
    await store.close();
    const path = join(dir, alice, `${logFileName("f")}.log`);
    truncateSync(path, statSync(path).size - 7);
    const later = new FilesLogStore({ dir, nowMs: () => 6000 });
    later.append(alice, "f", `${STREAM}2`, "two\n");
    expect(String(await later.tail(alice, "f", 100))).toBe("one\nhalf\ntwo\n");
    const found: unknown[] = [];
    await later.read(alice, "f", 0, ({ atMs, stream, text }) => found.push([atMs, stream, text]) > 0);
    expect(found).toEqual([
      [5000, STREAM, "one"],
      [5000, STREAM, "half"],
      [6000, `${STREAM}2`, "two"],
    ]);
    await later.close();
  });

  test("a function that writes faster than the disk is bounded in memory", async () => {
    const said: string[] = [];
    const store = new FilesLogStore({ dir, onLost: (why) => said.push(why) });
    const line = `${"x".repeat(1023)}\n`;
    for (let i = 0; i < 5000; i++) store.append(alice, "f", STREAM, line);
    expect(store.lostBytes).toBeGreaterThan(3 * MEBIBYTE);
    expect(said).toHaveLength(1);
    store.append(bob, "g", STREAM, "not affected\n");
    expect(String(await store.tail(bob, "g", 100))).toBe("not affected\n");
    await store.close();
  });
});

describe("logFileName", () => {
  test("is safe and distinct for all names", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), fc.string({ maxLength: 300 }), (a, b) => {
        expect(logFileName(a)).toMatch(/^[A-Za-z0-9_-]{17,117}$/);
        if (a !== b) expect(logFileName(a).toLowerCase()).not.toBe(logFileName(b).toLowerCase());
      }),
    );
    expect(logFileName("Foo").toLowerCase()).not.toBe(logFileName("foo"));
    expect(logFileName("../../etc/passwd")).not.toContain(".");
  });
});

function openPaths(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return []; // Closed meanwhile.
    }
  });
}
