import { statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { streamingOf } from "./awslambda.ts";
import { RuntimeError } from "./function-error.ts";
import type { Callback, InvocationContext } from "./invocation-context.ts";

export type Handler = (event: unknown, context: InvocationContext, callback?: Callback) => unknown;

/** Where Lambda looks, in this order; the first file that exists is the function's module. */
const EXTENSIONS = ["", ".js", ".mjs", ".cjs"];

/** Node.js 24 is the first runtime of Lambda without callback handlers. */
export const allowsCallbacks = Number.parseInt(process.versions.node, 10) < 24;

/**
 * Finds and loads the handler `folder/module.export[.nested]`.
 *
 * @throws what the module throws; RuntimeError with Lambda's own names when it cannot be found,
 * parsed, or has no such function.
 */
export async function loadHandler(taskRoot: string, name: string): Promise<Handler> {
  const { folder, module, exportPath } = parseHandlerName(name);
  const loaded = await loadModule(findModule(taskRoot, folder, module));
  // Compilers put the exports of some modules one level deeper.
  const handler = findIn(loaded, exportPath) || findIn((loaded as { default?: unknown } | null)?.default, exportPath);
  if (!handler) {
    throw new RuntimeError("Runtime.HandlerNotFound", `${name} is undefined or not exported`);
  }
  if (typeof handler !== "function") throw new RuntimeError("Runtime.HandlerNotFound", `${name} is not a function`);
  if (!allowsCallbacks && handler.length > 2 && streamingOf(handler) === undefined) {
    throw new RuntimeError(
      "Runtime.CallbackHandlerDeprecated",
      "ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to modify this function to use a supported handler signature to use Node.js 24 or later. For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.",
    );
  }
  return handler as Handler;
}

function findIn(module: unknown, exportPath: readonly string[]): unknown {
  return exportPath.reduce<unknown>(
    (value, key) => (value as Record<string, unknown> | undefined | null)?.[key],
    module,
  );
}

function parseHandlerName(name: string): { folder: string; module: string; exportPath: string[] } {
  if (name.includes("..")) {
    throw new RuntimeError(
      "Runtime.MalformedHandlerName",
      `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const moduleStart = name.lastIndexOf("/") + 1;
  const moduleEnd = name.indexOf(".", moduleStart);
  if (moduleEnd === -1) throw new RuntimeError("Runtime.MalformedHandlerName", "Bad handler");
  return {
    folder: name.slice(0, moduleStart),
    module: name.slice(moduleStart, moduleEnd),
    exportPath: name.slice(moduleEnd + 1).split("."),
  };
}

function findModule(taskRoot: string, folder: string, module: string): string {
  const path = join(taskRoot, folder, module);
  for (const extension of EXTENSIONS) {
    if (statSync(path + extension, { throwIfNoEntry: false })?.isFile()) return path + extension;
  }
  // A package below node_modules or in a layer, as Lambda finds it through NODE_PATH.
  try {
    return createRequire(join(taskRoot, folder, "/")).resolve(module);
  } catch (error) {
    throw toRuntimeError(error);
  }
}

/** `require` also loads ES modules, without a detour over promises, unless they await at the top level. */
async function loadModule(path: string): Promise<unknown> {
  try {
    try {
      return require(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException | undefined)?.code !== "ERR_REQUIRE_ASYNC_MODULE") throw error;
      return await import(pathToFileURL(path).href);
    }
  } catch (error) {
    throw toRuntimeError(error);
  }
}

function toRuntimeError(error: unknown): unknown {
  if (error instanceof SyntaxError) return new RuntimeError("Runtime.UserCodeSyntaxError", String(error), error.stack);
  if (error instanceof Error && (error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND") {
    return new RuntimeError("Runtime.ImportModuleError", String(error), `Runtime.ImportModuleError: ${error.stack}`);
  }
  return error;
}
