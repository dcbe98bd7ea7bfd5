/** The runtimes that Hearth can start, with what a blank container of each is made of. */
export const RUNTIMES = [
  "nodejs22.x",
  "nodejs24.x",
  "python3.11",
  "python3.12",
  "python3.13",
  "python3.14",
  "provided.al2023",
] as const;

/** One of `RUNTIMES`, as `Runtime` of Lambda's API names it. */
export type RuntimeName = (typeof RUNTIMES)[number];

/** Those whose function is Python code, in the version that the name ends with. */
export type PythonRuntime = Extract<RuntimeName, `python${string}`>;

/** Whether a name from outside is one of `RUNTIMES`. */
export function isRuntime(name: string): name is RuntimeName {
  return (RUNTIMES as readonly string[]).includes(name);
}

/** Whether the runtime runs Python code, of any version. */
export function isPythonRuntime(runtime: RuntimeName): runtime is PythonRuntime {
  return runtime.startsWith("python");
}
