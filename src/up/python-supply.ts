import { HearthError } from "../model/error-code.ts";
import type { AccountId } from "../model/ids.ts";
import { isPythonRuntime, type PythonRuntime, type RuntimeName } from "../model/runtime.ts";
import type { RuntimeSupply } from "../ports/runtime-supply.ts";
import type { PythonPlace } from "./python-places.ts";

export type PythonSupplyOptions = {
  /** Everywhere a function may run. */
  readonly places: readonly PythonPlace[];
  /** The account has, or is about to have, a function of this runtime, and all places can run it. */
  onWanted(accountId: AccountId, runtime: PythonRuntime): void;
};

/** The runtimes that need an interpreter of where they run; Node.js and custom runtimes are always there. */
export function createPythonSupply({ places, onWanted }: PythonSupplyOptions): RuntimeSupply {
  return {
    async prepare(accountId, runtime) {
      if (!isPythonRuntime(runtime)) return undefined;
      const lacking = places.find(({ pythons }) => pythons[runtime] === undefined);
      if (lacking !== undefined) return missing(runtime, lacking);
      try {
        for (const place of places) await place.ensure(runtime);
      } catch (error) {
        throw new HearthError("STORE_FAILED", `${runtime}: ${(error as Error).message}`, { cause: error });
      }
      onWanted(accountId, runtime);
      return undefined;
    },
  };
}

function missing(runtime: RuntimeName, { name, pythons, remedy }: PythonPlace): string {
  const others = Object.keys(pythons);
  const has = others.length === 0 ? "no Python at all" : others.join(", ");
  return `Runtime ${runtime} cannot run on this server: ${name} has no ${runtime} (it has ${has}). ${remedy}`;
}
