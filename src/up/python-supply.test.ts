import { expect, test } from "vitest";
import { HearthError } from "../model/error-code.ts";
import type { AccountId } from "../model/ids.ts";
import type { PythonPlace } from "./python-places.ts";
import { createPythonSupply } from "./python-supply.ts";

const account = "000000000000" as AccountId;

const pythons = { "python3.11": "Python 3.11.2 of /usr/bin/python3.11" };
const place = { name: "the machine", pythons, remedy: "Install one.", ensure: async () => {} };

function supplyWith(others: readonly PythonPlace[] = [], ensure = () => Promise.resolve()) {
  const wanted: string[] = [];
  const places = [{ ...place, ensure }, ...others];
  const supply = createPythonSupply({ places, onWanted: (_, runtime) => wanted.push(runtime) });
  return { supply, wanted };
}

test("an interpreter is made ready before its runtime is wanted", async () => {
  const steps: string[] = [];
  const { supply, wanted } = supplyWith([], async () => void steps.push(`made, wanted: ${wanted.length}`));
  expect(await supply.prepare(account, "python3.11")).toBeUndefined();
  expect([steps, wanted]).toEqual([["made, wanted: 0"], ["python3.11"]]);
});

test("what one place lacks is refused with its remedy, and nobody wants it", async () => {
  const { supply, wanted } = supplyWith();
  expect(await supply.prepare(account, "python3.14")).toMatch(
    /has no python3\.14 \(it has python3\.11\)\. Install one/,
  );
  const bare = { ...place, name: "an image", pythons: {}, remedy: "Make another." };
  const second = supplyWith([place, bare]);
  expect(await second.supply.prepare(account, "python3.11")).toBe(
    "Runtime python3.11 cannot run on this server: an image has no python3.11 (it has no Python at all). Make another.",
  );
  expect(second.wanted).toEqual([]);
  expect(wanted).toEqual([]);
});

test("other runtimes need nothing", async () => {
  const { supply, wanted } = supplyWith([{ ...place, pythons: {} }]);
  for (const runtime of ["nodejs24.x", "provided.al2023"] as const) {
    expect(await supply.prepare(account, runtime)).toBeUndefined();
  }
  expect(wanted).toEqual([]);
});

test("an interpreter that cannot be copied is a failure of the store", async () => {
  const { supply, wanted } = supplyWith([], () => Promise.reject(new Error("no space left")));
  await expect(supply.prepare(account, "python3.11")).rejects.toThrow(HearthError);
  expect(wanted).toEqual([]);
});
