import { expect, test } from "vitest";
import { HearthError } from "../model/error-code.ts";
import type { AccountId } from "../model/ids.ts";
import { createPythonSupply } from "./python-supply.ts";

const account = "000000000000" as AccountId;

function supplyWith(without: readonly string[] = [], ensure = () => Promise.resolve()) {
  const wanted: string[] = [];
  const homes = { "python3.11": { directory: "/h", description: "Python 3.11.2 of /usr/bin/python3.11", ensure } };
  const supply = createPythonSupply({ homes, without, onWanted: (_, runtime) => wanted.push(runtime) });
  return { supply, wanted };
}

test("an interpreter is made ready before its runtime is wanted", async () => {
  const steps: string[] = [];
  const { supply, wanted } = supplyWith([], async () => void steps.push(`made, wanted: ${wanted.length}`));
  expect(await supply.prepare(account, "python3.11")).toBeUndefined();
  expect([steps, wanted]).toEqual([["made, wanted: 0"], ["python3.11"]]);
});

test("what the machine lacks is refused with the remedy, and nobody wants it", async () => {
  const { supply, wanted } = supplyWith();
  expect(await supply.prepare(account, "python3.14")).toMatch(
    /has no python3\.14 \(it has python3\.11\)\. Install one/,
  );
  expect(await supplyWith(["microvm"]).supply.prepare(account, "python3.11")).toMatch(
    /provider microvm have no Python/,
  );
  expect(wanted).toEqual([]);
});

test("other runtimes need nothing", async () => {
  const { supply, wanted } = supplyWith(["ec2"]);
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
