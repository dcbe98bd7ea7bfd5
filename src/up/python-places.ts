import { join } from "node:path";
import { type PythonHomes, planPythonHomes } from "../images/python-homes.ts";
import { findPythons, PYTHON_RUNTIMES } from "../images/pythons.ts";
import { readVmManifest, VM_IMAGE_FOLDER } from "../images/vm/vm-image.ts";
import type { PythonRuntime } from "../model/runtime.ts";
import { readEc2Settings } from "../provider/ec2/ec2-settings.ts";
import type { FleetChoice, ProviderChoice } from "./open-fleet.ts";

/** What is there of Python, by runtime: `Python 3.11.2 of /usr/bin/python3.11, boto3 1.26.27`. */
export type PythonDescriptions = Readonly<Partial<Record<PythonRuntime, string>>>;

/** A kind of machine that runs functions, with the interpreters that it has. */
export type PythonPlace = {
  /** In a sentence, `the machine`. */
  readonly name: string;
  readonly pythons: PythonDescriptions;
  /** What to do when one is missing. */
  readonly remedy: string;
  /** Makes ready what it has of a runtime. @throws Error when it cannot. */
  ensure(runtime: PythonRuntime): Promise<void>;
};

/** Providers whose instances use no interpreter of the server's machine. */
const ELSEWHERE: ReadonlySet<ProviderChoice> = new Set<ProviderChoice>(["microvm", "ec2"]);

/**
 * @returns each place once; joined machines are thought to have what this one has, which their operators see to.
 * @throws HearthError PROVIDER_UNAVAILABLE: the settings of EC2 are wrong.
 */
export async function findPythonPlaces(
  imagesDir: string,
  { providers, ec2File }: Pick<FleetChoice, "providers" | "ec2File">,
): Promise<{ readonly places: readonly PythonPlace[]; readonly homes: PythonHomes }> {
  const isUsed = providers.some((kind) => !ELSEWHERE.has(kind));
  const homes = isUsed ? await planPythonHomes(imagesDir, await findPythons()) : {};
  const places = [
    ...(isUsed ? [hostPlace(homes)] : []),
    ...(providers.includes("microvm") ? [await guestPlace(imagesDir)] : []),
    // A server without the file says so when it opens its providers.
    ...(providers.includes("ec2") && ec2File !== undefined ? [await ec2Place(ec2File)] : []),
  ];
  return { places, homes };
}

/** What functions can have, for they may run in any of the places. */
export function pythonsOf(places: readonly PythonPlace[]): PythonDescriptions {
  const isEverywhere = (runtime: PythonRuntime) => places.every(({ pythons }) => pythons[runtime] !== undefined);
  return Object.fromEntries(
    PYTHON_RUNTIMES.filter(isEverywhere).map((runtime) => [
      runtime,
      places.map(({ pythons }) => pythons[runtime]).join("; "),
    ]),
  );
}

function hostPlace(homes: PythonHomes): PythonPlace {
  return {
    name: "the machine",
    pythons: Object.fromEntries(Object.entries(homes).map(([runtime, { description }]) => [runtime, description])),
    remedy: "Install one, with the system's packages or pyenv, and start the server again.",
    ensure: async (runtime) => homes[runtime]?.ensure(),
  };
}

/** Made with the image. */
async function guestPlace(imagesDir: string): Promise<PythonPlace> {
  const manifest = await readVmManifest(join(imagesDir, VM_IMAGE_FOLDER));
  const entries = Object.entries(manifest?.pythons ?? {});
  return {
    name: "the image of virtual machines",
    pythons: Object.fromEntries(entries.map(([runtime, is]) => [runtime, `${is} in virtual machines`])),
    remedy:
      "An image has the Python of the Debian release that it is made of: make it with `hearth image build`, or start the server without the provider microvm.",
    ensure: async () => {},
  };
}

/** Machines make it ready themselves, when they start. */
async function ec2Place(ec2File: string): Promise<PythonPlace> {
  const { setup } = await readEc2Settings(ec2File);
  return {
    name: "a machine of the provider ec2",
    pythons: Object.fromEntries(setup.pythons.map((runtime) => [runtime, "the machine's own on EC2"])),
    remedy: `Say in ${ec2File}, as setup.pythons, which ones its machines have, or start the server without that provider.`,
    ensure: async () => {},
  };
}
