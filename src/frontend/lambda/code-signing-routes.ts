import { z } from "zod";
import type { FunctionCatalog } from "../../ports/function-catalog.ts";
import type { HttpServer, RouteRequest } from "../http-server.ts";
import { checkInput } from "./constraints.ts";
import { optional, parseInput } from "./function-input.ts";
import { FunctionRequests } from "./function-request.ts";
import { LambdaError } from "./lambda-error.ts";
import { sendEmpty, sendJson } from "./send.ts";

/**
 * Adds what clients ask about code signing. Code is not signed here, so no configuration of it is ever there: every
 * function has none, and each that is named is missing.
 */
export function addCodeSigningRoutes(server: HttpServer, catalog: FunctionCatalog, region: string): void {
  const functions = new FunctionRequests(catalog, region);
  const ofFunction = "/2020-06-30/functions/:FunctionName/code-signing-config";
  server.addRoute("GET", ofFunction, (request) => {
    functions.unqualified(request);
    sendJson(request, 200, {});
  });
  server.addRoute("DELETE", ofFunction, (request) => {
    functions.unqualified(request);
    sendEmpty(request, 204);
  });
  server.addRoute("PUT", ofFunction, (request) => {
    const input = parseInput(z.object({ CodeSigningConfigArn: optional(z.string()) }), request.body);
    checkInput("PutFunctionCodeSigningConfig", input, ["FunctionName"]);
    functions.unqualified(request);
    throw codeSigningMissing(input.CodeSigningConfigArn ?? "");
  });

  const configs = "/2020-04-22/code-signing-configs";
  server.addRoute("GET", configs, (request) => sendJson(request, 200, { CodeSigningConfigs: [] }));
  const missing = ({ params }: RouteRequest) => {
    const message = `The Lambda code signing configuration ${params["Arn"]} can not be found.`;
    throw new LambdaError("ResourceNotFoundException", 404, message);
  };
  for (const method of ["GET", "PUT", "DELETE"]) server.addRoute(method, `${configs}/:Arn`, missing);
  server.addRoute("GET", `${configs}/:Arn/functions`, missing);
}

/** For a function that is to have one. */
export function codeSigningMissing(arn: string): LambdaError {
  return new LambdaError(
    "CodeSigningConfigNotFoundException",
    404,
    `The code signing configuration cannot be found. Check that the provided configuration is not deleted: ${arn}.`,
    { Type: "User" },
  );
}
