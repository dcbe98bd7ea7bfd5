import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { InstanceId } from "../model/ids.ts";
import { zipOfEntries } from "../ports/contract/zip-fixture.ts";
import { createFilesCodeStore } from "../store/files/code-store.ts";
import { CodeCache } from "./code-cache.ts";

const KIBIBYTE = 1024;
const a = "i-a" as InstanceId;
const b = "i-b" as InstanceId;
const log = { info() {}, warn() {} };

let dir: string;
let archives: Map<string, Buffer>;
let fetched: string[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "hearth-cache-"));
  archives = new Map();
  fetched = [];
});
afterEach(() => rmSync(dir, { recursive: true }));

/** Code of about 100 KiB, as the server has it; its hash. */
function deploy(name: string): string {
  const zip = zipOfEntries([{ name: "index.js", data: name.repeat((100 * KIBIBYTE) / name.length) }]);
  const sha256Hex = createHash("sha256").update(zip).digest("hex");
  archives.set(sha256Hex, zip);
  return sha256Hex;
}

async function open(running: readonly InstanceId[] = []): Promise<CodeCache> {
  const store = await createFilesCodeStore(dir);
  const fetch = async (sha256Hex: string) => {
    fetched.push(sha256Hex);
    const archive = archives.get(sha256Hex);
    if (archive === undefined) throw new Error("there is no such code");
    return archive;
  };
  return CodeCache.open({ dir, store, bytesMax: 250 * KIBIBYTE, fetch, log }, running);
}

const isHere = (sha256Hex: string) => existsSync(join(dir, sha256Hex));

test("code is fetched once, however many ask for it at a time, and found afterwards", async () => {
  const cache = await open();
  const code = deploy("one");
  expect(cache.find(code, a)).toBeUndefined();
  const folders = await Promise.all([cache.ensure(code, a), cache.ensure(code, b), cache.ensure(code, a)]);
  expect(new Set(folders)).toEqual(new Set([join(dir, code)]));
  expect(readFileSync(join(dir, code, "index.js"), "utf8")).toMatch(/^oneone/);
  expect(cache.find(code, a)).toBe(join(dir, code));
  expect((await open()).find(code, a)).toBe(join(dir, code));
  expect(fetched).toEqual([code]);
});

test("code that comes for an instance that has ended meanwhile is kept for nobody", async () => {
  const cache = await open();
  const names = ["one", "two", "three", "four", "five"].map(deploy);
  for (const code of names) {
    const late = cache.ensure(code, a);
    cache.release(a);
    await expect(late).rejects.toThrow("instance i-a has ended");
  }
  await cache.ensure(deploy("six"), b);
  await expect.poll(() => names.filter(isHere).length).toBeLessThanOrEqual(1);
});

test("what is not what its hash says is refused, and asked for again the next time", async () => {
  const cache = await open();
  const [good, other] = [deploy("good"), deploy("other")];
  const zip = archives.get(good) as Buffer;
  archives.set(good, archives.get(other) as Buffer);
  await expect(cache.ensure(good, a)).rejects.toThrow(`the server sent code ${other}`);
  expect(isHere(good)).toBe(false);
  archives.set(good, Buffer.from("no archive"));
  await expect(cache.ensure(good, a)).rejects.toThrow();
  archives.set(good, zip);
  expect(await cache.ensure(good, a)).toBe(join(dir, good));
});

test("beyond its bound the longest unused goes; what an instance was given stays until that ends", async () => {
  const cache = await open();
  const [first, second, third, fourth] = ["first", "second", "third", "fourth"].map(deploy) as [
    string,
    string,
    string,
    string,
  ];
  await cache.ensure(first, a);
  await cache.ensure(second, b);
  await cache.ensure(third, b);
  expect([first, second, third].map(isHere)).toEqual([true, true, true]); // Over the bound, and all in use.
  cache.release(b);
  await expect.poll(() => isHere(second)).toBe(false);
  expect(isHere(first)).toBe(true);
  await cache.ensure(fourth, b);
  await expect.poll(() => isHere(third)).toBe(false);
  expect([first, fourth].map(isHere)).toEqual([true, true]);
  expect(await cache.ensure(second, a)).toBe(join(dir, second));
});

test("layers are fetched once each and laid over each other; the overlay is there after a restart", async () => {
  const cache = await open();
  const layers = ["one", "two"].map(deploy);
  expect(cache.findLayers(layers, a)).toBeUndefined();
  const [dir] = await Promise.all([cache.ensureLayers(layers, a), cache.ensureLayers(layers, b)]);
  expect(readFileSync(join(dir, "index.js"), "utf8")).toMatch(/^twotwo/);
  expect(cache.findLayers(layers, a)).toBe(dir);
  expect(await cache.ensureLayers([layers[0] as string], a)).toBe(cache.find(layers[0] as string, a));
  expect(fetched).toEqual(layers);
  expect((await open()).findLayers(layers, a)).toBe(dir);
  await expect(cache.ensureLayers([layers[0] as string, "ab".repeat(32)], a)).rejects.toThrow("there is no such code");
});

test("instances of an earlier host agent may use all that is here", async () => {
  const codes = ["first", "second", "third"].map(deploy);
  const before = await open();
  for (const code of codes) await before.ensure(code, a);
  const cache = await open([a]);
  const more = deploy("more");
  await cache.ensure(more, b);
  cache.release(b);
  await expect.poll(() => isHere(more)).toBe(false);
  expect(codes.map(isHere)).toEqual([true, true, true]);
  cache.release(a);
  await expect.poll(() => codes.filter(isHere).length).toBe(2);
});
