import type { PythonHomes } from "../images/python-homes.ts";
import { HearthError } from "../model/error-code.ts";
import type { AccountId } from "../model/ids.ts";
import { isPythonRuntime, type PythonRuntime, type RuntimeName } from "../model/runtime.ts";
import type { RuntimeSupply } from "../ports/runtime-supply.ts";

export type PythonSupplyOptions = {
  readonly homes: PythonHomes;
  /** Whether functions may run on other machines than this one, which have interpreters of their own. */
  readonly hasOtherMachines: boolean;
  /** The account has, or is about to have, a function of this runtime, and this machine can run it. */
  onWanted(accountId: AccountId, runtime: PythonRuntime): void;
};

/** The runtimes that need an interpreter of this machine; Node.js and custom runtimes are always there. */
export function createPythonSupply({ homes, hasOtherMachines, onWanted }: PythonSupplyOptions): RuntimeSupply {
  return {
    async prepare(accountId, runtime) {
      if (!isPythonRuntime(runtime)) return undefined;
      const home = homes[runtime];
      if (home === undefined && !hasOtherMachines) return missing(runtime, homes);
      try {
        await home?.ensure();
      } catch (error) {
        throw new HearthError("STORE_FAILED", `${runtime}: ${(error as Error).message}`, { cause: error });
      }
      onWanted(accountId, runtime);
      return undefined;
    },
  };
}

function missing(runtime: RuntimeName, homes: PythonHomes): string {
  const others = Object.keys(homes);
  const has = others.length === 0 ? "no Python at all" : others.join(", ");
  return `Runtime ${runtime} cannot run on this server: the machine has no ${runtime} (it has ${has}). Install one, with the system's packages or pyenv, and start the server again.`;
}
