import type { PythonHomes } from "../images/python-homes.ts";
import { HearthError } from "../model/error-code.ts";
import type { AccountId } from "../model/ids.ts";
import { isPythonRuntime, type PythonRuntime, type RuntimeName } from "../model/runtime.ts";
import type { RuntimeSupply } from "../ports/runtime-supply.ts";

export type PythonSupplyOptions = {
  readonly homes: PythonHomes;
  /** Providers of the fleet whose machines have no Python. */
  readonly without: readonly string[];
  /** The account has, or is about to have, a function of this runtime, and this machine can run it. */
  onWanted(accountId: AccountId, runtime: PythonRuntime): void;
};

/** The runtimes that need an interpreter of this machine; Node.js and custom runtimes are always there. */
export function createPythonSupply({ homes, without, onWanted }: PythonSupplyOptions): RuntimeSupply {
  return {
    async prepare(accountId, runtime) {
      if (!isPythonRuntime(runtime)) return undefined;
      if (without.length > 0) {
        return `Runtime ${runtime} cannot run on this server: machines of the provider ${without.join(" and ")} have no Python. Start the server without it.`;
      }
      const home = homes[runtime];
      if (home === undefined) return missing(runtime, homes);
      try {
        await home.ensure();
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
