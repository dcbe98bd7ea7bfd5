import { z } from "zod";
import type { FunctionCatalog, FunctionOptions, RuntimeUpdate } from "../../ports/function-catalog.ts";
import type { HttpServer, RouteRequest } from "../http-server.ts";
import { checkInput } from "./constraints.ts";
import { optional, parseInput } from "./function-input.ts";
import { FunctionRequests } from "./function-request.ts";
import { grantedOf } from "./granted.ts";
import { invalidParameter } from "./lambda-error.ts";
import { sendJson } from "./send.ts";

const recursionInput = z.object({ RecursiveLoop: optional(z.string()) });
const runtimeInput = z.object({ UpdateRuntimeOn: optional(z.string()), RuntimeVersionArn: optional(z.string()) });

/** Adds the operations on what is kept of a function and has no effect here: recursion and runtime management. */
export function addOptionRoutes(server: HttpServer, catalog: FunctionCatalog, region: string): void {
  const functions = new FunctionRequests(catalog, region);
  const optionsOf = ({ principal }: RouteRequest, name: string) => catalog.optionsOf(principal.accountId, name) ?? {};
  const setOptions = async (request: RouteRequest, name: string, options: Partial<FunctionOptions>) => {
    const answer = await catalog.setOptions(request.principal.accountId, name, options);
    grantedOf(answer, { arn: functions.arn(request, name), name });
  };

  const recursion = "/2024-08-31/functions/:FunctionName/recursion-config";
  server.addRoute("GET", recursion, (request) => {
    const { name } = functions.unqualified(request);
    sendJson(request, 200, { RecursiveLoop: optionsOf(request, name).recursiveLoop ?? "Terminate" });
  });
  server.addRoute("PUT", recursion, async (request) => {
    const input = parseInput(recursionInput, request.body);
    checkInput("PutFunctionRecursionConfig", input, ["FunctionName"]);
    const { name } = functions.unqualified(request);
    const recursiveLoop = input.RecursiveLoop as FunctionOptions["recursiveLoop"];
    await setOptions(request, name, { recursiveLoop });
    sendJson(request, 200, { RecursiveLoop: recursiveLoop });
  });

  const runtime = "/2021-07-20/functions/:FunctionName/runtime-management-config";
  server.addRoute("GET", runtime, (request) => {
    const { arn, name, version } = versionOf(functions, request);
    const update = optionsOf(request, name).runtimeUpdates?.[version] ?? { on: "Auto" };
    sendJson(request, 200, { FunctionArn: arn, ...runtimeUpdateOf(update) });
  });
  server.addRoute("PUT", runtime, async (request) => {
    const input = parseInput(runtimeInput, request.body);
    checkInput("PutRuntimeManagementConfig", input, ["FunctionName", "Qualifier"]);
    const { arn, name, version } = versionOf(functions, request);
    const update = { on: input.UpdateRuntimeOn as RuntimeUpdate["on"], runtimeVersionArn: input.RuntimeVersionArn };
    if ((update.on === "Manual") !== (update.runtimeVersionArn !== undefined)) {
      throw invalidParameter("A RuntimeVersionArn is required with UpdateRuntimeOn Manual, and not allowed otherwise.");
    }
    const { runtimeUpdates } = optionsOf(request, name);
    await setOptions(request, name, { runtimeUpdates: { ...runtimeUpdates, [version]: update } });
    sendJson(request, 200, { FunctionArn: arn, ...runtimeUpdateOf(update) });
  });
}

/** The version that a request is about, with the ARN as it was asked for. @throws LambdaError. */
function versionOf(
  functions: FunctionRequests,
  request: RouteRequest,
): { readonly arn: string; readonly name: string; readonly version: string } {
  const target = functions.readable(request);
  const { arn, version } = functions.require(request, target);
  const { name, qualifier } = target;
  return { name, version, arn: qualifier === undefined ? arn : `${arn}:${qualifier}` };
}

function runtimeUpdateOf({ on, runtimeVersionArn }: RuntimeUpdate): Record<string, unknown> {
  return { UpdateRuntimeOn: on, ...(runtimeVersionArn === undefined ? {} : { RuntimeVersionArn: runtimeVersionArn }) };
}
