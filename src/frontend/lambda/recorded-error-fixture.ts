import { expect } from "vitest";
import { arn, call, role, zip } from "./lambda-routes-fixture.ts";

/** What the tests of recorded answers share: the requests that earn them, and how an answer is compared. */

export const account = "000000000000" as never;
export const functions = "/2015-03-31/functions";
export const f = `${functions}/f`;
export const absent = arn.replace(/f$/, "doesnotexist");
export const json = JSON.stringify;
export const ENUM =
  "[nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, dotnet6, nodejs18.x, provided.al2, java8.al2]";
export const RESOURCE =
  "arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:(function:[a-zA-Z0-9-_]+(:(\\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)";
export const violation = (value: string, member: string, constraint: string) =>
  `1 validation error detected: Value ${value} at '${member}' failed to satisfy constraint: ${constraint}`;
export const pattern = (value: string, member: string, text: string) =>
  violation(`'${value}'`, member, `Member must satisfy regular expression pattern: ${text}`);
export const tags = (resource: string) => `/2017-03-31/tags/${encodeURIComponent(resource)}`;

export type Case = readonly [
  type: string,
  status: number,
  message: string,
  method: string,
  path: string,
  body?: unknown,
];

/** What makes a function, with other members. */
export const made = (members: Record<string, unknown> = {}) => ({
  FunctionName: "new",
  Runtime: "nodejs24.x",
  Handler: "index.handler",
  Role: role,
  Code: { ZipFile: zip.toString("base64") },
  ...members,
});
export const provisioned = (qualifier: string, name = "f") =>
  `/2019-09-30/functions/${name}/provisioned-concurrency?Qualifier=${encodeURIComponent(qualifier)}`;
export const reserved = "/2017-10-31/functions/f/concurrency";

export async function check([type, status, message, method, path, body]: Case, hasType: boolean): Promise<void> {
  const text = body === undefined || typeof body === "string" ? body : json(body);
  const answer = await call(method, path, text);
  const said = (await answer.json()) as Record<string, unknown>;
  expect({ type: answer.headers.get("x-amzn-errortype"), status: answer.status, message: said["message"] }).toEqual({
    type,
    status,
    message,
  });
  expect(said["Message"]).toBe(message);
  expect(said["Type"]).toBe(hasType ? "User" : undefined);
}

export const INVALID = "InvalidParameterValueException";
export const CONFLICT = "ResourceConflictException";
export const MISSING = "ResourceNotFoundException";
export const PRECONDITION = "PreconditionFailedException";
export const VALIDATION = "ValidationException";
export const STALE =
  "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id";
export const UNQUALIFIED =
  "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.";
export const NOT_PUBLISHED = "The function resource provided must be an alias or a published version.";
export const LARGE = { LARGE_VAR: "x".repeat(4096) };
export const LARGE_BESIDE_SMALL = { SMALL_VAR: "ok", LARGE_VAR: "x".repeat(4096) };
export const tooLarge = (variables: Record<string, string>) =>
  `Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: ${json(variables)}`;
export const unsupported = (runtime: string) =>
  `The runtime parameter of ${runtime} is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.`;
export const uuid = "01234567-89ab-cdef-0123-456789abcdef";
export const ofKind = (kind: string) => arn.replace("function:f", kind);
