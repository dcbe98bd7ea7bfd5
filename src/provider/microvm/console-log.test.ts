import { appendFileSync, closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { boundConsole, CONSOLE_BYTES_MAX, consolePathIn } from "./console-log.ts";
import { qemuArguments } from "./qemu-command.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hearth-console-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

test("a console is emptied above its bound, and written on from its beginning", () => {
  const path = consolePathIn(directory);
  boundConsole(directory); // There is none yet.
  appendFileSync(path, Buffer.alloc(CONSOLE_BYTES_MAX));
  boundConsole(directory);
  expect(statSync(path).size).toBe(CONSOLE_BYTES_MAX);
  const machine = openSync(path, "a");
  writeSync(machine, "x");
  boundConsole(directory);
  expect(statSync(path).size).toBe(0);
  writeSync(machine, "more");
  closeSync(machine);
  expect(statSync(path).size).toBe(4);
});

test("a machine appends to its console's file", () => {
  const args = qemuArguments({
    accelerator: "tcg",
    memoryMiB: 64,
    processors: 1,
    kernelPath: "kernel",
    initrdPath: "initrd",
    imagePaths: [],
    dataPath: undefined,
    configFiles: {},
    kernelOptions: [],
    console: { kind: "file", path: "/a,b/console.log" },
    uid: 1,
  });
  expect(args.join(" ")).toContain("-chardev file,id=console,path=/a,,b/console.log,append=on -serial chardev:console");
});
