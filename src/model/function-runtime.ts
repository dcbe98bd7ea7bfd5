import { isRuntime, RUNTIMES, type RuntimeName } from "./runtime.ts";

/** Runtimes that functions may name besides `RUNTIMES`, with the one whose containers run them. */
const SAME_CONTAINERS = {
  // Neither has anything of its own but the operating system, and that is this machine's.
  "provided.al2": "provided.al2023",
} as const satisfies Record<string, RuntimeName>;

/** A runtime that a function may name. */
export type FunctionRuntime = RuntimeName | keyof typeof SAME_CONTAINERS;

/** All that a function may name. */
export const FUNCTION_RUNTIMES: readonly FunctionRuntime[] = [
  ...RUNTIMES,
  ...(Object.keys(SAME_CONTAINERS) as (keyof typeof SAME_CONTAINERS)[]),
];

/** Whether a name from outside is one of `FUNCTION_RUNTIMES`. */
export function isFunctionRuntime(name: string): name is FunctionRuntime {
  return isRuntime(name) || Object.hasOwn(SAME_CONTAINERS, name);
}

/** The runtime of the containers that run a function of this one. */
export function containerRuntimeOf(runtime: FunctionRuntime): RuntimeName {
  return isRuntime(runtime) ? runtime : SAME_CONTAINERS[runtime];
}
