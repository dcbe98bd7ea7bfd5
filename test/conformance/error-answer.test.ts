import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { zipOfEntries } from "../../src/ports/contract/zip-fixture.ts";
import { HearthProcess } from "../integration/server-fixture/hearth-process.ts";
import { archiveOf, LambdaCaller } from "../integration/server-fixture/lambda-caller.ts";
import { provider } from "./provider.ts";

const FUNCTIONS = "/2015-03-31/functions";
const ARN = "arn:aws:lambda:us-east-1:000000000000:function";
const zip = archiveOf({ "index.js": "exports.handler = async () => 1;" }).toString("base64");
const valid = {
  FunctionName: "new",
  Runtime: "nodejs24.x",
  Handler: "index.handler",
  Role: "arn:aws:iam::000000000000:role/r",
  Code: { ZipFile: zip },
};
const create = (change: object) => ["POST", FUNCTIONS, { ...valid, ...change }] as const;
const entry = (name: string, data = "x", mode?: number) =>
  zipOfEntries([{ name, data, ...(mode === undefined ? {} : { mode }) }]).toString("base64");
const UNZIP = "Could not unzip uploaded file. Please check your file, then try to upload again.";
const UNQUALIFIED =
  "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.";

type Case = {
  readonly ask: readonly [method: string, path: string, body?: object | string, headers?: Record<string, string>];
  readonly answer: readonly [status: number, type: string, message: string | RegExp];
};

/** What real AWS answers (recorded), to the word; where its words are not known, the type and the sense. */
const CASES: Readonly<Record<string, Case>> = {
  "a function that is not there": {
    ask: ["GET", `${FUNCTIONS}/nobody`],
    answer: [404, "ResourceNotFoundException", `Function not found: ${ARN}:nobody`],
  },
  "a version that is not there": {
    ask: ["GET", `${FUNCTIONS}/there?Qualifier=1`],
    answer: [404, "ResourceNotFoundException", `Function not found: ${ARN}:there:1`],
  },
  "an invocation of nothing": {
    ask: ["POST", `${FUNCTIONS}/nobody/invocations`, {}],
    answer: [404, "ResourceNotFoundException", `Function not found: ${ARN}:nobody`],
  },
  "a function of another region": {
    ask: ["GET", `${FUNCTIONS}/${encodeURIComponent("arn:aws:lambda:ap-southeast-1:000000000000:function:there")}`],
    answer: [
      404,
      "ResourceNotFoundException",
      "Functions from 'ap-southeast-1' are not reachable in this region ('us-east-1')",
    ],
  },
  "two qualifiers": {
    ask: ["GET", `${FUNCTIONS}/there:1?Qualifier=2`],
    answer: [
      400,
      "InvalidParameterValueException",
      "The derived qualifier from the function name does not match the specified qualifier.",
    ],
  },
  "a malformed name": {
    ask: ["GET", `${FUNCTIONS}/${encodeURIComponent("invalid:function:name")}`],
    answer: [
      400,
      "ValidationException",
      /^1 validation error detected: Value 'invalid:function:name' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: /,
    ],
  },
  "a name that is too long": {
    ask: create({ FunctionName: "a".repeat(65) }),
    answer: [
      400,
      "InvalidParameterValueException",
      `1 validation error detected: Value '${"a".repeat(65)}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64`,
    ],
  },
  "a name that is taken": {
    ask: create({ FunctionName: "there" }),
    answer: [409, "ResourceConflictException", "Function already exist: there"],
  },
  "no role": {
    ask: create({ Role: undefined }),
    answer: [
      400,
      "ValidationException",
      "1 validation error detected: Value null at 'role' failed to satisfy constraint: Member must not be null",
    ],
  },
  "a role that is none": {
    ask: create({ Role: "r1" }),
    answer: [
      400,
      "ValidationException",
      "1 validation error detected: Value 'r1' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+",
    ],
  },
  "several mistakes at once": {
    ask: create({ Timeout: 0, MemorySize: 64 }),
    answer: [
      400,
      "ValidationException",
      /^2 validation errors detected: .*at 'timeout'.*greater than or equal to 1; .*at 'memorySize'.*greater than or equal to 128$/,
    ],
  },
  "two architectures": {
    ask: create({ Architectures: ["x86_64", "arm64"] }),
    answer: [
      400,
      "ValidationException",
      "1 validation error detected: Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1",
    ],
  },
  "an architecture in capitals": {
    ask: create({ Architectures: ["X86_64"] }),
    answer: [
      400,
      "ValidationException",
      "1 validation error detected: Value '[X86_64]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]",
    ],
  },
  "a runtime that is none": {
    ask: create({ Runtime: "cobol" }),
    answer: [
      400,
      "InvalidParameterValueException",
      /^Value cobol at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: \[.*\] or be a valid ARN$/,
    ],
  },
  "a runtime of the past": {
    ask: create({ Runtime: "nodejs12.x" }),
    answer: [
      400,
      "InvalidParameterValueException",
      "The runtime parameter of nodejs12.x is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.",
    ],
  },
  "an archive that is none": {
    ask: create({ Code: { ZipFile: Buffer.from("no zip").toString("base64") } }),
    answer: [400, "InvalidParameterValueException", UNZIP],
  },
  "an archive that climbs out": {
    ask: create({ Code: { ZipFile: entry("../../evil.js") } }),
    answer: [400, "InvalidParameterValueException", UNZIP],
  },
  "an archive with an absolute path": {
    ask: create({ Code: { ZipFile: entry("/etc/evil") } }),
    answer: [400, "InvalidParameterValueException", UNZIP],
  },
  "an environment that is too large": {
    ask: create({ Environment: { Variables: { LONG: "x".repeat(5000) } } }),
    answer: [
      400,
      "InvalidParameterValueException",
      `Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {"LONG":"${"x".repeat(5000)}"}`,
    ],
  },
  "a reserved variable": {
    ask: create({ Environment: { Variables: { AWS_REGION: "mars" } } }),
    answer: [400, "InvalidParameterValueException", /Reserved keys used in this request: AWS_REGION$/],
  },
  "too many tags": {
    ask: create({ Tags: Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`t${i}`, "x"])) }),
    answer: [400, "InvalidParameterValueException", "Number of tags exceeds resource tag limit."],
  },
  "an update of another revision": {
    ask: ["PUT", `${FUNCTIONS}/there/configuration`, { RevisionId: "00000000-0000-0000-0000-000000000000" }],
    answer: [
      412,
      "PreconditionFailedException",
      "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
    ],
  },
  "an update of a version": {
    ask: ["PUT", `${FUNCTIONS}/there:1/configuration`, {}],
    answer: [400, "InvalidParameterValueException", UNQUALIFIED],
  },
  "an update with an image": {
    ask: ["PUT", `${FUNCTIONS}/there/code`, { ImageUri: "x" }],
    answer: [
      400,
      "InvalidParameterValueException",
      "Please don't provide ImageUri when updating a function with packageType Zip.",
    ],
  },
  "an end of $LATEST": {
    ask: ["DELETE", `${FUNCTIONS}/there?Qualifier=$LATEST`],
    answer: [400, "InvalidParameterValueException", "$LATEST version cannot be deleted without deleting the function."],
  },
  "an end of nothing": {
    ask: ["DELETE", `${FUNCTIONS}/nobody`],
    answer: [404, "ResourceNotFoundException", `Function not found: ${ARN}:nobody`],
  },
  "an untagging of no tags": {
    ask: ["DELETE", `/2017-03-31/tags/${encodeURIComponent(`${ARN}:there`)}`],
    answer: [
      400,
      "ValidationException",
      "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member must not be null",
    ],
  },
  "tags of what is no ARN": {
    ask: ["GET", `/2017-03-31/tags/${encodeURIComponent("arn:aws:something")}`],
    answer: [
      400,
      "ValidationException",
      /^1 validation error detected: Value 'arn:aws:something' at 'resource' failed to satisfy constraint: Member must satisfy regular expression pattern: /,
    ],
  },
  "a payload that is no JSON": {
    ask: ["POST", `${FUNCTIONS}/there/invocations`, "{oops"],
    answer: [
      400,
      "InvalidRequestContentException",
      /^Could not parse request body into json: Could not parse payload into json: /,
    ],
  },
  "an event that is no JSON": {
    ask: ["POST", `${FUNCTIONS}/there/invocations`, "{oops", { "x-amz-invocation-type": "Event" }],
    answer: [400, "InvalidRequestContentException", /^Could not parse request body into json: /],
  },
  "a kind of invocation that is none": {
    ask: ["POST", `${FUNCTIONS}/there/invocations`, {}, { "x-amz-invocation-type": "Later" }],
    answer: [
      400,
      "ValidationException",
      "1 validation error detected: Value 'Later' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]",
    ],
  },
  "a page of nothing": {
    ask: ["GET", `${FUNCTIONS}?MaxItems=0`],
    answer: [
      400,
      "ValidationException",
      "1 validation error detected: Value '0' at 'maxItems' failed to satisfy constraint: Member must have value greater than or equal to 1",
    ],
  },
  "an operation that is none": {
    ask: ["GET", "/2015-03-31/nothing"],
    answer: [404, "UnknownOperationException", /./],
  },
};

describe("the answer to", () => {
  let hearth: HearthProcess;
  let lambda: LambdaCaller;
  beforeAll(async () => {
    hearth = await HearthProcess.start({ provider });
    lambda = new LambdaCaller(() => hearth.url);
    await lambda.deploy("there", { files: { "index.js": "exports.handler = async () => 1;" } });
  });
  afterAll(async () => {
    lambda.close();
    await hearth[Symbol.asyncDispose]();
  });

  test.for(Object.entries(CASES))("%s", async ([, { ask, answer }]) => {
    const [method, path, body = "", headers] = ask;
    const [status, type, message] = answer;
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const answered = await lambda.request(method, path, text, headers);
    const json = JSON.parse(answered.body.toString());
    expect([answered.status, answered.headers["x-amzn-errortype"]], String(answered.body)).toEqual([status, type]);
    expect(answered.headers["x-amzn-requestid"]).toMatch(/^[0-9a-f-]{36}$/);
    // Lambda's shapes differ in which of the two they read.
    for (const says of [json.message, json.Message]) {
      if (typeof message === "string") expect(says).toBe(message);
      else expect(says).toMatch(message);
    }
    if (["ValidationException", "UnknownOperationException"].includes(type)) expect(json.Type).toBeUndefined();
    else expect(json.Type).toBe("User");
  });

  test("all of this leaves one function, and it works", async () => {
    const { Functions: functions } = JSON.parse((await lambda.request("GET", FUNCTIONS)).body.toString());
    expect(functions.map((listed: { FunctionName: string }) => listed.FunctionName)).toEqual(["there"]);
    expect((await lambda.invoke("there")).json).toBe(1);
  });
});
