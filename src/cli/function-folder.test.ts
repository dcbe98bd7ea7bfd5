import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fromBuffer } from "yauzl";
import { readFunctionSource, runtimeOf, zipFolder } from "./function-folder.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hearth-function-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (path: string, text = "x") => {
  mkdirSync(join(folder, path, ".."), { recursive: true });
  writeFileSync(join(folder, path), text);
};

describe("zipFolder", () => {
  test("holds the files with their modes and links, not what is no code", async () => {
    write("index.mjs", "export const handler = () => 1;");
    write("lib/deep/a.js");
    write("run.sh", "#!/bin/sh");
    chmodSync(join(folder, "run.sh"), 0o755);
    symlinkSync("index.mjs", join(folder, "main.mjs"));
    write(".git/config");
    write("function.json", "{}");
    write("node_modules/pack/function.json", "{}");
    const entries = await entriesOf(await zipFolder(folder));
    expect([...entries.keys()]).toEqual([
      "index.mjs",
      "lib/deep/a.js",
      "main.mjs",
      "node_modules/pack/function.json",
      "run.sh",
    ]);
    expect((entries.get("run.sh") ?? 0) & 0o777).toBe(0o755);
    expect((entries.get("main.mjs") ?? 0) & 0o170000).toBe(0o120000);
  });

  test("is the same for the same files, whenever they were written", async () => {
    write("index.mjs");
    const first = await zipFolder(folder);
    utimesSync(join(folder, "index.mjs"), 1, 1);
    expect(await zipFolder(folder)).toEqual(first);
  });

  test("refuses a link that leads outside, and a folder without files", async () => {
    await expect(zipFolder(folder)).rejects.toThrow(/holds no files/);
    write("index.mjs");
    symlinkSync("../../etc/passwd", join(folder, "secret"));
    await expect(zipFolder(folder)).rejects.toThrow(/outside the folder/);
  });
});

describe("readFunctionSource", () => {
  test.each([
    ["index.mjs", { runtime: "nodejs24.x", handler: "index.handler" }],
    ["index.cjs", { runtime: "nodejs24.x", handler: "index.handler" }],
    ["lambda_function.py", { isPython: true, handler: "lambda_function.lambda_handler" }],
    ["index.py", { isPython: true, handler: "index.handler" }],
    ["bootstrap", { runtime: "provided.al2023", handler: "bootstrap" }],
  ])("%s is obvious", async (file, manifest) => {
    write(file);
    expect((await readFunctionSource(folder)).manifest).toMatchObject({ ...manifest, name: basename(folder) });
  });

  test("other layouts are not guessed", async () => {
    write("src/app.js");
    expect((await readFunctionSource(folder)).manifest).toEqual({ name: basename(folder) });
  });

  test("function.json decides", async () => {
    write("index.mjs");
    write("function.json", '{"name":"n","runtime":"nodejs22.x","handler":"index.main","memoryMiB":256,"timeoutS":9}');
    expect((await readFunctionSource(folder)).manifest).toEqual({
      name: "n",
      runtime: "nodejs22.x",
      handler: "index.main",
      memoryMiB: 256,
      timeoutS: 9,
    });
  });

  test("what function.json states is told from what the files tell", async () => {
    write("index.mjs");
    expect((await readFunctionSource(folder)).manifest.guesses).toEqual(["runtime", "handler"]);
    write("function.json", '{"handler":"index.other"}');
    expect((await readFunctionSource(folder)).manifest).toMatchObject({ handler: "index.other", guesses: ["runtime"] });
  });

  test("Python is the one that function.json states, else the server's newest", async () => {
    write("lambda_function.py");
    const { manifest } = await readFunctionSource(folder);
    expect(runtimeOf(manifest, ["python3.9", "python3.13", "python3.11"])).toBe("python3.13");
    expect(runtimeOf(manifest, [])).toBeUndefined();
    write("function.json", '{"runtime":"python3.11"}');
    expect(runtimeOf((await readFunctionSource(folder)).manifest, ["python3.13"])).toBe("python3.11");
  });

  test.each(["{", "null", "[]", '{"runtime":"cobol"}', '{"memoryMiB":"much"}', '{"handlr":"index.main"}'])(
    "refuses the manifest %s by its path",
    async (text) => {
      write("function.json", text);
      await expect(readFunctionSource(folder)).rejects.toThrow(/function\.json/);
    },
  );

  test("names the member that a manifest may not have, and those that it may", async () => {
    write("function.json", '{"memory":512}');
    const refused = await readFunctionSource(folder).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      message: expect.stringMatching(/function\.json: there is no member memory$/),
      remedy: "it may have name, runtime, handler, memoryMiB, timeoutS, event",
    });
  });

  test("refuses what is not there and what is no archive", async () => {
    write("a.txt");
    await expect(readFunctionSource(join(folder, "nothing"))).rejects.toThrow(/there is no/);
    await expect(readFunctionSource(join(folder, "a.txt"))).rejects.toThrow(/not a zip archive/);
  });

  test("takes a zip archive as it is", async () => {
    write("index.mjs");
    const zip = await zipFolder(folder);
    write("made.zip");
    writeFileSync(join(folder, "made.zip"), zip);
    expect(await readFunctionSource(join(folder, "made.zip"))).toEqual({ zip, manifest: { name: "made" } });
  });
});

/** Mode of each entry by its path. */
function entriesOf(zip: Buffer): Promise<Map<string, number>> {
  const modes = new Map<string, number>();
  return new Promise((resolve, reject) => {
    fromBuffer(zip, (error, archive) => {
      if (error) return reject(error);
      archive.on("entry", (entry) => modes.set(entry.fileName, entry.externalFileAttributes >>> 16));
      archive.on("end", () => resolve(modes));
      archive.on("error", reject);
    });
  });
}
