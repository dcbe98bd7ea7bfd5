import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findPythons } from "../images/pythons.ts";
import { MANIFEST_FILE, VM_IMAGE_FOLDER, type VmManifest } from "../images/vm/vm-image.ts";
import type { ProviderChoice } from "./open-fleet.ts";
import { findPythonPlaces, pythonsOf } from "./python-places.ts";

const imagesDir = mkdtempSync(join(tmpdir(), "hearth-places-"));
const file = { sha256: "0".repeat(64), bytes: 1 };
const manifest: Omit<VmManifest, "pythons"> = {
  inputs: "",
  suite: "bookworm",
  kernelRelease: "6",
  packages: [],
  runtimes: [],
  files: { vmlinuz: file, "initrd.cpio": file, "root.squashfs": file },
};

beforeAll(() => mkdirSync(join(imagesDir, VM_IMAGE_FOLDER)));
afterAll(() => rmSync(imagesDir, { recursive: true }));

const of = (...providers: ProviderChoice[]) => ({ providers, ec2File: undefined });

function writeManifest(more: object): void {
  writeFileSync(join(imagesDir, VM_IMAGE_FOLDER, MANIFEST_FILE), JSON.stringify({ ...manifest, ...more }));
}

test("virtual machines have what their image has, whatever the machine has", async () => {
  writeManifest({ pythons: { "python3.13": "Python 3.13.5 of /usr/bin/python3.13, boto3 1.37.0" } });
  const { places, homes } = await findPythonPlaces(imagesDir, of("microvm"));
  expect(homes).toEqual({});
  expect(pythonsOf(places)).toEqual({
    "python3.13": "Python 3.13.5 of /usr/bin/python3.13, boto3 1.37.0 in virtual machines",
  });
});

test("an image of an earlier version has none", async () => {
  writeManifest({});
  expect(pythonsOf((await findPythonPlaces(imagesDir, of("microvm"))).places)).toEqual({});
});

test("machines of EC2 have what their settings say, and no others", async () => {
  const ec2File = join(imagesDir, "ec2.json");
  const settings = {
    region: "eu-west-1",
    imageId: "ami-0123456789abcdef0",
    subnets: { "eu-west-1a": "subnet-0123456789abcdef0" },
    securityGroupIds: ["sg-0123456789abcdef0"],
    instanceTypes: { "m7i.large": { onDemandUsdPerHour: 0.1 } },
  };
  const placesWith = async (setup: object) => {
    writeFileSync(ec2File, JSON.stringify({ ...settings, setup }));
    return (await findPythonPlaces(imagesDir, { providers: ["ec2"], ec2File })).places;
  };
  expect(pythonsOf(await placesWith({ kind: "prepared" }))).toEqual({});
  expect(pythonsOf(await placesWith({ kind: "prepared", pythons: ["python3.13"] }))).toEqual({
    "python3.13": "the machine's own on EC2",
  });
  await expect(placesWith({ kind: "prepared", pythons: ["python2.7"] })).rejects.toThrow(/setup\.pythons\[0\]: give/);
});

test("of several kinds of machine, functions can have what all of them have", async () => {
  const runtimes = Object.keys(await findPythons());
  const all = ["python3.11", "python3.12", "python3.13", "python3.14"];
  writeManifest({ pythons: Object.fromEntries(all.map((runtime) => [runtime, "Python"])) });
  const both = await findPythonPlaces(imagesDir, of("sandbox", "microvm"));
  expect(both.places.map(({ name }) => name)).toEqual(["the machine", "the image of virtual machines"]);
  expect(Object.keys(pythonsOf(both.places))).toEqual(runtimes);
  writeManifest({ pythons: {} });
  expect(pythonsOf((await findPythonPlaces(imagesDir, of("sandbox", "microvm"))).places)).toEqual({});
});
