import { isPythonRuntime, type RuntimeName } from "../model/runtime.ts";

/** How the first process of a blank container starts. */
export type RuntimeCommand = {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
};

/**
 * @param interpreter the runtime's Node binary, or the home folder of its Python, as the container sees it; unused by
 *   custom runtimes.
 * @param runtimesDir folder with the bundled runtimes, as the container sees it.
 */
export function runtimeCommand(runtime: RuntimeName, interpreter: string, runtimesDir: string): RuntimeCommand {
  if (runtime === "provided.al2023") {
    return { command: "/bin/sh", args: [`${runtimesDir}/custom-runtime.sh`], env: BASE_ENVIRONMENT };
  }
  if (isPythonRuntime(runtime)) {
    return {
      command: `${interpreter}/bin/${runtime}`,
      args: [...PYTHON_ARGUMENTS, `${runtimesDir}/python-runtime.py`],
      env: { ...BASE_ENVIRONMENT, LD_LIBRARY_PATH: `${interpreter}/lib` },
    };
  }
  const args = [`--max-old-space-size=${HEAP_MIB_MAX}`, `${runtimesDir}/node-runtime.cjs`];
  return { command: interpreter, args, env: BASE_ENVIRONMENT };
}

/** A function's folder is not for compiled files; containers have no locale that would say that texts are UTF-8. */
const PYTHON_ARGUMENTS = ["-B", "-X", "utf8"];

/**
 * V8 fixes its heap's bound when the process starts, before anybody knows the function. Left alone it would take
 * the blank container's size for it; this is Lambda's largest function, and the container's own limit is what holds.
 */
const HEAP_MIB_MAX = 10_240;

/** What holds before a function's own environment is known. */
const BASE_ENVIRONMENT = {
  PATH: "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
  LANG: "en_US.UTF-8",
  TZ: ":UTC",
  HOME: "/tmp",
};
