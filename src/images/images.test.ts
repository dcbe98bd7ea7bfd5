import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { buildBundles, buildHostBundles } from "./bundle.ts";
import { findNodeBinaries, NODE_RUNTIMES } from "./node-binaries.ts";

let imagesDir: string;
beforeEach(() => {
  imagesDir = mkdtempSync(join(tmpdir(), "hearth-images-test-"));
});
afterEach(() => rmSync(imagesDir, { recursive: true }));

test("the same sources give the same folder, made once, also by several at a time", async () => {
  const all = await Promise.all([buildBundles(imagesDir), buildBundles(imagesDir), buildBundles(imagesDir)]);
  const [first] = all;
  expect(new Set(all.map(({ runtimesDir }) => runtimesDir)).size).toBe(1);
  expect(readdirSync(imagesDir)).toHaveLength(1);
  const directory = first?.runtimesDir as string;
  expect(dirname(first?.agentBundlePath as string)).toBe(directory);
  expect(readdirSync(directory).sort()).toEqual([
    "agent.mjs",
    "custom-runtime.sh",
    "node-runtime.cjs",
    "node_modules",
    "python-runtime.py",
  ]);
  const { ino } = statSync(directory);
  await buildBundles(imagesDir);
  expect(statSync(directory).ino).toBe(ino);
  expect(statSync(join(directory, "custom-runtime.sh")).mode & 0o777).toBe(0o755);
});

test("the host agent's bundle stands beside the others, and runs without this project", async () => {
  const { hostAgentBundlePath, agentBundlePath } = await buildHostBundles(imagesDir, "1.2.3");
  expect(dirname(hostAgentBundlePath)).toBe(dirname(agentBundlePath));
  const { status, stderr } = spawnSync(process.execPath, [hostAgentBundlePath], {
    cwd: "/",
    encoding: "utf8",
    env: {},
  });
  expect(stderr).toContain("HEARTH_HOST_CONFIG");
  expect(status).toBe(2);
}, 30_000);

test("the three bundles used last stay", async () => {
  for (const [name, day] of [
    ["bundle-a", 1],
    ["bundle-b", 2],
    ["bundle-c", 3],
    ["bundle-d", 4],
  ] as const) {
    mkdirSync(join(imagesDir, name));
    utimesSync(join(imagesDir, name), day, day);
  }
  const { runtimesDir } = await buildBundles(imagesDir);
  expect(
    readdirSync(imagesDir)
      .map((name) => join(imagesDir, name))
      .sort(),
  ).toEqual([join(imagesDir, "bundle-c"), join(imagesDir, "bundle-d"), runtimesDir].sort());
});

test("a platform that npm has no binaries for lacks all runtimes", () => {
  expect(findNodeBinaries("aix", "ppc64")).toEqual({ paths: {}, missing: [...NODE_RUNTIMES] });
});

test("found and missing runtimes together are all", () => {
  const { paths, missing } = findNodeBinaries();
  expect([...Object.keys(paths), ...missing].sort()).toEqual([...NODE_RUNTIMES].sort());
  for (const path of Object.values(paths)) expect(statSync(path).isFile()).toBe(true);
});
