import { closeSync, mkdtempSync, readSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { skipUnless } from "../../test/skip.ts";
import { decodeStatus, waitForChild } from "./child-wait.ts";
import { LibcError, makeFifo, socketPair } from "./libc.ts";
import { unmount } from "./mount.ts";

describe("calls of the C library", skipUnless(process.platform === "linux", "needs Linux"), () => {
  test("a socket pair connects", () => {
    const [a, b] = socketPair();
    writeSync(a, "hello");
    const text = Buffer.alloc(5);
    readSync(b, text);
    expect(text.toString()).toBe("hello");
    closeSync(a);
    expect(readSync(b, text)).toBe(0);
    closeSync(b);
  });

  test("a failure names what failed and why", () => {
    const directory = mkdtempSync(join(tmpdir(), "hearth-libc-"));
    const path = join(directory, "fifo");
    makeFifo(path, 0o600);
    expect(statSync(path).isFIFO()).toBe(true);
    expect(() => makeFifo(path, 0o600)).toThrow(new LibcError(`mkfifo ${path}`, 17));
    expect(() => makeFifo(path, 0o600)).toThrow("EEXIST");
    rmSync(directory, { recursive: true });
  });

  test("what is not mounted or not a child is no error", () => {
    const isPrivileged = process.getuid?.() === 0;
    if (isPrivileged) expect(unmount(join(tmpdir(), "hearth-nothing-here"))).toBe(false);
    expect(waitForChild(1)).toEqual({ status: undefined, signal: undefined });
  });
});

test("wait statuses", () => {
  expect(decodeStatus(0)).toEqual({ status: 0, signal: undefined });
  expect(decodeStatus(7 << 8)).toEqual({ status: 7, signal: undefined });
  expect(decodeStatus(9)).toEqual({ status: undefined, signal: "SIGKILL" });
});
