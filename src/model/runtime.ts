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

export type RuntimeName = (typeof RUNTIMES)[number];

export type PythonRuntime = Extract<RuntimeName, `python${string}`>;

/** Whether a name from outside is one of `RUNTIMES`. */
export function isRuntime(name: string): name is RuntimeName {
  return (RUNTIMES as readonly string[]).includes(name);
}

export function isPythonRuntime(runtime: RuntimeName): runtime is PythonRuntime {
  return runtime.startsWith("python");
}
