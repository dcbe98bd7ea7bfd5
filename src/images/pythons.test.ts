import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { skipUnless } from "../../test/skip.ts";
import type { PythonRuntime } from "../model/runtime.ts";
import { newestSdk, planPythonHomes } from "./python-homes.ts";
import { findPythons, PYTHON_RUNTIMES, probePython } from "./pythons.ts";

const [found] = Object.entries(await findPythons()) as [
  PythonRuntime,
  NonNullable<Awaited<ReturnType<typeof probePython>>>,
][];
const needsPython = skipUnless(found !== undefined, "needs Python 3.11 or newer");
const needsLinux = skipUnless(process.platform === "linux" && found !== undefined, "needs Linux and Python");

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hearth-pythons-test-"));
});
// Thousands of files, on a disk that may be busy.
afterEach(() => rmSync(directory, { recursive: true }), 60_000);

describe("interpreters", needsPython, () => {
  const [runtime, python] = found ?? ["python3.11", undefined];

  test("are found on PATH and at pyenv's, and not behind scripts", async () => {
    const executable = python?.executable ?? "";
    const [shims, bin, root] = [join(directory, "shims"), join(directory, "bin"), join(directory, "pyenv")];
    for (const folder of [shims, bin, join(root, `versions/${python?.version}/bin`)])
      mkdirSync(folder, { recursive: true });
    writeFileSync(join(shims, runtime), `#!/bin/sh\nexec ${executable} "$@"\n`);
    chmodSync(join(shims, runtime), 0o755);
    symlinkSync(executable, join(bin, runtime));
    symlinkSync(executable, join(root, `versions/${python?.version}/bin`, runtime));
    const onPath = await findPythons({ PATH: `${shims}:${bin}`, PYENV_ROOT: directory });
    expect(onPath[runtime]?.executable).toBe(executable);
    const ofPyenv = await findPythons({ PATH: shims, PYENV_ROOT: root });
    expect(ofPyenv[runtime]?.executable).toBe(executable);
    expect(Object.keys(onPath).every((name) => (PYTHON_RUNTIMES as readonly string[]).includes(name))).toBe(true);
  }, 30_000);

  test("of another version than their name says are passed over", async () => {
    const other = PYTHON_RUNTIMES.find((name) => name !== runtime) ?? "python3.14";
    symlinkSync(python?.executable ?? "", join(directory, other));
    const pythons = await findPythons({ PATH: directory, PYENV_ROOT: directory });
    expect(pythons[other]?.executable).not.toBe(python?.executable);
  }, 30_000);

  test("that do not run are none", async () => {
    writeFileSync(join(directory, "python3.11"), "no program", { mode: 0o755 });
    expect(await probePython(join(directory, "python3.11"))).toBeUndefined();
    expect(await probePython(join(directory, "not-there"))).toBeUndefined();
  });
});

test("the newest SDK serves all", () => {
  const of = (version: string | undefined) => ({
    version: "3.11.2",
    executable: "/e",
    prefix: "/p",
    libraryDir: "/l",
    sdk: version === undefined ? null : { version, paths: [] },
  });
  expect(newestSdk([of("1.9.0"), of(undefined), of("1.26.27"), of("1.26.3")])?.version).toBe("1.26.27");
  expect(newestSdk([of(undefined)])).toBeNull();
});

describe("a home", needsLinux, () => {
  const [runtime, python] = found ?? ["python3.11", undefined];

  test("is made once, runs by itself, is readable by all, and has nothing but Python and the SDK", async () => {
    const before = process.umask(0o077);
    try {
      const homes = await planPythonHomes(directory, { [runtime]: python });
      const home = homes[runtime];
      expect(readdirSync(directory)).toEqual([]);
      await Promise.all([home?.ensure(), home?.ensure()]);
      expect(readdirSync(directory).map((name) => join(directory, name))).toEqual([home?.directory]);
      const { ino } = statSync(home?.directory ?? "");
      await (await planPythonHomes(directory, { [runtime]: python }))[runtime]?.ensure();
      expect(statSync(home?.directory ?? "").ino).toBe(ino);
      const boto3 = python?.sdk === null ? "" : "import boto3; boto3.client('s3', 'us-east-1');";
      const script = `import ssl, sqlite3, ctypes, json, sys; ${boto3} print(sys.prefix, ssl.__file__)`;
      const ran = spawnSync(join(home?.directory ?? "", "bin/python3"), ["-c", script], {
        env: {
          LD_LIBRARY_PATH: join(home?.directory ?? "", "lib"),
          // Debian's Python looks for packages elsewhere; the runtime adds this folder.
          PYTHONPATH: join(home?.directory ?? "", "lib", runtime, "site-packages"),
        },
        encoding: "utf8",
      });
      expect([ran.stderr, ran.stdout]).toEqual(["", `${home?.directory} ${home?.directory}/lib/${runtime}/ssl.py\n`]);
      const library = join(home?.directory ?? "", "lib", runtime);
      for (const name of ["test", "idlelib", "dist-packages", "sitecustomize.py"]) {
        expect(readdirSync(library)).not.toContain(name);
      }
      const packages = readdirSync(join(library, "site-packages")).filter((name) => name !== "__pycache__");
      const ofSdk = python?.sdk?.paths.map((path) => path.split("/").at(-1)) ?? [];
      expect(packages.toSorted()).toEqual(ofSdk.toSorted());
      for (const name of readdirSync(home?.directory ?? "", { recursive: true, encoding: "utf8" })) {
        const { mode } = statSync(join(home?.directory ?? "", name));
        expect([name, mode & 0o444]).toEqual([name, 0o444]);
      }
    } finally {
      process.umask(before);
    }
  }, 120_000);
});
