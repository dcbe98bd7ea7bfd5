import { expect, test } from "vitest";
import { call, serveLambdaRoutes } from "./lambda-routes-fixture.ts";

serveLambdaRoutes();

test("an operation that Hearth lacks is unknown", async () => {
  for (const [method, path] of [
    ["GET", "/"],
    ["POST", "/2020-04-22/code-signing-configs"],
    ["GET", "/2025-11-30/capacity-providers"],
    ["GET", "/2025-12-01/functions/f/durable-executions"],
    ["PATCH", "/2015-03-31/functions/f"],
    ["GET", "/2018-10-31/nothing"],
    ["GET", "/%ff"],
    ["POST", "/2015-03-31/functions/%E0%A4%A/invocations"],
  ] as const) {
    const answer = await call(method, path);
    expect([answer.status, answer.headers.get("x-amzn-errortype")], path).toEqual([404, "UnknownOperationException"]);
  }
});
